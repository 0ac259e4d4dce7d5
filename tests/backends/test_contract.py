"""A backend has every method of the contract, with the very signature of the contract."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from gpunet.backends import Backend, numpy_backend

METHODS = sorted(Backend.__abstractmethods__)


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """(name, kind, default) of each parameter, without self."""
    return [
        (parameter.name, parameter.kind, parameter.default)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name != "self"
    ]


@pytest.mark.parametrize("name", METHODS)
def test_the_signature_is_that_of_the_contract(name: str) -> None:
    assert parameters(getattr(numpy_backend(), name)) == parameters(getattr(Backend, name))


@pytest.mark.parametrize("name", METHODS)
def test_the_specification_is_the_contracts_docstring(name: str) -> None:
    """Each says what it takes and gives; the implementation refers to it."""
    specification = inspect.getdoc(getattr(Backend, name))
    assert specification
    implementation = inspect.getdoc(getattr(numpy_backend(), name))
    assert implementation
    assert name == "synchronize" or f"See `Backend.{name}`" in implementation


def test_nothing_is_public_but_the_contract() -> None:
    extra = {name for name in dir(numpy_backend()) if not name.startswith("_")} - set(dir(Backend)) - {"name", "xp"}
    assert extra == set()
    assert {"name", "xp"} <= set(dir(numpy_backend()))


def test_a_backend_that_lacks_a_method_cannot_be_made() -> None:
    class Half(Backend):
        name = "half"

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]


def test_the_contract_has_the_families_of_the_design() -> None:
    promised = """
    asarray to_numpy synchronize conv2d conv2d_backward_input conv2d_backward_weight im2col col2im max_pool2d
    max_pool2d_backward avg_pool2d avg_pool2d_backward batch_norm batch_norm_backward softmax_cross_entropy dropout
    sgd_step adam_step
    """.split()
    assert set(promised) <= set(METHODS)
