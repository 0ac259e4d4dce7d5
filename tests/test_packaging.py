"""gpunet as users get it: wheel, sdist, editable install and bare checkout, each in an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

import gpunet
from gpunet import resources

ROOT = Path(__file__).resolve().parents[1]

# One worker builds for all: the fixtures are dear.
pytestmark = pytest.mark.xdist_group("packaging")

LEFT_BEHIND = shutil.ignore_patterns(
    ".git", ".venv*", "venv", "runs", "build", "dist", "htmlcov", "__pycache__", "*.egg-info", ".*_cache",
    ".hypothesis", ".coverage*",
)  # fmt: skip

# What every way of installing must be able to do. It prints where gpunet came from.
PROGRAM = """
import sys
from pathlib import Path
import numpy as np
import gpunet as gn
from gpunet import resources

net = gn.Sequential(gn.Conv2d(1, 2, 3, padding=1), gn.ReLU(), gn.MaxPool2d(2), gn.Flatten(), gn.Linear(18, 3))
x = np.linspace(-1, 1, 2 * 36, dtype=np.float32).reshape(2, 1, 6, 6)
value, grad = gn.CrossEntropyLoss()(net.forward(x, training=True), np.array([0, 2]))
(grad_x,) = (net.backward(grad),)
assert grad_x.shape == x.shape and all(p.grad is not None for p in net.parameters())
train, test = gn.data.load("digits")
assert len(train) > 4 * len(test) - 20 > 0
assert not {"cupy", "torch", "onnx", "scipy"} & sys.modules.keys()
assert any(resources.folder("recipes").glob("*.toml"))
assert Path(gn.report.__file__).with_name("style.css").is_file()
print(Path(gn.__file__).resolve().parent)
print(resources.folder("kernels").resolve())
print(gn.__version__)
"""


@dataclass
class Environment:
    """A virtual environment of its own that sees the dependencies of this one, but not its gpunet."""

    folder: Path
    python: Path

    def run(self, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run its Python; a failure shows what was printed."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
        done = subprocess.run(
            [str(self.python), *arguments], cwd=cwd, env=clean | variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def install(self, *arguments: str) -> None:
        """Install with this Python's pip: no dependency is fetched, no build environment made."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "--quiet", "--disable-pip-version-check"]
        options = ["--no-deps", "--no-index", "--no-build-isolation"]
        done = subprocess.run([*pip, "install", *options, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def make_environment(folder: Path) -> Environment:
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # Paths in a .pth file are searched last, and .pth files inside them are not read: an editable gpunet stays unseen.
    dependencies = "".join(f"{path}\n" for path in sys.path if path.endswith("-packages"))
    (site_packages,) = folder.glob("[Ll]ib/**/site-packages")
    (site_packages / "dependencies.pth").write_text(dependencies, encoding="utf-8")
    return Environment(folder, python)


def copy_of_the_checkout(folder: Path) -> Path:
    shutil.copytree(ROOT, folder, ignore=LEFT_BEHIND)
    return folder


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that was built from it."""
    place = tmp_path_factory.mktemp("distributions")
    checkout = copy_of_the_checkout(place / "checkout")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(place / "dist"), str(checkout)]
    done = subprocess.run(build, capture_output=True, text=True, check=False, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,) = (place / "dist").glob("*.tar.gz")
    (wheel,) = (place / "dist").glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def wheel_names(distributions: tuple[Path, Path]) -> set[str]:
    with zipfile.ZipFile(distributions[1]) as wheel:
        return set(wheel.namelist())


@pytest.fixture(scope="module")
def metadata(distributions: tuple[Path, Path]) -> Message:
    with zipfile.ZipFile(distributions[1]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(wheel.read(name))


@pytest.fixture(scope="module")
def installed(distributions: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = make_environment(tmp_path_factory.mktemp("wheel") / "environment")
    environment.install(str(distributions[1]))
    return environment


def product_files() -> set[str]:
    """What a wheel must hold: every file of the package and of the folders that move into it, results excepted."""
    names = {f"gpunet/{name}" for name in files_in(ROOT / "gpunet")}
    for folder in resources.FOLDERS:
        names |= {f"gpunet/{folder}/{name}" for name in files_in(ROOT / folder) if not name.startswith("results/")}
    return names


def files_in(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in files}


def test_the_wheel_holds_the_product_and_nothing_else(wheel_names: set[str]) -> None:
    information = f"gpunet-{gpunet.__version__}.dist-info"
    assert {name for name in wheel_names if not name.startswith(f"{information}/")} == product_files()
    assert f"{information}/licenses/LICENSE" in wheel_names
    assert "gpunet/py.typed" in wheel_names


def test_the_digits_travel_with_their_licence(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[1]) as wheel:
        files = [name for name in wheel.namelist() if name.startswith("gpunet/data/bundled/")]
        said = [wheel.read(name).decode() for name in files if name.endswith((".md", ".txt"))]
    assert len(files) > len(said), "the digits are missing"
    assert any("UCI" in text and re.search("licen[cs]e", text, re.IGNORECASE) for text in said)


def test_the_sdist_holds_all_that_is_needed_to_test_it(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = {
        "setup.py",
        "pyproject.toml",
        "Makefile",
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        ".ci/run",
    }
    wanted |= {"tests/conftest.py", "tests/test_packaging.py", "kernels/__init__.py", "recipes/__init__.py"}
    assert wanted <= names
    assert not any("__pycache__" in name or name.startswith((".git/", "runs/")) for name in names)


def test_the_metadata(metadata: Message) -> None:
    assert metadata["Name"] == "gpunet"
    assert metadata["Version"] == gpunet.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License"] == "MIT" or metadata["License-Expression"] == "MIT"


def requirements_of(metadata: Message, extra: str | None) -> set[str]:
    """Names, with their extras, of what an extra (or no extra) installs."""
    names = set()
    for requirement in metadata.get_all("Requires-Dist", []):
        specifier, _, marker = requirement.partition(";")
        if (f'"{extra}"' in marker) if extra else not marker:
            names.add(re.split(r"[<>=!~ ]", specifier.strip())[0])
    return names


def test_the_extras_are_the_promised_ones(metadata: Message) -> None:
    assert requirements_of(metadata, None) == {"numpy", "tqdm", "safetensors", "threadpoolctl"}
    promised = {
        "cuda12x": {"cupy-cuda12x[ctk]"},
        "cuda13x": {"cupy-cuda13x[ctk]"},
        "emulator": {"cupy-rocm-7-0", "scipy-openblas32"},
        "static": {"nvidia-cuda-nvrtc", "nvidia-cuda-cuobjdump"},
        "data": {"pooch", "platformdirs", "Pillow"},
        "plot": {"matplotlib"},
        "onnx": {"onnx"},
        "tensorboard": {"tensorboardX"},
        "browser": {"playwright"},
        "oracles": {"torch", "onnx", "onnxruntime"},
    }
    promised["all"] = promised["data"] | promised["plot"] | promised["onnx"] | promised["tensorboard"]
    assert set(metadata.get_all("Provides-Extra", [])) == {*promised, "test"}
    for extra, names in promised.items():
        assert requirements_of(metadata, extra) == names, extra
    everything = "\n".join(metadata.get_all("Requires-Dist", []))
    assert "torch==2.13.0" in everything
    assert not re.search(r"^cupy\b(?!-)", everything, re.MULTILINE), "a bare cupy is built from source"


def test_the_wheel_works_from_anywhere(installed: Environment, tmp_path: Path) -> None:
    done = installed.run("-W", "error", "-c", PROGRAM, cwd=tmp_path)
    package, kernels, version = done.stdout.splitlines()
    assert Path(package).is_relative_to(installed.folder.resolve())
    assert Path(kernels) == Path(package) / "kernels"
    assert version == gpunet.__version__
    installed.run("-c", "import gpunet.kernels, gpunet.recipes", cwd=tmp_path)


def test_the_installed_command_shows_its_help(installed: Environment, tmp_path: Path) -> None:
    script = installed.python.with_name("gpunet")
    done = subprocess.run([str(script), "--help"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout


def test_the_benchmarks_run_from_the_wheel(installed: Environment, tmp_path: Path) -> None:
    quick = ["--batch-sizes", "1", "--threads", "1", "--rounds", "1", "--quiet-samples", "0", "--turn-seconds", "0.001"]
    words = ["bench", "training", "--nets", "lenet", "--contenders", "gpunet-numpy", *quick]
    done = installed.run("-m", "gpunet", *words, cwd=tmp_path)
    assert "| gpunet, NumPy |" in done.stdout
    assert (tmp_path / "gpunet-bench" / "training.json").is_file()


def test_an_editable_install_works_from_anywhere(tmp_path: Path) -> None:
    checkout = copy_of_the_checkout(tmp_path / "checkout")
    environment = make_environment(tmp_path / "environment")
    environment.install("--editable", str(checkout))
    package, kernels, _ = environment.run("-W", "error", "-c", PROGRAM, cwd=tmp_path).stdout.splitlines()
    assert Path(package) == checkout.resolve() / "gpunet"
    assert Path(kernels) == checkout.resolve() / "kernels"
    found = environment.run("-c", "import gpunet.kernels as k, gpunet.recipes as r; print(k.__file__)", cwd=tmp_path)
    assert Path(found.stdout.strip()) == checkout / "kernels" / "__init__.py"
    environment.run("-c", "import gpunet.kernels, gpunet.recipes", cwd=checkout)


def test_a_bare_checkout_works_without_installing(tmp_path: Path) -> None:
    checkout = copy_of_the_checkout(tmp_path / "checkout")
    environment = make_environment(tmp_path / "environment")
    for cwd, variables in ((checkout, {}), (tmp_path, {"PYTHONPATH": str(checkout)})):
        package, kernels, _ = environment.run("-W", "error", "-c", PROGRAM, cwd=cwd, **variables).stdout.splitlines()
        assert Path(package) == checkout.resolve() / "gpunet"
        assert Path(kernels) == checkout.resolve() / "kernels"
    assert "train" in environment.run("-m", "gpunet", "--help", cwd=checkout).stdout
