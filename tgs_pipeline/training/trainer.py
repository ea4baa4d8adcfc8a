"""The training loop: transformers' Trainer (with accelerate) on prompts with media, and checkpoints that it resumes.

A checkpoint holds the trained parameters alone, the optimizer, the schedule and the random states; a file `complete`
is written last. A killed run goes on from the newest complete checkpoint and ends with the bytes of an undisturbed one.
"""

import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tgs_pipeline.models.ref_thinker import RefThinker
from tgs_pipeline.training.collate import Batch, Collator, answer_loss
from tgs_pipeline.training.examples import Examples
from tgs_pipeline.training.params import Phase, Runtime
from tgs_pipeline.training.schedules import make_schedule

COMPLETE = "complete"
WEIGHTS = "model.safetensors"
CHECKPOINTS_KEPT = 2  # the newest may be half-written when a run is killed

log = logging.getLogger(__name__)


class PhaseTrainer(Trainer):
    """Trainer with the loss on the answers, our schedules, and checkpoints of what is trained."""

    def __init__(self, *, phase: Phase, model: RefThinker, **settings: Any) -> None:  # noqa: ANN401  # Trainer's own
        super().__init__(model=model, **settings)
        self._thinker = model
        self.phase = phase

    def compute_loss(  # type: ignore[override]
        self, model: nn.Module, inputs: Batch, return_outputs: bool = False, num_items_in_batch: object = None
    ) -> torch.Tensor:
        """Mean over the answer tokens of a micro-batch; Trainer averages micro-batches, as upstream's does."""
        labels = inputs["labels"]
        logits = model(inputs["prompts"], num_last=labels.shape[1] + 1)
        return answer_loss(logits, labels)

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """The schedule of the phase over the whole run."""
        optimizer = optimizer or self.optimizer
        assert optimizer is not None  # Trainer makes it first
        phase = self.phase
        factor = make_schedule(phase.schedule, warmup_steps=phase.warmup_steps, total_steps=num_training_steps)
        self.lr_scheduler = LambdaLR(optimizer, factor)
        return self.lr_scheduler

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        """The trained parameters alone: the rest is the base model's, and 13 GB at the size of LLaMA-2-7b."""
        if not self.args.should_save:
            return
        folder = Path(output_dir or str(self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        state = self._thinker.state_dict() if state_dict is None else state_dict
        save_file({name: state[name].contiguous() for name in self._trained()}, folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        if self.is_fsdp_enabled:  # accelerate has sharded the model
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        path = Path(resume_from_checkpoint) / WEIGHTS
        state = load_file(path)
        if state.keys() != self._trained():
            raise ValueError(f"{path} holds other parameters than this phase trains: remove {path.parent.parent}")
        self._thinker.load_state_dict(state, strict=False)

    def _trained(self) -> set[str]:
        return {name for name, parameter in self._thinker.named_parameters() if parameter.requires_grad}


class _Marker(TrainerCallback):
    """Marks a checkpoint as complete, and logs progress where there is no terminal for a bar."""

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        if state.is_world_process_zero:
            (Path(str(args.output_dir)) / f"checkpoint-{state.global_step}" / COMPLETE).touch()

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        entry = state.log_history[-1]
        if state.is_world_process_zero and "loss" in entry:
            log.info("step %d of %d: loss %.4f", entry["step"], state.max_steps, entry["loss"])


def train(trainer: PhaseTrainer, *, folder: Path) -> list[dict[str, float]]:
    """Train, or go on training; returns the logged steps (step, epoch, loss, learning_rate, grad_norm).

    folder: where checkpoints of this very run are kept and looked for; the trained parameters end in `folder/final`.
    """
    with trainer.args.main_process_first(desc="checkpoints"):
        resumed = _newest_checkpoint(folder, clean=trainer.is_world_process_zero())
    if resumed is not None:
        log.info("resuming from %s", resumed)
    trainer.train(resume_from_checkpoint=None if resumed is None else str(resumed))
    trainer.save_model(str(folder / "final"))
    return [_entry(entry) for entry in trainer.state.log_history if "loss" in entry]


def make_trainer(
    model: RefThinker,
    *,
    examples: Dataset | Examples,
    collator: Callable,
    phase: Phase,
    runtime: Runtime,
    folder: Path,
    bf16: bool,
) -> PhaseTrainer:
    """The Trainer of a phase; distribution over devices comes from the environment that `accelerate launch` sets."""
    if runtime.gradient_checkpointing:
        model.llm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=phase.max_steps or -1,
        num_train_epochs=phase.epochs,
        per_device_train_batch_size=phase.batch_size,
        gradient_accumulation_steps=phase.accumulate,
        learning_rate=phase.learning_rate,
        weight_decay=0.0,
        max_grad_norm=phase.max_grad_norm,
        optim="adamw_torch",
        seed=phase.seed,
        bf16=bf16,
        use_cpu=runtime.device == "cpu",
        average_tokens_across_devices=False,
        ddp_find_unused_parameters=False,
        logging_steps=phase.log_every_steps,
        save_steps=runtime.save_every_steps,
        save_total_limit=CHECKPOINTS_KEPT,
        dataloader_num_workers=runtime.num_loaders - 1,
        remove_unused_columns=False,
        disable_tqdm=not sys.stderr.isatty(),
        report_to="none",
    )
    trainer = PhaseTrainer(
        phase=phase,
        model=model,
        args=arguments,
        train_dataset=examples,
        data_collator=collator,
        callbacks=[_Marker()],
    )
    trainer.remove_callback(PrinterCallback)  # it prints; _Marker logs
    return trainer


@torch.no_grad()
def mean_loss(
    model: RefThinker, *, examples: Examples, collator: Collator, batch_size: int, bf16: bool
) -> float | None:
    """Loss for each answer token over all examples, dropout off; None without examples. bf16: as in training."""
    was_training = model.training
    model.eval()
    total, tokens = 0.0, 0
    for start in range(0, len(examples), batch_size):
        batch = collator([examples[index] for index in range(start, min(start + batch_size, len(examples)))])
        with torch.autocast(model.llm.device.type, torch.bfloat16, enabled=bf16):
            logits = model(batch["prompts"], num_last=batch["labels"].shape[1] + 1)
        total += float(answer_loss(logits, batch["labels"], reduction="sum"))
        tokens += int((batch["labels"] >= 0).sum())
    model.train(was_training)
    return total / tokens if tokens else None


def _newest_checkpoint(folder: Path, *, clean: bool) -> Path | None:
    """The newest complete checkpoint; `clean` removes those that a kill left half-written."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    complete = [path for path in found if (path / COMPLETE).exists()]
    if clean:
        for path in found:
            if path not in complete:
                shutil.rmtree(path)
    return complete[-1] if complete else None


def _entry(logged: dict[str, float]) -> dict[str, float]:
    names = {"step": "step", "epoch": "epoch", "loss": "loss", "learning_rate": "learning_rate"}
    return {name: logged[key] for name, key in names.items()} | {"grad_norm": float(logged["grad_norm"])}
