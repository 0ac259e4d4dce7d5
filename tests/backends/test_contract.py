"""A backend has every method of the contract, with the very signature of the contract."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gpunet.backends import Backend
from gpunet.backends.cupy.backend import CupyBackend
from gpunet.backends.numpy import NumpyBackend

ROOT = Path(__file__).resolve().parents[2]
METHODS = sorted(Backend.__abstractmethods__)
both = pytest.mark.parametrize("backend", [NumpyBackend, CupyBackend])


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """(name, kind, default) of each parameter, without self."""
    return [
        (parameter.name, parameter.kind, parameter.default)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name != "self"
    ]


@both
@pytest.mark.parametrize("name", METHODS)
def test_the_signature_is_that_of_the_contract(backend: type[Backend], name: str) -> None:
    assert parameters(getattr(backend, name)) == parameters(getattr(Backend, name))


@both
@pytest.mark.parametrize("name", METHODS)
def test_the_specification_is_the_contracts_docstring(backend: type[Backend], name: str) -> None:
    """Each says what it takes and gives; the implementation refers to it."""
    specification = inspect.getdoc(getattr(Backend, name))
    assert specification
    implementation = inspect.getdoc(getattr(backend, name))
    assert implementation
    assert name == "synchronize" or f"See `Backend.{name}`" in implementation


@both
def test_nothing_is_public_but_the_contract(backend: type[Backend]) -> None:
    own = {"options", "library"} if backend is CupyBackend else set()
    made = vars(backend(None)) if backend is CupyBackend else {}  # type: ignore[call-arg]
    public = {name for name in {*dir(backend), *made} if not name.startswith("_")}
    assert public == set(dir(Backend)) - {name for name in dir(Backend) if name.startswith("_")} | {"name", "xp"} | own


def test_the_cupy_backend_can_be_looked_at_without_cupy() -> None:
    """Only `select` imports CuPy, and only when it is asked for."""
    code = "import sys; from gpunet.backends.cupy.backend import CupyBackend; print('cupy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_backend_that_lacks_a_method_cannot_be_made() -> None:
    class Half(Backend):
        name = "half"

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]


def test_the_contract_has_the_families_of_the_design() -> None:
    promised = """
    asarray to_numpy synchronize conv2d conv2d_backward_input conv2d_backward_weight im2col col2im max_pool2d
    max_pool2d_backward avg_pool2d avg_pool2d_backward batch_norm batch_norm_backward softmax_cross_entropy dropout
    bias_relu bias_relu_backward sgd_step adam_step
    """.split()
    assert set(promised) <= set(METHODS)
