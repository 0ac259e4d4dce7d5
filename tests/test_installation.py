"""The commands that messages propose: from a clone the very one that works, else both that there are."""

import shlex
from pathlib import Path

import pytest

from gpunet import installation
from gpunet.installation import checkout, install_command, restore_command, upgrade_command

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my gpunet"
    folder.mkdir()
    (folder / "setup.py").touch()
    monkeypatch.setattr(installation, "_ROOT", folder)
    return folder


@pytest.fixture
def site_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_ROOT", tmp_path)


def test_where_these_tests_run() -> None:
    assert checkout() in {ROOT, None}  # None where they judge an installed wheel


def test_from_a_clone_one_command_works_anywhere(clone: Path) -> None:
    assert shlex.split(install_command("plot")) == ["pip", "install", "-e", f"{clone}[plot]"]
    assert shlex.split(install_command("data", "python -m pip"))[:3] == ["python", "-m", "pip"]
    assert shlex.split(restore_command("kernels")) == ["git", "-C", str(clone), "restore", "kernels"]
    assert shlex.split(upgrade_command()) == ["git", "-C", str(clone), "pull"]


@pytest.mark.usefixtures("site_packages")
def test_an_installed_copy_names_both_ways() -> None:
    assert install_command("plot") == "pip install 'gpunet[plot]' (in a clone: pip install '.[plot]')"
    assert (
        restore_command("kernels", "p")
        == "p install --force-reinstall gpunet (in a clone: p install --force-reinstall .)"
    )
    assert upgrade_command() == "pip install --upgrade gpunet (in a clone: git pull && pip install .)"


def test_no_message_proposes_an_extra_by_itself() -> None:
    """gpunet is on no package index: what a message says must come from here."""
    wrong = [
        str(path)
        for path in (ROOT / "gpunet").rglob("*.py")
        if path.name != "installation.py" and "gpunet[" in path.read_text(encoding="utf-8")
    ]
    assert wrong == []
