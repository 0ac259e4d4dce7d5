from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_training import small_net, stripes, trainer

import gpunet as gn
from gpunet.metrics import softmax
from gpunet.training.trainer import Trainer


class Diary(gn.Callback):
    def __init__(self) -> None:
        self.said: list[Any] = []

    def on_train_begin(self, trainer: Trainer) -> None:
        self.said.append("begin")

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        self.said.append(("epoch", epoch))

    def on_batch_begin(self, trainer: Trainer, epoch: int, step: int) -> None:
        self.said.append(("batch", epoch, step))

    def on_batch_end(self, trainer: Trainer, epoch: int, step: int) -> None:
        self.said.append(("done", epoch, step))

    def on_epoch_end(self, trainer: Trainer, epoch: int, record: dict[str, Any]) -> None:
        self.said.append(("record", epoch, record["epoch"]))

    def on_train_end(self, trainer: Trainer, history: gn.History) -> None:
        self.said.append(("end", len(history)))


class At(gn.Callback):
    """Does something at the end of one batch."""

    def __init__(self, epoch: int, step: int, action: Any) -> None:
        self.place, self.action = (epoch, step), action

    def on_batch_end(self, trainer: Trainer, epoch: int, step: int) -> None:
        if (epoch, step) == self.place:
            self.action()


# What it does


def test_it_learns() -> None:
    one = trainer()
    history = one.fit(stripes(96), 6, validation=stripes(30, seed=1))
    assert history.last["validation_accuracy"] == 1.0
    assert history["train_loss"][-1] < 0.3 * history["train_loss"][0]
    measured = one.evaluate(stripes(30, seed=2))
    assert measured.accuracy == 1.0
    assert str(measured) == f"loss {measured.loss:.4f}, accuracy 100.00 %, 30 images"
    np.testing.assert_array_equal(measured.confusion, 10 * np.eye(3))
    assert measured.table.names == ("upright", "level", "neither")


def test_the_history_says_what_was_measured() -> None:
    history = trainer().fit(stripes(), 2, validation=stripes(15, seed=1))
    assert [list(record) for record in history] == 2 * [
        ["epoch", "step", "lr", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"]
    ]
    assert history["step"] == [6, 12]
    assert list(trainer().fit(stripes(), 1).last) == ["epoch", "step", "lr", "train_loss", "train_accuracy"]


def test_it_is_the_loop_that_anyone_would_write() -> None:
    train = stripes(44)  # the last batch is smaller
    net = small_net()
    history = trainer(net, seed=4).fit(train, 2)

    other = small_net()
    optimizer = gn.SGD(other.parameters(), lr=0.05, momentum=0.9)
    loss = gn.CrossEntropyLoss()
    loader = gn.DataLoader(train, batch_size=8, shuffle=True, seed=4)
    for epoch in range(2):
        losses = []
        for step, (images, labels) in enumerate(loader):
            other.set_random_position(4, epoch, step)
            optimizer.zero_grad()
            value, grad = loss(other.forward(images, training=True), labels)
            other.backward(grad)
            optimizer.step()
            losses += [float(value)] * len(labels)
        assert history["train_loss"][epoch] == pytest.approx(np.mean(losses), rel=1e-12)
    assert all(np.array_equal(net.state_dict()[name], array) for name, array in other.state_dict().items())


def test_datasets_loaders_and_arrays_are_one_thing() -> None:
    train = stripes()
    histories = [
        trainer().fit(train, 1).records,
        trainer().fit((train.images, train.labels), 1).records,
        trainer().fit(gn.DataLoader(train, batch_size=8, shuffle=True), 1).records,
    ]
    assert histories[0] == histories[1] == histories[2]


def test_a_loader_serves_as_validation_and_may_leave_images_as_they_are() -> None:
    train, test = stripes(), stripes(15, seed=1)
    one = trainer()
    plain = gn.DataLoader(train, batch_size=8, shuffle=True, normalize=False)
    history = one.fit(plain, 1, validation=gn.DataLoader(test, batch_size=5))
    outputs = one.net(test.images.astype(np.float32) / np.float32(255))  # neither is normalised
    value, _ = gn.CrossEntropyLoss()(outputs, test.labels)
    assert history.last["validation_loss"] == pytest.approx(float(value), rel=1e-5)
    np.testing.assert_allclose(one.predict(test.images), outputs, rtol=1e-5, atol=1e-5)


def test_long_evaluations_read_their_losses_in_portions() -> None:
    one = trainer()
    one.fit(stripes(), 1)
    test = stripes(200, seed=1)
    one.batch_size = 2  # 100 batches
    parts = one.evaluate(test)
    one.batch_size = 200
    assert parts.loss == pytest.approx(one.evaluate(test).loss, rel=1e-5)
    assert parts.samples == 200


def test_float64_nets_get_float64_images() -> None:
    history = trainer(small_net().astype("float64")).fit(stripes(), 1, validation=stripes(6))
    assert history.last["train_loss"] == pytest.approx(trainer().fit(stripes(), 1).last["train_loss"], rel=1e-5)


def test_a_last_batch_may_be_left_out() -> None:
    assert trainer(drop_last=True).fit(stripes(47), 1).last["step"] == 5
    assert trainer(drop_last=False).fit(stripes(47), 1).last["step"] == 6


def test_the_schedule_moves_once_an_epoch_or_once_a_batch() -> None:
    def rates(every: str) -> list[float]:
        net = small_net()
        optimizer = gn.SGD(net.parameters(), lr=1.0)
        schedule = gn.StepLR(optimizer, step_size=1, gamma=0.5)
        one = Trainer(
            net, optimizer, gn.CrossEntropyLoss(), schedule=schedule, schedule_every=every, batch_size=8, progress=False
        )
        return one.fit(stripes(16), 3)["lr"]

    assert rates("epoch") == [1.0, 0.5, 0.25]
    assert rates("batch") == [0.25, 0.0625, 0.015625]


def test_gradients_are_clipped_before_the_step() -> None:
    net = small_net()
    optimizer = gn.SGD(net.parameters(), lr=1.0)
    before = net.state_dict()
    one = Trainer(net, optimizer, gn.CrossEntropyLoss(), batch_size=48, max_grad_norm=1e-3, progress=False)
    one.fit(stripes(), 1)
    after = net.state_dict()
    moved = [np.sum((after[name] - before[name]) ** 2) for name, _ in net.named_parameters()]
    assert np.sqrt(np.sum(moved)) == pytest.approx(1e-3, rel=1e-3)


def test_validation_is_normalised_like_the_training_images() -> None:
    train, test = stripes(), stripes(15, seed=1)
    darker = gn.data.Dataset(test.images // 2, test.labels, test.class_names)  # its own mean would hide that
    one = trainer()
    history = one.fit(train, 1, validation=darker)
    loader = gn.DataLoader(
        gn.data.Dataset(darker.images, darker.labels, darker.class_names, "", train.mean, train.std), 15
    )
    images, labels = next(iter(loader))
    value, _ = gn.CrossEntropyLoss()(one.net(images), labels)
    assert history.last["validation_loss"] == pytest.approx(float(value), rel=1e-6)


def test_callbacks_are_told_in_order() -> None:
    diary = Diary()
    trainer(callbacks=[diary], batch_size=24).fit(stripes(), 2)
    epoch = [[("epoch", e), ("batch", e, 0), ("done", e, 0), ("batch", e, 1), ("done", e, 1), ("record", e, e + 1)]
             for e in (0, 1)]  # fmt: skip
    assert diary.said == ["begin", *epoch[0], *epoch[1], ("end", 2)]


def test_a_callback_may_end_the_training() -> None:
    one = trainer()

    def stop() -> None:
        one.stop_training = True

    one.callbacks.append(At(1, 2, stop))
    assert len(one.fit(stripes(), 9)) == 2


def test_early_stopping_keeps_the_best(tmp_path: Path) -> None:
    net = small_net()
    optimizer = gn.SGD(net.parameters(), lr=0.05)

    class Spoil(gn.Callback):
        """After the second epoch, worse each time."""

        def on_epoch_end(self, trainer: Trainer, epoch: int, record: dict[str, Any]) -> None:
            record["validation_accuracy"] = [0.5, 0.9, 0.9, 0.4, 0.3][epoch]
            kept.append(trainer.net.state_dict())

    kept: list[dict[str, np.ndarray]] = []
    one = Trainer(net, optimizer, gn.CrossEntropyLoss(), run_dir=tmp_path, early_stopping=3, callbacks=[Spoil()],
                  progress=False, batch_size=8)  # fmt: skip
    history = one.fit(stripes(), 9, validation=stripes(6))
    assert len(history) == 5
    assert one.stalled
    assert one.position.best == {"measure": "validation_accuracy", "value": 0.9, "epoch": 2}
    best = small_net(seed=8)
    gn.load_weights(best, tmp_path / "best.safetensors")
    assert all(np.array_equal(best.state_dict()[name], array) for name, array in kept[1].items())


def test_without_validation_the_best_epoch_has_the_lowest_loss() -> None:
    one = trainer()
    history = one.fit(stripes(), 3)
    assert one.position.best is not None
    assert one.position.best["measure"] == "train_loss"
    assert one.position.best["value"] == min(history["train_loss"])


def test_outputs_that_are_no_scores_have_no_accuracy() -> None:
    def loss(outputs: np.ndarray, labels: np.ndarray) -> tuple[Any, np.ndarray]:
        wanted = np.eye(4, dtype=outputs.dtype)[labels][:, :, None, None]
        difference = outputs - wanted
        return np.mean(difference**2), 2 * difference / difference.size

    net = gn.Sequential(gn.Conv2d(1, 4, 3))
    one = Trainer(net, gn.SGD(net.parameters(), lr=0.01), loss, batch_size=8, progress=False)
    history = one.fit(stripes(), 2, validation=stripes(6))
    assert list(history.last) == ["epoch", "step", "lr", "train_loss", "validation_loss"]
    assert one.position.best is not None
    assert one.position.best["measure"] == "validation_loss"
    assert one.evaluate(stripes(6)).accuracy is None


def test_losses_are_the_same_however_often_they_are_read() -> None:
    records = [trainer(check_every=every).fit(stripes(), 2).records for every in (1, 4, 100)]
    assert records[0] == records[1] == records[2]


# Predicting


def test_predictions_are_the_nets_outputs() -> None:
    one = trainer()
    one.fit(stripes(96), 6)
    test = stripes(20, seed=5)
    outputs = one.predict(test.images)
    assert outputs.shape == (20, 3)
    np.testing.assert_array_equal(outputs.argmax(axis=1), test.labels)
    np.testing.assert_allclose(softmax(outputs).sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(outputs, one.evaluate(test).outputs)
    np.testing.assert_allclose(one.predict(test.images.astype("float32") / 255), outputs, rtol=1e-4, atol=1e-4)
    assert one.predict(test.images[:0]).shape == (0, 3)


def test_predicting_what_does_not_serve() -> None:
    one = trainer()
    with pytest.raises(gn.StateError, match="known only after fit"):
        one.predict(stripes().images)
    one.fit(stripes(), 1)
    with pytest.raises(gn.ShapeError, match=r"\(6, 6\), wanted \(N, C, H, W\)"):
        one.predict(stripes().images[0, 0])
    with pytest.raises(gn.DataError, match="int64 images, wanted uint8"):
        one.predict(stripes().images.astype("int64"))
    with pytest.raises(gn.ShapeError, match="Conv2d '0'"):
        one.predict(np.zeros((1, 3, 6, 6), np.uint8))


# Being stopped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_training_after_the_batch_and_nothing_is_lost(tmp_path: Path, number: int) -> None:
    trainer(run_dir=tmp_path / "whole").fit(stripes(), 3)
    before = signal.getsignal(number)
    one = trainer(run_dir=tmp_path / "run", callbacks=[At(1, 2, lambda: os.kill(os.getpid(), number))])
    with pytest.raises(gn.TrainingInterrupted, match=r"in epoch 2 after 3 batches; all of it .* resume=True") as caught:
        one.fit(stripes(), 3)
    assert caught.value.signal_number == number
    assert isinstance(caught.value, KeyboardInterrupt)
    assert signal.getsignal(number) is before
    assert one.evaluate(stripes(6)).samples == 6  # the trainer can still be used

    resumed = trainer(run_dir=tmp_path / "run")
    diary = Diary()
    resumed.callbacks.append(diary)
    resumed.fit(stripes(), 3, resume=True)
    assert diary.said[2] == ("batch", 1, 3)
    for name in ("last.safetensors", "best.safetensors", "metrics.jsonl"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_signal_during_the_validation_keeps_the_epochs_batches(tmp_path: Path) -> None:
    trainer(run_dir=tmp_path / "whole").fit(stripes(), 2, validation=stripes(30, seed=1))
    one = trainer(run_dir=tmp_path / "run", callbacks=[At(0, 5, lambda: None)])
    measured = one.loss

    def loss(outputs: Any, labels: Any) -> Any:
        if one.position.step == 6:  # all batches are done: this is the validation
            os.kill(os.getpid(), signal.SIGINT)
        return measured(outputs, labels)

    one.loss = loss
    with pytest.raises(gn.TrainingInterrupted, match="in epoch 1 after 6 batches"):
        one.fit(stripes(), 2, validation=stripes(30, seed=1))
    trainer(run_dir=tmp_path / "run").fit(stripes(), 2, validation=stripes(30, seed=1), resume=True)
    for name in ("last.safetensors", "metrics.jsonl"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_signal_in_the_last_batch_of_all_ends_nothing_early() -> None:
    class AtTheVeryEnd(gn.Callback):
        def on_epoch_end(self, trainer: Trainer, epoch: int, record: dict[str, Any]) -> None:
            if epoch == 1:
                os.kill(os.getpid(), signal.SIGINT)

    assert len(trainer(callbacks=[AtTheVeryEnd()]).fit(stripes(), 2)) == 2


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    one = trainer(run_dir=tmp_path, callbacks=[At(0, 1, twice)])
    with pytest.raises(KeyboardInterrupt) as caught:
        one.fit(stripes(), 1)
    assert not isinstance(caught.value, gn.TrainingInterrupted)
    assert trainer(run_dir=tmp_path).fit(stripes(), 1, resume=True).records  # from the first checkpoint


def test_without_a_run_directory_the_interruption_says_where() -> None:
    one = trainer(callbacks=[At(0, 1, lambda: os.kill(os.getpid(), signal.SIGINT))])
    with pytest.raises(gn.TrainingInterrupted, match=r"^interrupted in epoch 1 after 2 batches$"):
        one.fit(stripes(), 1)


def test_other_threads_may_train(tmp_path: Path) -> None:
    found = []
    thread = threading.Thread(target=lambda: found.append(trainer(run_dir=tmp_path).fit(stripes(), 1)))
    thread.start()
    thread.join()
    assert len(found[0]) == 1
