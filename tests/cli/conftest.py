"""The command line is called in this process; its runs are those of a task that is learned in a second."""

import contextlib
import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from data_files import IDX_STEMS, idx_bytes
from tiny_training import stripes

from gpunet.backends import select
from gpunet.cli import main
from gpunet.training import run_directory


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit status, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that a failure is said in."""
        assert self.status == 1, self
        assert self.out == "", self
        assert re.fullmatch(r"gpunet \w+: error: [^\n]+\n", self.err), self.err
        return self.err.strip()

    @property
    def usage_error(self) -> str:
        """The message of wrong usage, which stands below the usage."""
        assert self.status == 2, self
        assert self.out == "", self
        assert self.err.startswith("usage: gpunet"), self.err
        return self.err.strip().splitlines()[-1]


Command = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def disk_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def curves_are_drawn() -> None:
    """Asked for by the tests that want curves.png."""


@pytest.fixture(autouse=True)
def matplotlib_is_not_waited_for(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than the training of these tests."""
    if "curves_are_drawn" not in request.fixturenames:
        monkeypatch.setattr(run_directory, "draw_curves", lambda history: None)


@pytest.fixture
def gpunet(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command: ``gpunet("train", "--epochs", 1)``."""
    with contextlib.redirect_stderr(io.StringIO()):
        select("auto")  # which says what it took, once a process: not in the middle of a test

    def run(*words: object) -> Outcome:
        capsys.readouterr()
        status = main([str(word) for word in words])
        return Outcome(status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def stripes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of IDX files with 48 images to train and 15 to test, three classes."""
    folder = tmp_path_factory.mktemp("stripes")
    train, test = stripes(48), stripes(15, seed=1)
    arrays = (train.images[:, 0], train.labels, test.images[:, 0], test.labels)
    for stem, array in zip(IDX_STEMS, arrays, strict=True):
        (folder / stem).write_bytes(idx_bytes(array))
    return folder


@pytest.fixture(scope="session")
def tiny(stripes_folder: Path) -> list[str]:
    """The words of a training of six batches an epoch: two epochs by default, augmentation and a schedule included."""
    return [
        *("train", "--model", "seed_network", "--set", "model_options.channels=4", "--data", str(stripes_folder)),
        *("--epochs", "2", "--batch-size", "8", "--augment", "crop:1,flip", "--schedule", "cosine"),
    ]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: list[str]) -> Path:
    """The run directory of that training, not to be written into."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as err:
        assert main([*tiny, "--run-dir", str(folder)]) == 0, err.getvalue()
    return folder
