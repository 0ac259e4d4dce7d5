import sys
from pathlib import Path

import pytest
from data_files import write_archive, write_cifar10, write_idx_set

from gpunet.data import cache_folder, locate
from gpunet.data.catalog import CIFAR_10, FASHION_MNIST, MNIST
from gpunet.errors import DataError


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """The three roots, in the order of the search."""
    own, cache, system = tmp_path / "own", tmp_path / "cache", tmp_path / "system"
    own.mkdir()
    monkeypatch.setenv("GPUNET_DATA", str(own))
    monkeypatch.setattr(locate, "cache_folder", lambda: cache)
    monkeypatch.setattr(locate, "SYSTEM_FOLDER", system)
    return own, cache, system


def test_the_order(folders):
    for root in reversed(folders):
        write_idx_set(root / "fashion-mnist")
        assert locate.search(FASHION_MNIST)[0] == root / "fashion-mnist"
    assert locate.search(MNIST) == (None, [root / name for root in folders for name in MNIST.folders])
    assert locate.roots() == list(folders)


def test_without_the_variable(folders, monkeypatch):
    write_idx_set(folders[0] / "mnist")
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv("GPUNET_DATA")
        else:
            monkeypatch.setenv("GPUNET_DATA", value)
        assert locate.search(MNIST)[0] is None
        assert locate.roots() == list(folders[1:])


def test_a_variable_that_names_nothing(folders, monkeypatch):
    monkeypatch.setenv("GPUNET_DATA", "/no/such/folder")
    with pytest.raises(DataError, match=r"\$GPUNET_DATA: /no/such/folder is not a folder"):
        locate.search(MNIST)


def test_the_variable_may_begin_with_the_home_folder(folders, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("GPUNET_DATA", "~/own")
    assert locate.roots()[0] == tmp_path / "own"


@pytest.mark.parametrize("name", FASHION_MNIST.folders)
def test_other_spellings_of_the_folder(folders, name):
    write_idx_set(folders[2] / name, gzipped=False)
    assert locate.search(FASHION_MNIST)[0] == folders[2] / name


def test_an_incomplete_folder_is_passed_by(folders):
    write_idx_set(folders[0] / "mnist")
    next((folders[0] / "mnist").iterdir()).unlink()
    write_idx_set(folders[2] / "mnist")
    assert locate.search(MNIST)[0] == folders[2] / "mnist"


def test_cifar_as_its_archive_unpacks(folders):
    write_cifar10(folders[1] / "cifar-10-batches-bin")
    assert locate.search(CIFAR_10)[0] == folders[1] / "cifar-10-batches-bin"


def test_cifar_files_beside_other_sets(folders):
    write_cifar10(folders[1] / "loose")
    write_archive(folders[1] / "cifar-10-binary.tar.gz", folders[1] / "loose", "cifar-10-batches-bin")
    assert locate.search(CIFAR_10)[0] == folders[1]
    write_cifar10(folders[1] / "cifar10")
    assert locate.search(CIFAR_10)[0] == folders[1] / "cifar10"


@pytest.mark.parametrize("below", ["cifar10", ""])
def test_only_pickles(folders, below):
    (folders[1] / below / "cifar-10-batches-py").mkdir(parents=True)
    found, searched = locate.search(CIFAR_10)
    assert found is None
    with pytest.raises(
        DataError, match=r"cifar-10-batches-py: is the python version of cifar10.*never loaded.*https://"
    ):
        locate.refuse_pickles(CIFAR_10, searched)
    write_cifar10(folders[2] / "cifar10")
    assert locate.search(CIFAR_10)[0] == folders[2] / "cifar10"


def test_in_a_given_folder(tmp_path):
    with pytest.raises(DataError, match=r"mnist: .*absent is not a folder"):
        locate.in_folder(MNIST, tmp_path / "absent")
    with pytest.raises(
        DataError, match=r"mnist: .* has no train-images-idx3-ubyte, no train-labels.*Fetch train-images"
    ):
        locate.in_folder(MNIST, tmp_path)
    write_idx_set(tmp_path / "MNIST" / "raw")
    assert locate.in_folder(MNIST, tmp_path) == tmp_path / "MNIST" / "raw"
    write_idx_set(tmp_path)
    assert locate.in_folder(MNIST, tmp_path) == tmp_path


def test_in_a_given_folder_with_pickles(tmp_path):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"")
    with pytest.raises(DataError, match=r"python version of cifar10"):
        locate.in_folder(CIFAR_10, tmp_path)


def test_the_cache_folder_is_this_users(monkeypatch, tmp_path):
    platformdirs = pytest.importorskip("platformdirs", reason="needs platformdirs: pip install 'gpunet[data]'")
    assert cache_folder() == Path(platformdirs.user_cache_dir("gpunet", appauthor=False)) / "datasets"


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", None, ".cache/gpunet/datasets"),
        ("linux", "XDG_CACHE_HOME", "given/gpunet/datasets"),
        ("darwin", None, "Library/Caches/gpunet/datasets"),
        ("win32", None, "AppData/Local/gpunet/Cache/datasets"),
        ("win32", "LOCALAPPDATA", "given/gpunet/Cache/datasets"),
    ],
)
def test_the_cache_folder_without_platformdirs(monkeypatch, tmp_path, platform, variable, expected):
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "given"))
    assert cache_folder() == tmp_path / expected


@pytest.mark.skipif(
    sys.platform != "linux", reason="both ways give one folder on Linux; elsewhere names differ by version"
)
def test_both_ways_lead_to_one_cache_folder(monkeypatch):
    pytest.importorskip("platformdirs", reason="needs platformdirs: pip install 'gpunet[data]'")
    first = cache_folder()
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert cache_folder() == first
