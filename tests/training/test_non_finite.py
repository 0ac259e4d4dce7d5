from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import small_net, stripes, trainer

import gpunet as gn
from gpunet.training.non_finite import first_non_finite, require_finite_weights


class BreaksAt(gn.Module):
    """Passes its input through, but makes one element infinite from the n-th training pass on."""

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.passes = 0

    def output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape)

    def compute(self, context: gn.Context, x: Any) -> Any:
        if context.training:
            self.passes += 1
        if self.passes < self.turn:
            return x
        y = x.copy()
        y.reshape(-1)[-1] = np.inf
        return y

    def differentiate(self, context: gn.Context, grad_y: Any) -> Any:
        return grad_y


def net_that_breaks(turn: int) -> gn.Sequential:
    with gn.random.seeded(0):
        return gn.Sequential(
            gn.Conv2d(1, 4, 3),
            gn.BatchNorm2d(4),
            gn.Sequential(gn.ReLU(), BreaksAt(turn)),
            gn.Flatten(),
            gn.Linear(64, 3),
        )


def test_the_first_layer_is_named_with_epoch_and_batch(tmp_path: Path) -> None:
    whole = trainer(net_that_breaks(99), run_dir=tmp_path / "whole")
    whole.fit(stripes(), 1)
    one = trainer(net_that_breaks(9), run_dir=tmp_path / "run")
    buffers: list[np.ndarray] = []

    class Watch(gn.Callback):
        def on_batch_begin(self, trainer: gn.Trainer, epoch: int, step: int) -> None:
            buffers.append(trainer.net.state_dict()["1.num_batches_tracked"])

    one.callbacks.append(Watch())
    with pytest.raises(gn.DataError) as caught:
        one.fit(stripes(), 3)
    assert str(caught.value) == (
        "the loss is not finite in epoch 2, batch 3 of it. "
        "The first layer whose output is not finite is BreaksAt '2.1'. "
        f"The last checkpoint is kept in {tmp_path / 'run'}. "
        "Lower the learning rate, clip the gradients (max_grad_norm), or look at the data."
    )
    # The search counted no batch of its own, and the checkpoint is that of the last whole epoch.
    assert int(one.net.state_dict()["1.num_batches_tracked"]) == int(buffers[-1]) + 1
    last = (tmp_path / "run" / "last.safetensors").read_bytes()
    assert last == (tmp_path / "whole" / "last.safetensors").read_bytes()


def test_a_learning_rate_that_is_too_high_is_found() -> None:
    net = small_net()
    one = gn.Trainer(net, gn.SGD(net.parameters(), lr=1e30), gn.CrossEntropyLoss(), batch_size=8, progress=False)
    with pytest.raises(gn.DataError, match=r"not finite in epoch 1, batch \d of it\. (The first layer|'\d\.\w+' and)"):
        one.fit(stripes(), 5)


def test_weights_that_were_spoilt_by_the_step_before_are_named() -> None:
    def loss(outputs: Any, labels: Any) -> Any:
        value, grad = gn.CrossEntropyLoss()(outputs, labels)
        return value, grad * np.float32(np.nan)

    net = small_net()
    one = gn.Trainer(net, gn.SGD(net.parameters(), lr=0.1), loss, batch_size=8, progress=False)
    with pytest.raises(
        gn.DataError, match=r"batch 2 of it\. '0\.weight' and 5 more are not finite, so an earlier step"
    ):
        one.fit(stripes(), 1)


def test_a_last_step_that_spoils_the_weights_is_not_saved(tmp_path: Path) -> None:
    def loss(outputs: Any, labels: Any) -> Any:
        value, grad = gn.CrossEntropyLoss()(outputs, labels)
        return value, grad * np.float32(np.nan if one.position.step == 5 else 1)

    net = small_net()
    one = gn.Trainer(net, gn.SGD(net.parameters(), lr=0.1), loss, run_dir=tmp_path, batch_size=8, progress=False)
    with pytest.raises(gn.DataError, match=r"epoch 1, after its last step: '0\.weight' and 5 more are not finite"):
        one.fit(stripes(), 1)
    saved = small_net(seed=3)
    gn.load_weights(saved, tmp_path / "last.safetensors")
    assert np.isfinite(saved.state_dict()["0.weight"]).all()


def test_a_loss_that_breaks_by_itself_is_blamed() -> None:
    def loss(outputs: Any, labels: Any) -> Any:
        return np.float32(np.nan), np.zeros_like(outputs)

    net = small_net()
    one = gn.Trainer(net, gn.SGD(net.parameters(), lr=0.1), loss, batch_size=8, progress=False)
    with pytest.raises(gn.DataError, match="Every layer's output is finite: the loss itself made it"):
        one.fit(stripes(), 1)


def test_a_batch_that_is_not_finite_is_blamed() -> None:
    def augment(images: np.ndarray, stream: Any) -> np.ndarray:
        result = images.astype(np.float32) / 255
        result[3, 0, 2, 2] = np.nan
        return result

    with pytest.raises(
        gn.DataError, match=r"batch 1 of it\. The batch itself holds NaN or infinity, first in its image 3"
    ):
        trainer(augment=augment).fit(stripes(), 1)


def test_dropout_is_repeated_as_it_was() -> None:
    net = gn.Sequential(gn.Flatten(), gn.Dropout(0.5), BreaksAt(2))
    x = np.ones((2, 1, 4, 4), np.float32)
    shown: list[np.ndarray] = []
    net.set_random_position(1, 2, 3)
    y = net.forward(x, training=True)
    with net.observe(lambda event: shown.append(event.outputs[0]) if event.outputs else None):
        assert first_non_finite(net, x, (1, 2, 3)).endswith("BreaksAt '2'.")
    np.testing.assert_array_equal(shown[1], y)


def test_rare_reads_find_the_first_batch_and_say_how_to_find_the_layer(tmp_path: Path) -> None:
    one = trainer(net_that_breaks(3), run_dir=tmp_path, check_every=5)
    with pytest.raises(gn.DataError, match=r"epoch 1, batch 3 of it\. Later steps have spoilt .* check_every=1"):
        one.fit(stripes(), 1)


def test_a_validation_that_is_not_finite_stops_too() -> None:
    def loss(outputs: Any, labels: Any) -> Any:
        value, grad = gn.CrossEntropyLoss()(outputs, labels)
        return (value if len(labels) == 8 else value * np.float32(np.inf)), grad

    net = small_net()
    one = gn.Trainer(net, gn.SGD(net.parameters(), lr=0.1), loss, batch_size=8, progress=False)
    with pytest.raises(gn.DataError, match="epoch 1: the validation loss is inf, with finite weights"):
        one.fit(stripes(), 1, validation=stripes(3))


def test_spoilt_buffers_are_named() -> None:
    net = small_net()
    net[1].running_var.value[2] = np.inf  # type: ignore[attr-defined]
    with pytest.raises(gn.DataError, match=r"now: '1\.running_var' is not finite"):
        require_finite_weights(net, "now")
