"""From settings to optimizers and schedules: every name, and the numbers that come of it."""

from __future__ import annotations

import math
from typing import Any

import pytest

import gpunet as gn
from gpunet.cli.building import build_data, build_loss, build_net, build_optimizer, build_schedule
from gpunet.cli.settings import OPTIMIZERS, SCHEDULES, Settings, checked, completed
from gpunet.errors import DataError


def settings(**values: Any) -> Settings:
    small = {"model": "seed_network", "model_options": {"channels": 2}}
    return completed(checked({**small, **values}, "test"))


def net_of(values: Settings) -> gn.Module:
    return build_net(values, (1, 6, 6), 3)


def rates(epochs: int = 4, batches: int = 5, **schedule: Any) -> list[float]:
    """The learning rate of each step, or of each epoch where the schedule steps so; the optimizer's own is 1."""
    values = settings(epochs=epochs, optimizer={"lr": 1.0}, schedule=schedule)
    optimizer = build_optimizer(values, net_of(values))
    moved, every = build_schedule(values, optimizer, batches)
    found = []
    for _ in range(epochs * (batches if every == "batch" else 1)):
        found.append(float(optimizer.param_groups[0]["lr"]))
        if moved is not None:
            optimizer.step()
            moved.step()
    return found


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", "SGD"), ("adam", "Adam"), ("adamw", "AdamW"), ("rmsprop", "RMSprop")]
)
def test_optimizers_have_their_settings(name: str, kind: str) -> None:
    values = settings(optimizer={"name": name, "lr": 0.25})
    optimizer = build_optimizer(values, net_of(values))
    assert type(optimizer) is getattr(gn, kind)
    for group in optimizer.param_groups:
        for key, value in values["optimizer"].items():
            if key in {"name", "decay", "weight_decay"}:
                continue
            assert group[key] == (tuple(value) if isinstance(value, list) else value), key


def test_every_optimizer_is_tested() -> None:
    assert set(OPTIMIZERS) == {"sgd", "adam", "adamw", "rmsprop"}


@pytest.mark.parametrize(("decay", "of_biases"), [("weights", 0.0), ("all", 0.3)])
def test_biases_decay_only_if_asked(decay: str, of_biases: float) -> None:
    values = settings(optimizer={"weight_decay": 0.3, "decay": decay})
    net = net_of(values)
    decays = {
        id(parameter): group["weight_decay"]
        for group in build_optimizer(values, net).param_groups
        for parameter in group["params"]
    }
    named = dict(net.named_parameters())
    assert len(decays) == len(named)
    for name, parameter in named.items():
        assert decays[id(parameter)] == (of_biases if name.endswith("bias") else 0.3), name


@pytest.mark.parametrize("every", ["epoch", "batch"])
@pytest.mark.parametrize("warmup", [0, 1])
@pytest.mark.parametrize("name", [name for name in SCHEDULES if name not in {"none", "onecycle"}])
def test_every_schedule_builds(name: str, warmup: int, every: str) -> None:
    found = rates(name=name, every=every, warmup=warmup)
    steps = 20 if every == "batch" else 4
    assert len(found) == steps
    assert all(0 <= rate <= 1 + 1e-12 for rate in found)
    first = steps // 4 if warmup else 0
    for step in range(first):  # the warm-up rises by equal amounts to the full rate
        assert found[step] == pytest.approx((step + 1) / (first + 1), rel=1e-9)
    assert found[first] == pytest.approx(1.0)


def test_no_schedule_leaves_the_rate() -> None:
    assert rates(name="none") == [1.0] * 4


def test_onecycle_ends_with_the_training() -> None:
    found = rates(name="onecycle", div_factor=10, final_div_factor=100, pct_start=0.25)
    assert len(found) == 20
    assert found[0] == pytest.approx(0.1)
    assert max(found) == pytest.approx(1.0)
    assert found.index(max(found)) == 4  # a quarter of the steps
    assert found[-1] == pytest.approx(0.1 / 100)


def test_cosine_and_linear_end_with_the_training() -> None:
    cosine = rates(name="cosine")
    assert cosine == pytest.approx([(1 + math.cos(math.pi * step / 20)) / 2 for step in range(20)])
    assert rates(name="linear", end_factor=0.2) == pytest.approx([1 - 0.8 * step / 20 for step in range(20)])


def test_steps_count_from_the_start_of_the_training() -> None:
    assert rates(epochs=6, name="step", step_size=2, gamma=0.5) == pytest.approx([1, 1, 0.5, 0.5, 0.25, 0.25])
    found = rates(epochs=6, name="multistep", milestones=[3, 5], gamma=0.1)
    assert found == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01])
    warmed = rates(epochs=6, name="multistep", milestones=[3, 5], gamma=0.1, warmup=1)
    assert warmed == pytest.approx([0.5, 1, 1, 0.1, 0.1, 0.01])


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ({"name": "cosine", "warmup": 4}, "schedule: 20 batches of warm-up do not fit a training of 20. Lower warmup."),
        ({"name": "step", "warmup": 9}, "schedule: 9 epochs of warm-up do not fit a training of 4. Lower warmup."),
        ({"name": "multistep", "warmup": 2, "milestones": [2]}, "schedule: milestones must come after the warm-up."),
    ],
)
def test_schedules_that_do_not_fit(schedule: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        rates(**schedule)
    assert str(caught.value).startswith(message)


def test_the_net_has_its_seed_options_and_precision() -> None:
    first, same, other = (net_of(settings(seed=seed, precision="strict")) for seed in (1, 1, 2))
    assert first.precision == "strict"
    weights = [net.state_dict()["0.weight"] for net in (first, same, other)]
    assert weights[0].shape == (2, 1, 3, 3)
    assert weights[0].tobytes() == weights[1].tobytes() != weights[2].tobytes()


@pytest.mark.parametrize("name", ["num_classes", "in_channels", "image_size", "seed"])
def test_what_the_data_say_is_no_option_of_the_model(name: str) -> None:
    with pytest.raises(DataError, match=f"^model_options: {name} follows from the data and from seed. Leave it out.$"):
        net_of(settings(model_options={name: 3}))


def test_an_option_of_a_wrong_kind() -> None:
    with pytest.raises(DataError, match=r"^model_options: \{'widths': 5\} do not suit compact_resnet: .*len\(\)\.$"):
        net_of(settings(model="compact_resnet", model_options={"widths": 5}))


def test_the_loss_has_its_label_smoothing() -> None:
    plain, smooth = (build_loss(settings(label_smoothing=value)) for value in (0, 0.5))
    assert plain.label_smoothing == 0
    assert smooth.label_smoothing == 0.5


def test_named_data_take_no_image_size() -> None:
    with pytest.raises(DataError, match="image_size and channels are for a folder of images"):
        build_data(settings(data_options={"image_size": [8, 8]}))
