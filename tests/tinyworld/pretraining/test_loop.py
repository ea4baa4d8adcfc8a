from dataclasses import replace

import pytest
import torch
from torch import nn

from tgs_pipeline.tinyworld.pretraining.loop import Plan, train

PLAN = Plan(
    num_steps=24,
    warmup_steps=4,
    matrix_rate=0.02,
    other_rate=0.01,
    decay_power=2.0,
    bfloat16=False,
    log_every_steps=3,
    save_every_steps=6,
)


class Killed(BaseException):
    """Ends a run from inside."""


def make_module():
    torch.manual_seed(0)
    return nn.ModuleDict({"layer": nn.Linear(4, 6), "head": nn.Linear(6, 1)})


def run(folder, *, plan=PLAN, killed_at=None, module=None):
    """Train on sums of four numbers; returns the module and the curve."""
    module = module or make_module()

    def step(number):
        if number == killed_at:
            raise Killed
        x = torch.randn(16, 4, generator=torch.Generator().manual_seed(number))
        hidden = nn.functional.dropout(torch.tanh(module["layer"](x)), 0.05)  # the state of its random numbers counts
        error = module["head"](hidden).flatten() - x.sum(dim=1)
        return error.square().mean(), {"number": float(number)}

    curve = train("toy", module, step, is_matrix=lambda name: name == "layer.weight", plan=plan, folder=folder)
    return module, curve


def state_of(module):
    return {name: tensor.numpy().tobytes() for name, tensor in module.state_dict().items()}


def test_the_loss_falls_and_means_are_logged(tmp_path):
    module, curve = run(tmp_path)
    assert [entry["step"] for entry in curve] == [3, 6, 9, 12, 15, 18, 21, 24]
    assert [entry["number"] for entry in curve] == [1.0, 4.0, 7.0, 10.0, 13.0, 16.0, 19.0, 22.0]
    assert curve[-1]["loss"] < 0.6 * curve[0]["loss"]
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.parametrize("killed_at", [7, 13, 23])
def test_a_killed_run_ends_with_the_bytes_of_an_undisturbed_one(tmp_path, killed_at):
    undisturbed, curve = run(tmp_path / "alone")
    with pytest.raises(Killed):
        run(tmp_path / "killed", killed_at=killed_at)
    torch.manual_seed(99)
    other = nn.ModuleDict({"layer": nn.Linear(4, 6), "head": nn.Linear(6, 1)})  # what it starts from is forgotten
    resumed, same_curve = run(tmp_path / "killed", module=other)
    assert state_of(resumed) == state_of(undisturbed)
    assert same_curve == curve


def test_a_resumed_run_repeats_no_step(tmp_path):
    with pytest.raises(Killed):
        run(tmp_path, killed_at=13)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    with pytest.raises(Killed):
        run(tmp_path, killed_at=12)  # the first step after the checkpoint
    run(tmp_path, killed_at=11)


def test_muon_trains_the_matrices_and_both_rates_fall(tmp_path, monkeypatch):
    used = {"Muon": [], "AdamW": []}
    for name in used:
        base = getattr(torch.optim, name)

        class Recorder(base):
            def step(self, *arguments, name=name, **keywords):
                [group] = self.param_groups
                used[name].append((group["lr"], [tuple(parameter.shape) for parameter in group["params"]]))
                return super().step(*arguments, **keywords)

        monkeypatch.setattr(torch.optim, name, Recorder)
    run(tmp_path)
    assert {str(shapes) for _, shapes in used["Muon"]} == {"[(6, 4)]"}
    assert {str(shapes) for _, shapes in used["AdamW"]} == {"[(6,), (1, 6), (1,)]"}
    factors = [min(1.0, (step + 1) / 4) * max(0.01, (1 - step / 24) ** 2) for step in range(24)]
    assert [rate for rate, _ in used["Muon"]] == pytest.approx([0.02 * factor for factor in factors])
    assert [rate for rate, _ in used["AdamW"]] == pytest.approx([0.01 * factor for factor in factors])
    assert factors[0] == 0.25 and factors[-1] == 0.01


def test_bfloat16_is_of_products_alone(tmp_path):
    plan = replace(PLAN, bfloat16=True)
    module, curve = run(tmp_path / "half", plan=plan)
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    _, exact_curve = run(tmp_path / "exact")
    assert curve != exact_curve and curve[-1]["loss"] == pytest.approx(exact_curve[-1]["loss"], rel=0.2)


def test_some_parameters_learn_slower(tmp_path, monkeypatch):
    """Each at its own rate, all with the same course; a killed run goes on with them."""
    rates = []

    class Recorder(torch.optim.AdamW):
        def step(self, *arguments, **keywords):
            rates.append({tuple(p.shape): group["lr"] for group in self.param_groups for p in group["params"]})
            return super().step(*arguments, **keywords)

    monkeypatch.setattr(torch.optim, "AdamW", Recorder)

    def paced(folder, killed_at=None):
        module = make_module()

        def step(number):
            if number == killed_at:
                raise Killed
            x = torch.randn(16, 4, generator=torch.Generator().manual_seed(number))
            return (module["head"](module["layer"](x)).flatten() - x.sum(dim=1)).square().mean(), {}

        train(
            "toy",
            module,
            step,
            is_matrix=lambda name: name == "layer.weight",
            plan=PLAN,
            folder=folder,
            pace=lambda name: 0.25 if name.startswith("head") else 1.0,
        )
        return module

    undisturbed = paced(tmp_path / "alone")
    assert rates[10] == {(6,): pytest.approx(0.01 * (14 / 24) ** 2)} | dict.fromkeys(
        [(1, 6), (1,)], pytest.approx(0.0025 * (14 / 24) ** 2)
    )
    with pytest.raises(Killed):
        paced(tmp_path / "killed", killed_at=13)
    assert state_of(paced(tmp_path / "killed")) == state_of(undisturbed)
