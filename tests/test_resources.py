"""The folders of kernels and recipes in this checkout; test_packaging.py looks for them in an installed wheel."""

from pathlib import Path

import pytest

from gpunet import resources
from gpunet.errors import DataError

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("name", resources.FOLDERS)
def test_a_checkout_has_the_folder_beside_the_package(name: str) -> None:
    found = resources.folder(name)
    assert found == ROOT / name
    assert (found / "__init__.py").is_file()


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"no folder 'kernel'\. Use one of 'kernels', 'recipes'"):
        resources.folder("kernel")


def _pretend_installed(monkeypatch: pytest.MonkeyPatch, site_packages: Path) -> Path:
    package = site_packages / "gpunet"
    package.mkdir()
    monkeypatch.setattr(resources, "_PACKAGE", package)
    return package


def test_the_folder_inside_the_package_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = _pretend_installed(monkeypatch, tmp_path)
    (tmp_path / "setup.py").touch()
    for parent in (tmp_path, package):
        (parent / "kernels").mkdir()
    assert resources.folder("kernels") == package / "kernels"


def test_a_strangers_folder_beside_an_installed_package_is_not_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _pretend_installed(monkeypatch, tmp_path)
    (tmp_path / "kernels").mkdir()
    with pytest.raises(DataError, match="installation is incomplete"):
        resources.folder("kernels")
