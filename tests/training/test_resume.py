"""A training that was stopped and goes on is, byte for byte, the one that never stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_training import small_net, stripes, trainer

import gpunet as gn
from gpunet.training.checkpoint import read_checkpoint

FILES = ("last.safetensors", "best.safetensors", "metrics.jsonl", "config.toml")


class PowerCutError(Exception):
    """What a power cut is to a test."""


class StopAt(gn.Callback):
    """Raises at the n-th turning point of any kind, which may lie before, within and after an epoch."""

    def __init__(self, turn: int) -> None:
        self.left = turn

    def _count(self, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            raise PowerCutError

    on_train_begin = on_epoch_begin = on_batch_begin = on_batch_end = on_epoch_end = on_train_end = _count


def build(run_dir: Path, kind: str = "sgd", callbacks: tuple[gn.Callback, ...] = (), **settings: object) -> gn.Trainer:
    net = small_net()
    optimizer: gn.SGD | gn.AdamW
    if kind == "sgd":
        optimizer = gn.SGD(gn.no_decay_groups(net, 1e-3), lr=0.05, momentum=0.9, nesterov=True)
        schedule: object = gn.CosineAnnealingLR(optimizer, T_max=3)
        every = "epoch"
    else:
        optimizer = gn.AdamW(net.parameters(), lr=0.01)
        schedule = gn.OneCycleLR(optimizer, max_lr=0.02, total_steps=3 * 6)
        every = "batch"
    return gn.Trainer(
        net,
        optimizer,
        gn.CrossEntropyLoss(label_smoothing=0.1),
        schedule=schedule,
        schedule_every=every,
        run_dir=run_dir,
        batch_size=8,
        augment=gn.data.augmentation.from_spec("crop:1,flip"),
        max_grad_norm=1.0,
        seed=3,
        callbacks=callbacks,
        progress=False,
        **settings,  # type: ignore[arg-type]
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def test_two_runs_with_one_seed_write_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        build(tmp_path / name).fit(stripes(), 3, validation=stripes(15, seed=1))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_another_seed_writes_others(tmp_path: Path) -> None:
    for seed in (0, 1):
        trainer(seed=seed, run_dir=tmp_path / str(seed)).fit(stripes(), 1)
    assert contents(tmp_path / "0")["last.safetensors"] != contents(tmp_path / "1")["last.safetensors"]


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize("checkpoint_every", [None, 1, 4])
def test_stopped_anywhere_and_resumed_each_time(tmp_path: Path, kind: str, checkpoint_every: int | None) -> None:
    train, test = stripes(), stripes(15, seed=1)
    build(tmp_path / "whole", kind).fit(train, 3, validation=test)

    folder, turn, stops = tmp_path / "stopped", 2, 0
    while True:
        one = build(folder, kind, (StopAt(turn),), checkpoint_every=checkpoint_every)
        try:
            one.fit(train, 3, validation=test, resume=True)
            break
        except PowerCutError:
            stops += 1
            turn += 1
    assert stops > 5
    assert contents(folder) == contents(tmp_path / "whole")
    assert not list(folder.glob(".*"))


def test_a_finished_run_is_left_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = build(tmp_path / "run").fit(stripes(), 2)
    before = contents(tmp_path / "run")
    again = build(tmp_path / "run")
    again.progress.shown = True
    history = again.fit(stripes(), 2, resume=True)
    assert history.records == first.records
    assert contents(tmp_path / "run") == before
    assert capsys.readouterr().err == "nothing left to do: 2 epochs are done\n"


def test_more_epochs_continue_a_finished_run(tmp_path: Path) -> None:
    trainer(run_dir=tmp_path / "whole").fit(stripes(), 4)
    trainer(run_dir=tmp_path / "parts").fit(stripes(), 2)
    trainer(run_dir=tmp_path / "parts").fit(stripes(), 4, resume=True)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_metrics_are_cut_back_to_the_checkpoint(tmp_path: Path) -> None:
    trainer(run_dir=tmp_path).fit(stripes(), 2)
    wanted = (tmp_path / "metrics.jsonl").read_text()
    (tmp_path / "metrics.jsonl").write_text(wanted + json.dumps({"epoch": 3}) + '\n{"epo')
    trainer(run_dir=tmp_path).fit(stripes(), 2, resume=True)
    assert (tmp_path / "metrics.jsonl").read_text() == wanted


def test_early_stopping_goes_on_counting(tmp_path: Path) -> None:
    def frozen(folder: Path) -> gn.Trainer:
        """Learns nothing, so no epoch is better than the first."""
        net = small_net(dropout=0.0)
        optimizer = gn.SGD(net.parameters(), lr=0.0)
        return gn.Trainer(
            net, optimizer, gn.CrossEntropyLoss(), run_dir=folder, batch_size=8, early_stopping=3, progress=False
        )

    held_out = stripes(3, seed=9)
    # One image only and momentum-free batch norm: the accuracy stays what it is.
    whole = frozen(tmp_path / "whole")
    whole.net[1].momentum = 0.0  # type: ignore[attr-defined]
    assert len(whole.fit(stripes(), 20, validation=held_out)) == 4
    for epochs in (2, 3, 20):
        part = frozen(tmp_path / "parts")
        part.net[1].momentum = 0.0  # type: ignore[attr-defined]
        history = part.fit(stripes(), epochs, validation=held_out, resume=True)
    assert len(history) == 4
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch_size": 4}, "data.batch_size was 8 and is 4"),
        ({"seed": 5}, "seed was 0 and is 5"),
        ({"max_grad_norm": 2.0}, "max_grad_norm was None and is 2.0"),
        ({"augment": gn.data.augmentation.from_spec("flip")}, "augment was None and is Compose"),
        ({"early_stopping": 3}, "early_stopping was None and is 3"),
        ({"net": gn.Sequential(gn.Flatten(), gn.Linear(36, 3))}, "parameters was 6 and is 2"),
    ],
)
def test_other_settings_are_refused_by_name(tmp_path: Path, change: dict[str, object], said: str) -> None:
    trainer(run_dir=tmp_path).fit(stripes(), 1)
    before = contents(tmp_path)
    with pytest.raises(gn.CheckpointError, match="other settings") as caught:
        trainer(run_dir=tmp_path, **change).fit(stripes(), 2, resume=True)
    assert said in str(caught.value)
    assert contents(tmp_path) == before


def test_another_net_of_the_same_settings_is_refused_whole(tmp_path: Path) -> None:
    def wide(width: int) -> gn.Sequential:
        return gn.Sequential(gn.Flatten(), gn.Linear(36, width), gn.ReLU(), gn.Linear(width, 3))

    trainer(wide(8), run_dir=tmp_path).fit(stripes(), 1)
    other = wide(9)
    before = other.state_dict()
    with pytest.raises(gn.CheckpointError, match=r"of another shape: 1\.weight"):
        trainer(other, run_dir=tmp_path).fit(stripes(), 2, resume=True)
    assert all((before[name] == array).all() for name, array in other.state_dict().items())


def test_another_layer_without_parameters_is_refused_whole(tmp_path: Path) -> None:
    def net(activation: gn.Module) -> gn.Sequential:
        return gn.Sequential(gn.Flatten(), gn.Linear(36, 8), activation, gn.Linear(8, 3))

    trainer(net(gn.ReLU()), run_dir=tmp_path).fit(stripes(), 1)
    other = net(gn.Tanh())
    before = other.state_dict()
    with pytest.raises(gn.CheckpointError, match=r"of other layers: 2 was ReLU\(\) and is Tanh\(\)\. Build that net"):
        trainer(other, run_dir=tmp_path).fit(stripes(), 2, resume=True)
    assert all((before[name] == array).all() for name, array in other.state_dict().items())
    trainer(net(gn.ReLU()), run_dir=tmp_path).fit(stripes(), 2, resume=True)


@pytest.mark.parametrize("part", ["images", "labels"])
def test_other_data_of_the_same_size_is_refused(tmp_path: Path, part: str) -> None:
    trainer(run_dir=tmp_path).fit(stripes(), 1)
    other = stripes()
    if part == "images":
        other.images[-1, 0, 0, 0] ^= 1
    else:
        other.labels[[0, 1]] = other.labels[[1, 0]]
    with pytest.raises(gn.CheckpointError, match=r"other settings: data\.digest was [0-9a-f]{16} and is [0-9a-f]{16}"):
        trainer(run_dir=tmp_path).fit(other, 2, resume=True)


def test_an_optimizer_state_that_does_not_fit_leaves_the_net_alone(tmp_path: Path) -> None:
    trainer(run_dir=tmp_path).fit(stripes(), 1)
    path = tmp_path / "last.safetensors"
    checkpoint = read_checkpoint(path)
    checkpoint.optimizer["99.momentum_buffer"] = checkpoint.optimizer["0.momentum_buffer"]
    gn.training.checkpoint.write_checkpoint(path, checkpoint)
    other = small_net(seed=5)
    before = other.state_dict()
    with pytest.raises(gn.CheckpointError, match=r"last\.safetensors: SGD: the array '99\.momentum_buffer'"):
        trainer(other, run_dir=tmp_path).fit(stripes(), 2, resume=True)
    assert all((before[name] == array).all() for name, array in other.state_dict().items())


def test_weights_alone_cannot_be_continued(tmp_path: Path) -> None:
    trainer(run_dir=tmp_path).fit(stripes(), 1)
    (tmp_path / "last.safetensors").write_bytes((tmp_path / "best.safetensors").read_bytes())
    with pytest.raises(gn.CheckpointError, match="weights alone, so no training can go on"):
        trainer(run_dir=tmp_path).fit(stripes(), 2, resume=True)


def test_a_position_that_is_not_readable_is_said(tmp_path: Path) -> None:
    trainer(run_dir=tmp_path).fit(stripes(), 1)
    path = tmp_path / "last.safetensors"
    checkpoint = read_checkpoint(path)
    del checkpoint.state["training"]["step"]
    gn.training.checkpoint.write_checkpoint(path, checkpoint)
    with pytest.raises(gn.CheckpointError, match="its position is not readable"):
        trainer(run_dir=tmp_path).fit(stripes(), 2, resume=True)


def test_resume_needs_a_run_directory() -> None:
    with pytest.raises(gn.StateError, match="this Trainer has none"):
        trainer().fit(stripes(), 1, resume=True)
