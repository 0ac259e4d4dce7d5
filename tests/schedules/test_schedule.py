"""What all schedules share, and refusing what cannot work."""

import json
import math

import numpy as np
import pytest

import gpunet as gn
from gpunet.optimizers import SGD, Adam, Optimizer, RMSprop
from gpunet.schedules import CosineAnnealingLR, LinearLR, MultiStepLR, OneCycleLR, Schedule, SequentialLR, StepLR


def optimizer(kind=SGD, groups=2, **settings):
    return kind([{"params": gn.Parameter(np.zeros(1)), "lr": 2.0**-i} for i in range(groups)], **settings)


def rates(schedule, steps, group=0):
    """The rate at step 0 and at the next ones."""
    seen = [schedule.get_last_lr()[group]]
    for _ in range(steps):
        schedule.step()
        assert [group["lr"] for group in schedule.optimizer.param_groups] == schedule.get_last_lr()
        seen.append(schedule.get_last_lr()[group])
    return seen


MAKERS = {
    "StepLR": lambda o: StepLR(o, 4, 0.3),
    "MultiStepLR": lambda o: MultiStepLR(o, iter([3, 3, 8]), 0.3),
    "CosineAnnealingLR": lambda o: CosineAnnealingLR(o, 7, 1e-3),
    "LinearLR": lambda o: LinearLR(o, 0.1, total_iters=6),
    "OneCycleLR": lambda o: OneCycleLR(o, [1.0, 0.2], 40),
    "OneCycleLR in three phases": lambda o: OneCycleLR(o, 1.0, 40, anneal_strategy="linear", three_phase=True),
    "SequentialLR": lambda o: SequentialLR(o, [LinearLR(o), CosineAnnealingLR(o, 9), StepLR(o, 2)], [5, 13]),
    "SequentialLR in another": lambda o: SequentialLR(
        o, [LinearLR(o), SequentialLR(o, [StepLR(o, 2), LinearLR(o, 0.5)], [4])], [5]
    ),
}


def test_powers_of_two_are_exact():
    assert rates(StepLR(optimizer(), 2, 0.5), 5) == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert rates(StepLR(optimizer(), 2, 0.5), 2, group=1) == [0.5, 0.5, 0.25]
    assert rates(MultiStepLR(optimizer(), [1, 3, 3], 0.5), 4) == [1, 0.5, 0.5, 0.125, 0.125]
    assert rates(LinearLR(optimizer(), 0.5, 1.0, 2), 4) == pytest.approx([0.5, 0.75, 1, 1, 1])
    assert rates(CosineAnnealingLR(optimizer(), 2), 4) == pytest.approx([1, 0.5, 0, 0.5, 1], abs=1e-15)


def test_one_cycle_by_hand():
    schedule = OneCycleLR(
        optimizer(SGD, 1), 1.0, 9, pct_start=1 / 3, anneal_strategy="linear", div_factor=4, final_div_factor=2
    )
    group = schedule.optimizer.param_groups[0]
    momenta = [group["momentum"]]
    seen = [group["lr"]]
    for _ in range(8):
        schedule.step()
        seen.append(group["lr"])
        momenta.append(group["momentum"])
    assert seen == pytest.approx([0.25, 0.625, 1, *(1 - 0.875 * i / 6 for i in range(1, 7))])
    assert momenta == pytest.approx([0.95, 0.9, 0.85, *(0.85 + 0.1 * i / 6 for i in range(1, 7))])


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("kind", [SGD, Adam, RMSprop])
def test_one_cycle_past_its_end(kind, strategy):
    """The step after the last batch keeps the last rate (linear would go below 0); one more is refused."""
    schedule = OneCycleLR(optimizer(kind), 1.0, total_steps=10, anneal_strategy=strategy)
    for _ in range(9):
        schedule.step()
    last = schedule.get_last_lr()
    settings = [{**group} for group in schedule.optimizer.param_groups]
    assert min(last) > 0
    schedule.step()
    assert schedule.get_last_lr() == last
    for _ in range(2):
        with pytest.raises(gn.StateError, match="made for 10 steps"):
            schedule.step()
        assert schedule.last_epoch == 10
    assert [{**group} for group in schedule.optimizer.param_groups] == settings


def test_one_cycle_with_a_rise_of_no_length():
    """PyTorch divides by zero here."""
    schedule = OneCycleLR(optimizer(), 1.0, 10, pct_start=0.1)
    assert schedule.get_last_lr() == [1.0, 1.0]
    falling = rates(schedule, 9)
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] == pytest.approx(1 / 25 / 1e4)


def test_a_step_past_the_end_inside_of_a_sequence_is_not_counted():
    o = optimizer()
    schedule = SequentialLR(o, [StepLR(o, 3), OneCycleLR(o, 1.0, 4)], [2])
    rates(schedule, 6)
    for _ in range(2):
        with pytest.raises(gn.StateError, match="made for 4 steps"):
            schedule.step()
    assert (schedule.last_epoch, schedule.schedulers[1].last_epoch) == (6, 4)


@pytest.mark.parametrize("start", [1 / 3, 1.0, 0.1, 0.7])
def test_a_line_down_to_zero_never_falls_below(start):
    for total in range(1, 40):
        seen = rates(LinearLR(optimizer(), start, 0.0, total), total + 1)
        assert min(seen) >= 0
        assert seen[-1] == pytest.approx(0, abs=1e-14)


def test_momentum_is_cycled_only_if_asked():
    o = optimizer(momentum=0.5)
    rates(OneCycleLR(o, 1.0, 10, cycle_momentum=False), 5)
    assert [group["momentum"] for group in o.param_groups] == [0.5, 0.5]
    o = optimizer(Adam, betas=(0.5, 0.75))
    rates(OneCycleLR(o, 1.0, 10), 5)
    assert [group["betas"][1] for group in o.param_groups] == [0.75, 0.75]
    assert o.param_groups[0]["betas"][0] not in {0.5, 0.95}


def test_a_sequence_inside_of_a_sequence_starts_afresh():
    o = optimizer()
    schedule = MAKERS["SequentialLR in another"](o)
    seen = rates(schedule, 12)
    assert seen[5:9] == pytest.approx([1, 1, 0.1, 0.1])  # StepLR's steps 0 to 3
    assert seen[9:13] == pytest.approx([0.5, 0.6, 0.7, 0.8])  # LinearLR's


def test_get_last_lr_is_a_copy():
    schedule = StepLR(optimizer(), 3)
    schedule.get_last_lr()[0] = 5.0
    assert schedule.get_last_lr() == [1.0, 0.5]


def test_repr():
    schedule = StepLR(optimizer(), 3, 0.5)
    schedule.step()
    assert repr(schedule) == "StepLR(step_size=3, gamma=0.5) at step 1"


# Saving


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("kind", [SGD, Adam])
@pytest.mark.parametrize("at", [0, 3, 11])
def test_a_loaded_schedule_goes_on_to_the_bit(name, kind, at):
    first = MAKERS[name](optimizer(kind))
    rates(first, at)
    saved = json.loads(json.dumps([first.state_dict(), first.optimizer.state_dict()["settings"]]))
    second = MAKERS[name](optimizer(kind))
    second.optimizer.load_state_dict({"arrays": {}, "settings": saved[1]})
    second.load_state_dict(saved[0])
    assert second.get_last_lr() == first.get_last_lr()
    for _ in range(20):
        first.step()
        second.step()
        assert [{**g, "params": 0} for g in first.optimizer.param_groups] == [
            {**g, "params": 0} for g in second.optimizer.param_groups
        ]
    assert second.state_dict() == first.state_dict()


def test_the_settings_of_the_state_are_taken_over():
    first, second = StepLR(optimizer(), 2, 0.5), StepLR(optimizer(), 3, 0.1)
    second.load_state_dict(first.state_dict())
    assert rates(second, 4) == [1, 1, 0.5, 0.5, 0.25]


def test_schedules_of_a_sequence_stay_the_same_objects():
    o = optimizer()
    parts = [LinearLR(o), StepLR(o, 2)]
    schedule = SequentialLR(o, parts, [3])
    state = schedule.state_dict()
    rates(schedule, 7)
    schedule.load_state_dict(state)
    assert schedule.schedulers[0] is parts[0]
    assert schedule.schedulers[1] is parts[1]
    assert [part.last_epoch for part in parts] == [0, 0]
    assert schedule.last_epoch == 0


def test_the_state_shares_nothing_with_the_schedule():
    schedule = MultiStepLR(optimizer(), [2, 4])
    state = schedule.state_dict()
    state["milestones"].append(6)
    state["base_lrs"][0] = 9.0
    assert schedule.milestones == [2, 4]
    fresh = schedule.state_dict()
    schedule.load_state_dict(fresh)
    fresh["milestones"].append(6)
    fresh["last_lr"][0] = 9.0
    assert schedule.milestones == [2, 4]
    assert schedule.get_last_lr() == [1.0, 0.5]


def changed(**entries):
    return lambda state: {**state, **entries}


MISFITS = {
    "nothing": lambda _: {},
    "no mapping": lambda _: 3,
    "another schedule": changed(schedule="MultiStepLR"),
    "a missing entry": lambda state: {name: value for name, value in state.items() if name != "gamma"},
    "an unknown entry": changed(colour="red"),
    "a negative position": changed(last_epoch=-1),
    "a position in words": changed(last_epoch="3"),
    "one group": changed(base_lrs=[0.1]),
    "no list": changed(base_lrs=0.1),
    "rates of NaN": changed(last_lr=[0.1, math.nan]),
    "a wrong setting": changed(step_size=0),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_state_that_does_not_fit_changes_nothing(name):
    schedule = StepLR(optimizer(), 3)
    rates(schedule, 4)
    before = schedule.state_dict()
    with pytest.raises(gn.CheckpointError, match=r"^StepLR: .*Nothing was loaded") as error:
        schedule.load_state_dict(MISFITS[name](schedule.state_dict()))
    assert "\n" not in str(error.value)
    assert schedule.state_dict() == before


@pytest.mark.parametrize("entry", ["no list", [], [{}, {}], None])
def test_a_sequence_with_a_wrong_part_changes_nothing(entry):
    o = optimizer()
    schedule = SequentialLR(o, [LinearLR(o), StepLR(o, 2)], [3])
    rates(schedule, 4)
    before = schedule.state_dict()
    state = schedule.state_dict()
    if entry is None:
        state["schedulers"][1]["gamma"] = -1.0
        state["schedulers"][0]["last_epoch"] = 1
    else:
        state["schedulers"] = entry
    with pytest.raises(gn.CheckpointError, match="Nothing was loaded"):
        schedule.load_state_dict(state)
    assert schedule.state_dict() == before


# Bad settings

BAD = [
    (lambda o: StepLR(o, 0), "step_size: got 0, wanted an integer of at least 1"),
    (lambda o: StepLR(o, 2.5), "step_size: got 2.5"),
    (lambda o: StepLR(o, True), "step_size: got True"),
    (lambda o: StepLR(o, 3, -0.1), "gamma: got -0.1"),
    (lambda o: MultiStepLR(o, 30), "milestones: got 30, wanted a list"),
    (lambda o: MultiStepLR(o, "30"), "wanted a list"),
    (lambda o: MultiStepLR(o, [30, 10]), r"got \[30, 10\], wanted steps that do not fall"),
    (lambda o: MultiStepLR(o, [0.5]), "milestones: got 0.5"),
    (lambda o: CosineAnnealingLR(o, 0), "T_max"),
    (lambda o: CosineAnnealingLR(o, 10, -1), "eta_min"),
    (lambda o: CosineAnnealingLR(o, 10, math.nan), "eta_min"),
    (lambda o: LinearLR(o, 0), "start_factor must be above 0"),
    (lambda o: LinearLR(o, 1.5), "start_factor"),
    (lambda o: LinearLR(o, 0.5, 2.0), "end_factor"),
    (lambda o: LinearLR(o, total_iters=0), "total_iters"),
    (lambda o: OneCycleLR(o, 0.1), "give total_steps, or both epochs and steps_per_epoch"),
    (lambda o: OneCycleLR(o, 0.1, epochs=3), "give total_steps"),
    (lambda o: OneCycleLR(o, 0.1, epochs=0, steps_per_epoch=1), "epochs: got 0"),
    (lambda o: OneCycleLR(o, 0.1, epochs=1, steps_per_epoch=1.5), "steps_per_epoch: got 1.5"),
    (lambda o: OneCycleLR(o, 0.1, 0), "total_steps: got 0"),
    (lambda o: OneCycleLR(o, -0.1, 10), "max_lr: got -0.1"),
    (lambda o: OneCycleLR(o, [0.1], 10), "for 2 parameter groups"),
    (lambda o: OneCycleLR(o, 0.1, 10, pct_start=1.5), "pct_start"),
    (lambda o: OneCycleLR(o, 0.1, 10, anneal_strategy="exp"), "anneal_strategy: got 'exp', wanted 'cos' or 'linear'"),
    (lambda o: OneCycleLR(o, 0.1, 10, cycle_momentum=1), "cycle_momentum: got 1"),
    (lambda o: OneCycleLR(o, 0.1, 10, three_phase="no"), "three_phase"),
    (lambda o: OneCycleLR(o, 0.1, 10, div_factor=0), "div_factor must be above 0"),
    (lambda o: OneCycleLR(o, 0.1, 10, final_div_factor=-1), "final_div_factor"),
    (lambda o: OneCycleLR(o, 0.1, 10, max_momentum=1.5), "max_momentum"),
    (lambda o: OneCycleLR(o, 0.1, 10, base_momentum=[0.8]), "base_momentum"),
    (lambda o: StepLR(gn.Parameter(np.zeros(1)), 3), "got a Parameter, wanted an optimizer"),
    (lambda o: OneCycleLR(None, 0.1, 10), "got a NoneType, wanted an optimizer"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_bad_settings_change_nothing(make, message):
    o = optimizer(momentum=0.5)
    before = [{**group} for group in o.param_groups]
    with pytest.raises(gn.DataError, match=message):
        make(o)
    assert o.param_groups == before


BAD_SEQUENCES = [
    (lambda o: SequentialLR(o, [], []), "got no schedules"),
    (lambda o: SequentialLR(o, [StepLR(o, 1), "StepLR"], [1]), "item 1 is a str"),
    (lambda o: SequentialLR(o, [StepLR(optimizer(), 1)], []), "schedule 0 belongs to another optimizer"),
    (lambda o: SequentialLR(o, [StepLR(o, 1)], [4]), "got 1 milestones for 1 schedules"),
    (lambda o: SequentialLR(o, [StepLR(o, 1), StepLR(o, 2)], [-4]), "milestones: got -4"),
]


@pytest.mark.parametrize(("make", "message"), BAD_SEQUENCES)
def test_bad_sequences(make, message):
    with pytest.raises(gn.DataError, match=message):
        make(optimizer())


def test_an_optimizer_without_momentum_cannot_cycle_it():
    class Plain(Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 0.1})

    with pytest.raises(gn.DataError, match=r"Plain has no momentum to cycle\. Pass cycle_momentum=False"):
        OneCycleLR(optimizer(Plain), 1.0, 10)
    assert OneCycleLR(optimizer(Plain), 1.0, 10, cycle_momentum=False).get_last_lr() == pytest.approx([0.04, 0.04])


def test_a_group_that_is_added_later_is_refused():
    schedule = StepLR(optimizer(), 1)
    schedule.optimizer.add_param_group({"params": gn.Parameter(np.zeros(1))})
    with pytest.raises(gn.StateError, match="has 3 parameter groups, but had 2 when this schedule was made"):
        schedule.step()
    assert schedule.last_epoch == 0


def test_a_schedule_of_ones_own():
    class Halving(Schedule):
        settings = ("every",)

        def __init__(self, optimizer, every):
            super().__init__(optimizer, every=every)

        def configure(self, every):
            self.every = every

        def lrs(self, before):
            return [lr / 2 for lr in before] if self.last_epoch and self.last_epoch % self.every == 0 else before

    assert rates(Halving(optimizer(), 2), 4) == [1, 1, 0.5, 0.5, 0.25]


def test_first_rates_stay_in_the_groups():
    o = optimizer()
    rates(LinearLR(o, 0.5), 2)
    assert [group["initial_lr"] for group in o.param_groups] == [1.0, 0.5]
    assert CosineAnnealingLR(o, 5).base_lrs == [1.0, 0.5]
