"""What the trainer refuses, before a folder is made or a weight moves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_training import small_net, stripes, trainer

import gpunet as gn


def test_wrong_data_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    train = stripes()
    wrong: list[tuple[Any, str]] = [
        (train[:0], "the dataset is empty"),
        ([1, 2], "got a list, wanted a Dataset"),
        ((train.images[:, 0], train.labels), "images must have shape"),
        ((train.images, train.labels.astype("float32")), "labels must be integers"),
        (train[:5], "batch_size 8 is larger than the 5 images"),
        (gn.data.Dataset(train.images[..., :2], train.labels, train.class_names), "does not fit"),
    ]
    for data, message in wrong:
        with pytest.raises(ValueError, match=message):
            trainer(run_dir=tmp_path / "run").fit(data, 1)
    assert not (tmp_path / "run").exists()
    with pytest.raises(gn.DataError, match="validation: the dataset is empty"):
        trainer(run_dir=tmp_path / "run").fit(train, 1, validation=train[:0])


def test_labels_beyond_the_nets_classes_are_named() -> None:
    train = stripes()
    more = gn.data.Dataset(train.images, train.labels + 1, ("a", "b", "c", "d"))
    with pytest.raises(gn.DataError, match=r"label 3 is outside \[0, 3\): the net has 3 outputs and the data 4"):
        trainer().fit(more, 1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule_every": "step"}, "schedule_every must be 'epoch' or 'batch', got 'step'"),
        ({"max_grad_norm": 0}, "max_grad_norm must be above 0"),
        ({"early_stopping": 0}, "early_stopping must be at least 1"),
        ({"checkpoint_every": 1.5}, "checkpoint_every must be an integer"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"check_every": 0}, "check_every must be at least 1"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(gn.DataError, match=message):
        trainer(**settings)


def test_epochs_are_counted() -> None:
    with pytest.raises(gn.DataError, match="epochs must be at least 1"):
        trainer().fit(stripes(), 0)


def test_an_optimizer_of_another_net_is_refused() -> None:
    net, other = small_net(), small_net()
    with pytest.raises(gn.StateError, match=r"^Trainer: 6 of the optimizer's 6 parameters do not belong to the net"):
        gn.Trainer(net, gn.SGD(other.parameters(), lr=0.1), gn.CrossEntropyLoss())


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_a_loss_that_is_no_mean_is_refused(reduction: str) -> None:
    net = small_net()
    with pytest.raises(gn.DataError, match=f"reduction='{reduction}', wanted 'mean'"):
        gn.Trainer(net, gn.SGD(net.parameters(), lr=0.1), gn.CrossEntropyLoss(reduction=reduction))


@pytest.mark.parametrize("settings", [{"drop_last": True}, {"augment": lambda images, stream: images}])
def test_what_a_loader_decides_itself_is_not_silently_ignored(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(gn.DataError, match=f"a DataLoader, which decides over {name} itself"):
        trainer(**settings).fit(gn.DataLoader(stripes(), batch_size=8), 1)
