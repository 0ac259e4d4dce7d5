import itertools
import warnings

import numpy as np
import oracles
import pytest
from tolerances import SCHEDULE

torch = oracles.require("torch")

from gpunet import optimizers, schedules  # noqa: E402 - after the oracle is there
from gpunet.state import Parameter  # noqa: E402 - after the oracle is there

STEPS = 200


def grid(name, **choices):
    return [(name, dict(zip(choices, values, strict=True))) for values in itertools.product(*choices.values())]


PLAIN = [
    *grid("StepLR", step_size=[1, 7, 60], gamma=[0.1, 0.97, 1.0]),
    *grid("MultiStepLR", milestones=[[], [0], [3, 50, 50, 120], [1, 2, 3]], gamma=[0.1, 0.7]),
    *grid("CosineAnnealingLR", T_max=[1, 2, 7, 60, 200, 365], eta_min=[0.0, 1e-4]),
    *grid("LinearLR", start_factor=[1 / 3, 1.0, 0.01], end_factor=[1.0, 0.25], total_iters=[1, 5, 150]),
]
ONE_CYCLE = grid(
    "OneCycleLR",
    max_lr=[0.4, [0.4, 0.01, 3.0]],
    total_steps=[STEPS + 1, 201 + 32],
    pct_start=[0.3, 0.45],
    anneal_strategy=["cos", "linear"],
    cycle_momentum=[True, False],
    three_phase=[False, True],
)


def label(value):
    return value if isinstance(value, str) else ",".join(f"{name}={setting}" for name, setting in value.items())


def make(library, parameter, name="SGD"):
    groups = [{"params": [parameter()]}, {"params": [parameter()], "lr": 0.02}, {"params": [parameter()], "lr": 3.0}]
    extra = {"momentum": 0.9} if name in {"SGD", "RMSprop"} else {}
    return getattr(library, name)(groups, lr=0.5, **extra)


def pair(name="SGD"):
    return (
        make(optimizers, lambda: Parameter(np.zeros(2)), name),
        make(torch.optim, lambda: torch.nn.Parameter(torch.zeros(2)), name),
    )


def tell(optimizer):
    """Rates and momenta of all groups."""
    lrs = [group["lr"] for group in optimizer.param_groups]
    return lrs, [group["betas"][0] if "betas" in group else group.get("momentum") for group in optimizer.param_groups]


def compare(ours, theirs, optimizer, their_optimizer, steps=STEPS):
    for step in range(steps + 1):
        lrs, momenta = tell(optimizer)
        wanted, wanted_momenta = tell(their_optimizer)
        assert lrs == pytest.approx(wanted, rel=SCHEDULE, abs=1e-18), step
        assert momenta == pytest.approx(wanted_momenta, rel=SCHEDULE), step
        assert ours.get_last_lr() == lrs
        assert ours.last_epoch == theirs.last_epoch
        if step < steps:
            ours.step()
            their_optimizer.step()  # PyTorch warns if the order is wrong
            theirs.step()


@pytest.mark.parametrize(("name", "settings"), PLAIN, ids=label)
def test_plain_schedules(name, settings):
    optimizer, their_optimizer = pair()
    ours = getattr(schedules, name)(optimizer, **settings)
    theirs = getattr(torch.optim.lr_scheduler, name)(their_optimizer, **settings)
    assert ours.base_lrs == theirs.base_lrs
    compare(ours, theirs, optimizer, their_optimizer)


@pytest.mark.parametrize(("name", "settings"), ONE_CYCLE, ids=label)
@pytest.mark.parametrize("optimizer_name", ["SGD", "AdamW"])
def test_one_cycle(name, settings, optimizer_name):
    optimizer, their_optimizer = pair(optimizer_name)
    ours = getattr(schedules, name)(optimizer, **settings)
    theirs = getattr(torch.optim.lr_scheduler, name)(their_optimizer, **settings)
    assert ours.base_lrs == theirs.base_lrs
    compare(ours, theirs, optimizer, their_optimizer)


@pytest.mark.parametrize(
    "settings",
    [
        {"div_factor": 10.0, "final_div_factor": 1e6, "base_momentum": 0.6, "max_momentum": 0.8, "total_steps": 201},
        {"epochs": 3, "steps_per_epoch": 67, "base_momentum": [0.1, 0.2, 0.3], "max_momentum": [0.7, 0.8, 0.9]},
        {"total_steps": 201, "pct_start": 0.0},
        {"total_steps": 201, "pct_start": 1.0},
        {"total_steps": 201, "pct_start": 0.7, "three_phase": True},
        {"total_steps": 201, "pct_start": 0.5, "three_phase": True},
    ],
    ids=label,
)
def test_one_cycle_other_settings(settings):
    optimizer, their_optimizer = pair("RMSprop")
    ours = schedules.OneCycleLR(optimizer, 0.3, **settings)
    theirs = torch.optim.lr_scheduler.OneCycleLR(their_optimizer, 0.3, **settings)
    compare(ours, theirs, optimizer, their_optimizer)


@pytest.mark.parametrize("total_steps", range(1, 13))
@pytest.mark.parametrize("three_phase", [False, True])
def test_short_one_cycles(total_steps, three_phase):
    optimizer, their_optimizer = pair()
    settings = {"max_lr": 0.3, "total_steps": total_steps, "three_phase": three_phase}
    ours = schedules.OneCycleLR(optimizer, **settings)
    theirs = torch.optim.lr_scheduler.OneCycleLR(their_optimizer, **settings)
    compare(ours, theirs, optimizer, their_optimizer, steps=total_steps - 1)


CHAINS = [
    ([("LinearLR", {"start_factor": 0.1, "total_iters": 10}), ("CosineAnnealingLR", {"T_max": 190})], [10]),
    ([("LinearLR", {"total_iters": 20}), ("StepLR", {"step_size": 30}), ("MultiStepLR", {"milestones": [5]})], [8, 90]),
    ([("StepLR", {"step_size": 3}), ("LinearLR", {"total_iters": 4})], [0]),
    ([("MultiStepLR", {"milestones": [0, 2]}), ("MultiStepLR", {"milestones": [0, 2]})], [100]),
    (
        [("CosineAnnealingLR", {"T_max": 50, "eta_min": 1e-3}), ("OneCycleLR", {"max_lr": 1.0, "total_steps": 160})],
        [50],
    ),
    ([("LinearLR", {"total_iters": 9}), ("OneCycleLR", {"max_lr": 1.0, "total_steps": 199, "three_phase": True})], [3]),
    ([("StepLR", {"step_size": 9})], []),
]


def build(library, sequential, optimizer, chain, milestones):
    parts = [getattr(library, name)(optimizer, **settings) for name, settings in chain]
    return sequential(optimizer, parts, milestones)


@pytest.mark.parametrize(("chain", "milestones"), CHAINS)
def test_sequential(chain, milestones):
    optimizer, their_optimizer = pair()
    ours = build(schedules, schedules.SequentialLR, optimizer, chain, milestones)
    library = torch.optim.lr_scheduler
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch steps its schedules inside of one another
        theirs = build(library, library.SequentialLR, their_optimizer, chain, milestones)
        compare(ours, theirs, optimizer, their_optimizer)


def test_two_schedules_on_one_optimizer_multiply():
    optimizer, their_optimizer = pair()
    ours = [schedules.LinearLR(optimizer, total_iters=30), schedules.StepLR(optimizer, 20, 0.5)]
    library = torch.optim.lr_scheduler
    theirs = [library.LinearLR(their_optimizer, total_iters=30), library.StepLR(their_optimizer, 20, 0.5)]
    for _ in range(STEPS):
        their_optimizer.step()
        for schedule in (*ours, *theirs):
            schedule.step()
        assert tell(optimizer)[0] == pytest.approx(tell(their_optimizer)[0], rel=SCHEDULE)
