"""Result files, the machine they name, and the command that repeats them."""

from __future__ import annotations

import builtins
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import machine, results

RECORD = {
    "title": "A title",
    "run": {
        "machine": {"processor": "A processor", "cores": 3, "memory_gib": 7.6},
        "date": "2030-01-02 03:04 UTC",
        "commit": "abc",
        "command": "gpunet bench training --threads 1",
    },
}


def plot(figure: Any, record: dict[str, Any]) -> None:
    figure.subplots().plot([1, 2], [1, 2])


def test_json_table_and_plot_stand_beside_each_other(tmp_path: Path) -> None:
    written = results.write(RECORD, tmp_path / "new" / "found.json", "| a |\n", plot)
    assert [path.name for path in written] == ["found.json", "found.md", "found.png"]
    assert json.loads(written[0].read_text("utf-8")) == RECORD
    assert written[1].read_text("utf-8") == (
        "# A title\n\nA processor, 3 cores, 8 GiB. 2030-01-02 03:04 UTC, commit abc.\n\n"
        "    gpunet bench training --threads 1\n\n| a |\n"
    )
    assert written[2].read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_there_is_no_plot_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without_matplotlib(name: str, *arguments: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    assert len(results.write(RECORD, tmp_path / "found.json", "", plot)) == 2
    assert "no plot: matplotlib is not installed" in capsys.readouterr().out


def test_results_of_an_installed_package_are_left_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert results.default_path("kernels").parts[-3:] == ("benchmarks", "results", "kernels.json")
    monkeypatch.setattr(results, "IN_CHECKOUT", False)
    monkeypatch.chdir(tmp_path)
    assert results.default_path("kernels") == tmp_path / "gpunet-bench" / "kernels.json"


def test_the_command_names_no_place_of_this_machine() -> None:
    words = [
        "--output",
        "/here/x.json",
        "--nets",
        "vgg",
        "--python=torch=/here/python",
        "--python",
        "jax=/here",
        "--memory",
    ]
    assert machine.command_line("training", words) == ["gpunet", "bench", "training", "--nets", "vgg", "--memory"]


@pytest.mark.parametrize(
    ("value", "text"), [(12345.6, "12,346"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.01234, "0.0123")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert results.digits(value) == text


def test_processor_and_instructions_are_read_from_the_system(tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text("model name\t: A Processor 9000\nflags\t\t: fpu avx2 fma avx512f nx\n", encoding="utf-8")
    assert machine.processor(path) == "A Processor 9000"
    assert machine.instructions(path) == ["avx2", "fma", "avx512f"]
    assert machine.processor(tmp_path / "absent")
    assert machine.instructions(tmp_path / "absent") == []


def test_a_changed_checkout_is_marked(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True)

    assert machine.commit(tmp_path) is None
    git("init")
    (tmp_path / "file").write_text("1", encoding="utf-8")
    git("add", "file")
    git("commit", "-m", "first")
    clean = machine.commit(tmp_path)
    assert clean is not None
    assert len(clean) == 12
    (tmp_path / "file").write_text("2", encoding="utf-8")
    assert machine.commit(tmp_path) == f"{clean}+"
