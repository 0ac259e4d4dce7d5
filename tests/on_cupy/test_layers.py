"""Every layer and container on CuPy's arrays against the same on NumPy's: forward, backward, buffers and dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cupy_device import require_cupy
from layer_cases import EVERYTHING, LayerCase
from numpy.testing import assert_allclose, assert_array_equal
from tolerances import FLOAT32_LAYER, FLOAT32_LAYER_GRADIENT, GRADIENT_CHECK_FLOAT64, ORACLE_FLOAT64

import gpunet as gn
from gpunet.backends import Backend

pytestmark = pytest.mark.gpu
require_cupy()

every = pytest.mark.parametrize("case", EVERYTHING, ids=str)
modes = pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
TOLERANCES = {"float32": (FLOAT32_LAYER, FLOAT32_LAYER_GRADIENT), "float64": (ORACLE_FLOAT64, ORACLE_FLOAT64)}


def outcome(layer: gn.Module, x: Any, grad_y: Any, training: bool) -> dict[str, Any]:
    """All that a forward and a backward leave, on the host."""
    backend = layer.backend
    layer.set_random_position(seed=3, epoch=1, step=2)
    y = layer.forward(backend.asarray(x), training=training, keep=True)
    grad_x = layer.backward(backend.asarray(grad_y))
    arrays = {"y": y, "grad_x": grad_x}
    arrays |= {f"grad {name}": parameter.grad for name, parameter in layer.named_parameters()}
    arrays |= {f"buffer {name}": buffer.value for name, buffer in layer.named_buffers()}
    assert all(backend.owns(array) for array in arrays.values())
    return {name: backend.to_numpy(array) for name, array in arrays.items()}


@every
@modes
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_backends_agree(cupy: Backend, case: LayerCase, dtype: str, training: bool) -> None:
    x = case.input(3, dtype)
    layer = case.layer(dtype)
    grad_y = gn.random.Stream(4, "gradient").normal(layer(x).shape).astype(dtype)
    wanted = outcome(layer, x, grad_y, training)
    got = outcome(case.layer(dtype).to(cupy), x, grad_y, training)
    assert got.keys() == wanted.keys()
    forward, backward = TOLERANCES[dtype]
    for name, array in wanted.items():
        tolerance = forward if name == "y" else backward
        assert got[name].dtype == array.dtype, name
        scale = max(1.0, float(np.abs(array).max(initial=0)))
        assert_allclose(got[name], array, rtol=tolerance, atol=tolerance * scale, err_msg=name)


@every
@modes
def test_an_empty_batch(cupy: Backend, case: LayerCase, training: bool) -> None:
    layer = case.layer("float32").to(cupy)
    y = layer.forward(cupy.asarray(case.input(0, "float32")), training=training, keep=True)
    assert y.shape == (0, *layer.output_shape(case.shape))
    assert layer.backward(y).shape == (0, *case.shape)
    for name, parameter in layer.named_parameters():
        assert_array_equal(cupy.to_numpy(parameter.grad), np.zeros(parameter.shape), err_msg=name)


@every
def test_two_runs_are_equal_bit_for_bit(cupy: Backend, case: LayerCase) -> None:
    x = case.input(3, "float32")
    grad_y = np.ones((3, *case.layer().output_shape(case.shape)), np.float32)
    first, second = (outcome(case.layer("float32").to(cupy), x, grad_y, training=True) for _ in range(2))
    for name, array in first.items():
        assert_array_equal(second[name], array, err_msg=name)


@every
def test_views_are_read_as_what_they_show(cupy: Backend, case: LayerCase) -> None:
    """Transposed and reversed arrays, whose memory is in another order."""
    x = np.ascontiguousarray(case.input(3, "float32").T)
    layer = case.layer("float32").to(cupy)
    plain = cupy.xp.ascontiguousarray(cupy.asarray(x).T)
    view = cupy.asarray(x).T
    assert view.flags.c_contiguous == (x.ndim == 1)
    y = layer.forward(view, training=False, keep=True)
    assert_array_equal(cupy.to_numpy(y), cupy.to_numpy(layer.forward(plain, training=False, keep=True)))
    grad_y = cupy.asarray(np.ascontiguousarray(np.arange(y.size, dtype=np.float32).reshape(y.shape[::-1]))).T
    grad_x = layer.backward(grad_y)
    layer.forward(plain, training=False, keep=True)
    assert_array_equal(cupy.to_numpy(grad_x), cupy.to_numpy(layer.backward(cupy.xp.ascontiguousarray(grad_y))))


@every
def test_there_and_back(cupy: Backend, case: LayerCase) -> None:
    layer = case.layer("float32")
    parameters = layer.parameters()
    before = layer.state_dict()
    assert layer.to(cupy).backend is cupy
    assert all(cupy.owns(parameter.value) for parameter in parameters)
    for name, array in layer.state_dict().items():
        assert isinstance(array, np.ndarray)
        assert_array_equal(array, before[name], err_msg=name)
    layer.load_state_dict(before)
    assert all(cupy.owns(parameter.value) for parameter in parameters)
    layer.to("numpy")
    assert all(isinstance(parameter.value, np.ndarray) for parameter in parameters)
    assert [id(parameter) for parameter in layer.parameters()] == [id(parameter) for parameter in parameters]


@pytest.mark.parametrize("name", ["Conv2d same", "MaxPool2d overlapping", "BatchNorm2d", "Linear", "GELU"])
def test_gradients_by_differences(cupy: Backend, name: str) -> None:
    (case,) = [case for case in EVERYTHING if case.name == name]
    gn.gradient_check(
        case.layer().to(cupy), cupy.asarray(case.input(2)), tolerance=GRADIENT_CHECK_FLOAT64, directions=1
    )


def test_host_arrays_are_refused_with_the_remedy(cupy: Backend) -> None:
    layer = gn.Sequential(gn.Conv2d(1, 2, 3)).to(cupy)
    with pytest.raises(gn.BackendError, match=r"net\.backend\.asarray"):
        layer(np.ones((1, 1, 4, 4), np.float32))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dropout_masks_are_equal_bit_for_bit(cupy: Backend, dtype: str) -> None:
    x = np.ones((5, 3, 7, 9), dtype)
    there, here = gn.Dropout(0.4).to(cupy), gn.Dropout(0.4)
    for layer in (there, here):
        layer.set_random_position(seed=11, epoch=2, step=5)
    wanted = here.forward(x, training=True)
    device = cupy.asarray(x)
    assert_array_equal(cupy.to_numpy(there.forward(device, training=True)), wanted)
    # In every memory layout: element i is counted in logical order.
    for order in ((0, 2, 3, 1), (3, 2, 1, 0), (1, 0, 3, 2)):
        view = cupy.xp.ascontiguousarray(device.transpose(order)).transpose(np.argsort(order).tolist())
        there.set_random_position(seed=11, epoch=2, step=5)
        assert_array_equal(cupy.to_numpy(there.forward(view, training=True)), wanted)
        here.set_random_position(seed=11, epoch=2, step=5)
        host = np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order))
        assert_array_equal(here.forward(host, training=True), wanted)
