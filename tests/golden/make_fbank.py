"""Run the original filter banks on drawn sound and write fbank.json.

    PYTHONPATH=tests:FOLDER:PACKAGES python tests/golden/make_fbank.py

FOLDER: a checkout of jasongief/TGS-Agent; PACKAGES: torchaudio 2.4.0, of which compliance/kaldi.py alone is read, since
the package does not import with a current torch.
"""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from golden.drawn import numbers

NUM_SAMPLES = 4000  # a quarter of a second at 16 kHz


def main() -> None:
    found = next(path for entry in sys.path if (path := Path(entry) / "torchaudio/compliance/kaldi.py").is_file())
    sys.modules["torchaudio"] = ModuleType("torchaudio")
    spec = importlib.util.spec_from_file_location("torchaudio.compliance.kaldi", found)
    kaldi = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kaldi)
    sys.modules["torchaudio.compliance"] = ModuleType("torchaudio.compliance")
    sys.modules["torchaudio.compliance"].kaldi = sys.modules["torchaudio.compliance.kaldi"] = kaldi
    sys.modules["librosa"] = ModuleType("librosa")
    from dataset.audio_processor import preprocess

    sound = numbers("sound", (1, NUM_SAMPLES)) / np.float32(10)
    note = {
        "source": "jasongief/TGS-Agent 4e144c9: dataset/audio_processor.py; torchaudio 2.4.0: compliance/kaldi.py",
        "versions": f"torch {torch.__version__}, CPU",
    }
    bank = np.round(preprocess(torch.from_numpy(sound))[0].numpy().astype(np.float64), 4).tolist()
    Path(__file__).with_name("fbank.json").write_text(json.dumps(note | {"fbank": bank}) + "\n")


if __name__ == "__main__":
    main()
