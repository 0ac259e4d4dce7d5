"""Processes that compute when asked: what they inherit, and what becomes of one that dies, hangs or talks too much."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import workers
from benchmarks.workers import Worker, WorkerError, can_import, environment

PROGRAM = """
import os, sys, time
from benchmarks.peers.child import serve


class Child:
    def do_add(self, a, b):
        print("said in between")
        return {"sum": a + b}

    def do_die(self, how):
        if how == "exit":
            os._exit(3)
        raise RuntimeError(f"no {how} today")

    def do_sleep(self):
        time.sleep(60)

    def do_see(self):
        return {"threads": os.environ["OMP_NUM_THREADS"], "gpunet": "gpunet" in sys.modules}


def main():
    serve(Child())
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A process of the program above, found by its PYTHONPATH."""
    (tmp_path / "planted_child.py").write_text(PROGRAM, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Worker(sys.executable, 3, "planted_child") as started:
        yield started


def test_answers_come_whatever_else_is_printed(worker: Worker) -> None:
    assert worker.ask("add", a=2, b=3) == {"sum": 5}
    assert worker.ask("add", a=4, b=3) == {"sum": 7}


def test_a_child_has_its_threads_and_no_gpunet_that_it_did_not_ask_for(worker: Worker) -> None:
    assert worker.ask("see") == {"threads": "3", "gpunet": False}


def test_the_error_of_one_that_dies_is_shown(worker: Worker) -> None:
    with pytest.raises(WorkerError, match=r"died at 'die' with status 1: .*RuntimeError: no luck today"):
        worker.ask("die", how="luck")
    with pytest.raises(WorkerError, match="no luck today"):  # and again, whatever it is asked then
        worker.ask("add", a=1, b=1)


def test_one_that_dies_without_a_word(worker: Worker) -> None:
    with pytest.raises(WorkerError, match="died at 'die' with status 3: said nothing"):
        worker.ask("die", how="exit")


def test_one_that_does_not_answer_is_ended(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PATIENCE", 0.1)
    with pytest.raises(WorkerError, match=r"no answer to 'sleep' within 0\.2 s"):
        worker.ask("sleep", timeout=0.2)
    assert worker.ended


def test_leaving_ends_the_process() -> None:
    with Worker(sys.executable, 1) as started:
        assert not started.ended
    assert started.ended


def test_an_interpreter_that_is_not_there() -> None:
    with pytest.raises(WorkerError, match="cannot start"):
        Worker("/nowhere/python", 1)
    assert not can_import("/nowhere/python", ["json"])


def test_only_modules_that_exist_can_be_imported() -> None:
    assert can_import(sys.executable, ["json", "gpunet"])
    assert not can_import(sys.executable, ["json", "a_package_that_nobody_wrote"])


def test_what_would_favour_one_side_is_not_inherited() -> None:
    inherited = {
        "OPENBLAS_CORETYPE": "Zen",
        "OPENBLAS_L2_SIZE": "1",
        "PYTHONPATH": "mine",
        "HOME": "kept",
        "LANG": "kept",
    }
    own = environment(2, sys.executable, inherited)
    assert not {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"} & own.keys()
    assert (own["PYTHONPATH"], own["HOME"]) == ("mine", "kept")
    other = environment(2, "/another/python", inherited)
    assert "PYTHONPATH" not in other
    for name in ("OMP", "OPENBLAS", "MKL", "GPUNET"):
        assert other[f"{name}_NUM_THREADS"] == "2"
