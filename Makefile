# make run: from nothing to scored masks.  make test: the whole test suite.  Both set everything up first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PINS := --constraint constraints.txt
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.PHONY: install tiny-weights run compare test lint clean

install: $(VENV)/.installed

# torch comes first, so that sam2 (whose build needs torch) is built against it instead of downloading another one.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' || \
	    { echo "$(PYTHON) is not Python 3.11 or 3.12: use make PYTHON=/path/to/python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(PINS) pip setuptools wheel
	$(BIN)/python -m pip install --quiet $(PINS) torch torchvision
	$(BIN)/python -m pip install --quiet $(PINS) --no-build-isolation sam2
	$(BIN)/python -m pip install --quiet $(PINS) --no-build-isolation --editable '.[dev]'
	touch $@

# Trains the weights of the embedded default anew: hours on two cores. A killed run goes on where it was.
tiny-weights: install
	for name in vision sound language; do \
	    $(BIN)/python training/stages/encoders.py $$name --params training/tiny.yaml || exit 1; done
	for phase in image clips; do \
	    $(BIN)/python training/stages/segmenter_$$phase.py --params training/tiny.yaml || exit 1; done
	rm -rf training/artifacts/dataset
	for stage in backbone detector dataset manifest features corpus "alignment visual" "alignment audio" \
	    pretrain_audio pretrain_visual finetune export; do \
	    set -- $$stage; $(BIN)/python training/stages/$$1.py $$2 --params training/tiny.yaml || exit 1; done
	cp -r training/artifacts/encoders/vision/clip training/artifacts/encoders/sound/beats.safetensors \
	    training/artifacts/export/ref_thinker training/artifacts/segmenter_clips/sam2.* \
	    training/artifacts/detector/grounding_dino weights/tiny/

run: install
	$(BIN)/tgs check
	$(BIN)/dvc repro
	$(BIN)/tgs scores

# All methods on the tiny world in one table; what `make run` or an earlier comparison has computed is not computed again.
compare: install
	$(BIN)/dvc repro dataset
	$(BIN)/tgs sweep experiments/compare.yaml --out sweeps/compare

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf artifacts/* .tgs_cache
