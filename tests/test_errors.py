"""The five errors, and what Python's own they are as well."""

import pytest

import gpunet
from gpunet import errors

FIVE = {
    "ShapeError": ValueError,
    "DataError": ValueError,
    "CheckpointError": ValueError,
    "StateError": RuntimeError,
    "BackendError": RuntimeError,
}


@pytest.mark.parametrize(("name", "base"), FIVE.items())
def test_each_is_public_and_also_pythons_own(name: str, base: type[Exception]) -> None:
    error = getattr(errors, name)
    assert getattr(gpunet, name) is error
    assert issubclass(error, base)
    assert issubclass(error, errors.GpunetError)
    with pytest.raises(base, match="what happened"):
        raise error("what happened")
    assert error("unnamed").layer is None


def test_there_are_no_others() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert {value.__name__ for value in classes} == {*FIVE, "GpunetError"}
