"""The events that TensorBoard reads, read back as it does: records with checksums, each a message of its own format."""

from __future__ import annotations

import builtins
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import small_net, stripes, trainer

import gpunet as gn
from gpunet.training import TensorBoard, TrainingInterrupted

pytest.importorskip("tensorboardX", reason="tensorboardX is not installed: pip install '.[tensorboard]'")


def events(folder: Path) -> list[Any]:
    """All events of all files of a folder, in the order of the files' names, which hold the time."""
    from tensorboardX.event_file_writer import EventsWriter  # noqa: F401 - its format is the one read here
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.glob("events.out.tfevents.*")):
        content = path.read_bytes()
        while content:
            length = int.from_bytes(content[:8], "little")
            found.append(Event.FromString(content[12 : 12 + length]))
            content = content[12 + length + 4 :]
    return found


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Of each name, the values by step, as TensorBoard shows them: a session's start hides what was later."""
    curves: dict[str, dict[int, float]] = {}
    for event in events(folder):
        if event.HasField("session_log"):
            for curve in curves.values():
                for step in [step for step in curve if step >= event.step]:
                    del curve[step]
        for value in event.summary.value:
            if value.HasField("simple_value"):
                curves.setdefault(value.tag, {})[event.step] = value.simple_value
    return curves


def test_curves_of_batches_and_epochs(tmp_path: Path) -> None:
    one = trainer(run_dir=tmp_path, callbacks=[TensorBoard(every=4)])
    history = one.fit(stripes(), 2, validation=stripes(6))  # six batches an epoch
    curves = scalars(tmp_path / "tensorboard")
    assert set(curves) == {
        "batch/loss", "batch/learning_rate", "batch/images_per_second", "epoch/lr", "epoch/train_loss",
        "epoch/train_accuracy", "epoch/validation_loss", "epoch/validation_accuracy",
    }  # fmt: skip
    assert list(curves["batch/loss"]) == [4, 8, 12]
    assert set(curves["batch/learning_rate"].values()) == {np.float32(0.05)}
    assert min(curves["batch/images_per_second"].values()) > 0
    for name in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"):
        assert list(curves[f"epoch/{name}"]) == [6, 12]
        np.testing.assert_array_equal(list(curves[f"epoch/{name}"].values()), np.float32(history[name]))


def test_the_loss_of_a_batch_is_its_own(tmp_path: Path) -> None:
    losses = []

    class Losses(gn.Callback):
        def on_batch_end(self, trainer: gn.Trainer, epoch: int, step: int) -> None:
            losses.append(np.float32(trainer.batch_loss))

    trainer(callbacks=[Losses(), TensorBoard(tmp_path, every=1)]).fit(stripes(), 1)
    assert list(scalars(tmp_path)["batch/loss"].values()) == losses


def test_histograms_of_weights_and_gradients(tmp_path: Path) -> None:
    net = small_net()
    trainer(net, callbacks=[TensorBoard(tmp_path, histograms=True)]).fit(stripes(), 1)
    found = {
        value.tag: value.histo for event in events(tmp_path) for value in event.summary.value if value.HasField("histo")
    }
    names = [name for name, _ in net.named_parameters()]
    assert set(found) == {f"{kind}/{name}" for kind in ("weights", "gradients") for name in names}
    assert found["weights/0.weight"].num == 36
    assert found["weights/0.weight"].min == net.state_dict()["0.weight"].min()


def test_a_resumed_training_hides_what_an_interrupted_one_wrote_beyond_its_checkpoint(tmp_path: Path) -> None:
    class Fail(gn.Callback):
        def on_batch_end(self, trainer: gn.Trainer, epoch: int, step: int) -> None:
            if (epoch, step) == (1, 4):
                raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        trainer(run_dir=tmp_path, callbacks=[TensorBoard(every=1), Fail()]).fit(stripes(), 3)
    assert list(scalars(tmp_path / "tensorboard")["batch/loss"]) == list(range(1, 12))  # closed, so all is there
    trainer(run_dir=tmp_path, callbacks=[TensorBoard(every=5)]).fit(stripes(), 3, resume=True)
    assert list(scalars(tmp_path / "tensorboard")["batch/loss"]) == [1, 2, 3, 4, 5, 6, 10, 15]
    assert list(scalars(tmp_path / "tensorboard")["epoch/train_loss"]) == [6, 12, 18]


def test_an_interrupted_training_closes_its_events(tmp_path: Path) -> None:
    class Interrupt(gn.Callback):
        def on_batch_end(self, trainer: gn.Trainer, epoch: int, step: int) -> None:
            if step == 2:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(TrainingInterrupted):
        trainer(callbacks=[TensorBoard(tmp_path, every=1), Interrupt()]).fit(stripes(), 3)
    assert list(scalars(tmp_path)["batch/loss"]) == [1, 2, 3]


def test_memory_of_a_device_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trainer(callbacks=[TensorBoard(tmp_path, every=6)])
    monkeypatch.setattr(type(one.net.backend), "device_memory", lambda self: (2**20, 2**30))
    one.fit(stripes(), 1)
    assert scalars(tmp_path)["batch/gpu_memory"] == {6: 2.0**20}


def test_a_folder_must_be_known() -> None:
    with pytest.raises(gn.StateError, match="got no folder, and the Trainer has no run_dir"):
        trainer(callbacks=[TensorBoard()]).fit(stripes(), 1)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(gn.DataError, match=r"TensorBoard: .*file.* cannot be written"):
        trainer(callbacks=[TensorBoard(tmp_path / "file")]).fit(stripes(), 1)


def test_wrong_arguments() -> None:
    with pytest.raises(gn.DataError, match="TensorBoard: every must be at least 1, got 0"):
        TensorBoard(every=0)


def test_without_the_library_it_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "tensorboardX":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(gn.DataError, match=r"needs tensorboardX. Install it with: pip install .*\[tensorboard\]"):
        TensorBoard()
