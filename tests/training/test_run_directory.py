from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest
from tiny_training import stripes, trainer

import gpunet as gn
from gpunet.training import run_directory
from gpunet.training.run_directory import RunDirectory
from gpunet.training.toml_file import read_toml


def test_a_run_holds_its_settings_and_versions(tmp_path: Path) -> None:
    trainer(run_dir=tmp_path / "deep" / "run", max_grad_norm=2.0).fit(stripes(), 1)
    run = RunDirectory(tmp_path / "deep" / "run")
    config = read_toml(run.config)
    assert config["trainer"]["max_grad_norm"] == 2.0
    assert config["trainer"]["optimizer"]["param_groups"][0]["momentum"] == 0.9
    assert config["trainer"]["data"]["samples"] == 48
    assert config["versions"] == {
        "gpunet": gn.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "backend": "numpy",
    }
    assert sorted(path.name for path in run.path.iterdir()) == [
        "best.safetensors",
        "config.toml",
        "curves.png",
        "last.safetensors",
        "metrics.jsonl",
    ]


def test_no_time_and_no_path_stands_in_the_weights(tmp_path: Path) -> None:
    trainer(run_dir=tmp_path / "a folder of this test").fit(stripes(), 1)
    for name in ("last.safetensors", "best.safetensors"):
        content = (tmp_path / "a folder of this test" / name).read_bytes()
        assert b"a folder of this test" not in content
        assert b"time" not in content


@pytest.mark.parametrize("name", ["config.toml", "metrics.jsonl", "last.safetensors", "best.safetensors", "curves.png"])
def test_a_used_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(gn.CheckpointError, match=r"holds a run already\. Continue it with resume=True"):
        trainer(run_dir=tmp_path).fit(stripes(), 1)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    trainer(run_dir=tmp_path).fit(stripes(), 1)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(gn.CheckpointError, match="is a file, wanted a folder"):
        trainer(run_dir=tmp_path / "run").fit(stripes(), 1)
    with pytest.raises(gn.CheckpointError, match="cannot be used for a run: Not a directory"):
        trainer(run_dir=tmp_path / "run" / "below").fit(stripes(), 1)


def test_two_cannot_train_in_one_folder(tmp_path: Path) -> None:
    first = RunDirectory(tmp_path)
    first.open(resume=False)
    with pytest.raises(gn.CheckpointError, match="another process is training in this folder"):
        trainer(run_dir=tmp_path).fit(stripes(), 1)
    first.close()
    first.close()  # a second close does nothing
    trainer(run_dir=tmp_path).fit(stripes(), 1)
    # An error, too, lets go of the folder.
    with pytest.raises(gn.DataError):
        trainer(run_dir=tmp_path, checkpoint_every=1, augment=lambda images, stream: None).fit(
            stripes(), 2, resume=True
        )
    trainer(run_dir=tmp_path).fit(stripes(), 2, resume=True)


def test_a_system_without_locks_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def unsupported(*_: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    trainer(run_dir=tmp_path / "network").fit(stripes(), 1)
    monkeypatch.setitem(run_directory.__builtins__, "__import__", _without("fcntl"))  # type: ignore[attr-defined]
    trainer(run_dir=tmp_path / "windows").fit(stripes(), 1)
    assert (tmp_path / "windows" / "last.safetensors").exists()


def _without(missing: str) -> object:
    real = __import__

    def importing(name: str, *rest: object) -> object:
        if name == missing:
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    return importing


def test_leftovers_of_a_killed_process_are_cleaned(tmp_path: Path) -> None:
    trainer(run_dir=tmp_path).fit(stripes(), 1)
    (tmp_path / ".last.safetensors.4711.partial").write_bytes(b"half")
    trainer(run_dir=tmp_path).fit(stripes(), 1, resume=True)
    assert not list(tmp_path.glob(".*"))


def test_the_settings_are_written_again_only_if_they_changed(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    run.write_config({"epochs": 3, "none": None}, "numpy")
    first = run.config.stat().st_ino
    run.write_config({"epochs": 3}, "other")  # the run began on numpy, and that stays said
    assert run.config.stat().st_ino == first
    run.write_config({"epochs": 4}, "numpy")
    assert read_toml(run.config)["epochs"] == 4
