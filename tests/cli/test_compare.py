"""The command that compares two backends."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gpunet.backends.cupy import availability
from gpunet.backends.numpy import NumpyBackend
from gpunet.backends.select import cupy_backend, numpy_backend

LENET = ("compare", "--model", "lenet", "--batch-size", "2")
AGREE = "all 13 layers agree within their expected rounding"


class WrongSign(NumpyBackend):
    """What a kernel with a wrong sign would be."""

    name = "cupy"

    @staticmethod
    def conv2d_backward_weight(grad_y, x, *args):
        right = NumpyBackend.conv2d_backward_weight(grad_y, x, *args)
        return -right if x.shape[1] == 6 else right


@pytest.fixture
def two_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second backend has a wrong kernel."""
    wrong = WrongSign()
    module = sys.modules["gpunet.verify.compare"]  # the attribute of that name is the function
    monkeypatch.setattr(module, "select", lambda name: wrong if name == "cupy" else numpy_backend())


def test_agreement(gpunet) -> None:
    outcome = gpunet(*LENET, "--backends", "numpy,numpy")
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "lenet: numpy and numpy again, float32, 2 samples"
    assert lines[-1] == AGREE
    assert sum("CrossEntropyLoss" in line for line in lines) == 2


def test_an_error_is_named_and_is_the_exit_status(gpunet, two_backends) -> None:
    outcome = gpunet(*LENET)
    assert outcome.status == 1
    (flagged,) = (line for line in outcome.out.splitlines() if line.endswith("<-- exceeds"))
    assert flagged.split()[:4] == ["conv2", "Conv2d", "backward", "weight"]
    assert outcome.err.startswith(
        "gpunet compare: error: 1 of 13 layers exceeds its expected rounding: "
        "Conv2d 'conv2' backward (gradient of weight of cupy, "
    )
    assert len(outcome.err.splitlines()) == 1


def test_seed_data_and_dtype(gpunet) -> None:
    words = ("compare", "--backends", "numpy,numpy", "--batch-size", "2")
    first, again, other = (gpunet(*words, "--seed", seed).out for seed in (1, 1, 2))
    assert first == again != other
    digits = gpunet(*words, "--data", "digits", "--dtype", "float64")
    assert digits.status == 0
    assert digits.out.startswith("lenet: numpy and numpy again, float64, 2 samples")


def test_model_options(gpunet) -> None:
    words = ("compare", "--model", "seed_network", "--backends", "numpy,numpy", "--batch-size", "2")
    assert gpunet(*words, "--set", "channels=3").status == 0
    assert "has no setting 'depth'" in gpunet(*words, "--set", "depth=3").error


@pytest.mark.parametrize("words", [("unet", "--set", "width=1", "--data", "digits"), ("denoising_autoencoder",)])
def test_models_that_make_images(gpunet, words: tuple[str, ...]) -> None:
    outcome = gpunet("compare", "--backends", "numpy,numpy", "--batch-size", "2", "--model", *words)
    assert outcome.status == 0
    assert outcome.out.startswith(f"{words[0]}: numpy and numpy again, float32, 2 samples")


def test_a_stored_run(gpunet, finished: Path, two_backends) -> None:
    outcome = gpunet("compare", finished, "--backends", "numpy,numpy", "--batch-size", "4")
    assert outcome.status == 0
    assert outcome.out.startswith(f"seed_network of {finished}: numpy and numpy again, float32, 4 samples")
    assert "of 10 classes, the run was trained on" in gpunet("compare", finished, "--data", "digits").error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--backends", "numpy"], "argument --backends: wanted two backends such as numpy,cupy, got 'numpy'"),
        (["--backends", "numpy,cuppy"], "unknown backend 'cuppy'. Did you mean 'cupy'? Choose from auto, numpy, cupy."),
        (["--dtype", "float16"], "argument --dtype: unknown: 'float16'"),
        (["--model", "lent"], "unknown model 'lent'. Did you mean 'lenet'?"),
        (["runs/x", "--model", "lenet"], "RUN has a model of its own; leave out --model and --set"),
        (["--batch-size", "0"], "argument --batch-size: wanted an integer of at least 1"),
    ],
)
def test_wrong_usage(gpunet, words: list[str], message: str) -> None:
    assert message in gpunet("compare", *words).usage_error


def test_a_backend_that_is_not_there(gpunet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "installed_wheels", list)
    monkeypatch.setitem(sys.modules, "cupy", None)  # importing it fails
    cupy_backend.cache_clear()
    assert "backend 'cupy': CuPy is not installed" in gpunet(*LENET).error
    cupy_backend.cache_clear()
