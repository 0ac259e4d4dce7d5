"""What holds for every layer and container, whatever it computes."""

import copy
import gc
import weakref

import numpy as np
import pytest
from layer_cases import EVERYTHING, LAYERS, LayerCase
from tolerances import FLOAT32_LAYER, FLOAT32_LAYER_GRADIENT

import gpunet as gn

every = pytest.mark.parametrize("case", EVERYTHING, ids=str)
modes = pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])


@every
@modes
def test_an_empty_batch_gives_empty_outputs_and_gradients_of_zero(case: LayerCase, training: bool) -> None:
    layer = case.layer()
    before = {name: buffer.value.copy() for name, buffer in layer.named_buffers()}
    y = layer.forward(case.input(0), training=training, keep=True)
    assert y.shape == (0, *layer.output_shape(case.shape))
    grad_x = layer.backward(np.ones_like(y))
    assert grad_x.shape == (0, *case.shape)
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        np.testing.assert_array_equal(parameter.grad, np.zeros(parameter.shape), err_msg=name)
    for name, buffer in layer.named_buffers():
        if not name.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(buffer.value, before[name], err_msg=name)


@every
@modes
def test_dtypes_stay(case: LayerCase, training: bool) -> None:
    layer = case.layer("float32")
    x = case.input(4, "float32")
    y = layer.forward(x, training=training, keep=True)
    grad_x = layer.backward(np.ones_like(y))
    assert y.dtype == grad_x.dtype == np.float32
    assert {p.value.dtype for p in layer.parameters()} | {p.grad.dtype for p in layer.parameters()} <= {x.dtype}
    assert {b.value.dtype for _, b in layer.named_buffers()} <= {x.dtype, np.dtype("int64")}
    exact = case.layer()
    exact_y = exact.forward(x.astype("float64"), training=training, keep=True)
    np.testing.assert_allclose(y, exact_y, rtol=FLOAT32_LAYER, atol=FLOAT32_LAYER)
    exact_grad = exact.backward(np.ones_like(exact_y))
    np.testing.assert_allclose(grad_x, exact_grad, rtol=FLOAT32_LAYER_GRADIENT, atol=FLOAT32_LAYER_GRADIENT)


@every
def test_the_shape_without_computing_is_the_shape_with(case: LayerCase) -> None:
    layer = case.layer()
    assert layer.output_shape(case.shape) == layer(case.input(2)).shape[1:]


@every
@modes
def test_nothing_given_is_written_to(case: LayerCase, training: bool) -> None:
    layer = case.layer()
    x = case.input(3)
    x.flags.writeable = False
    y = layer.forward(x, training=training, keep=True)
    grad_y = np.ones_like(y)
    grad_y.flags.writeable = False
    layer.backward(grad_y)


@every
def test_inference_keeps_nothing(case: LayerCase) -> None:
    layer = case.layer()
    # Two sizes: what a training pass kept before must go, too.
    layer.forward(case.input(4), training=True)
    x = case.input(3)
    gone = weakref.ref(x)
    y = layer(x)
    assert all(module._context is None for _, module in layer.named_modules())
    result = weakref.ref(y)
    del x, y
    gc.collect()
    assert gone() is None
    assert result() is None
    with pytest.raises(gn.StateError, match="keep=True"):
        layer.backward(case.input(3))


@every
def test_backward_lets_go_and_serves_once(case: LayerCase) -> None:
    layer = case.layer()
    y = layer.forward(case.input(4), training=True)
    layer.backward(np.ones_like(y))
    assert all(module._context is None for _, module in layer.named_modules())
    with pytest.raises(gn.StateError, match="each forward serves one backward"):
        layer.backward(np.ones_like(y))


@every
def test_the_last_forward_is_the_one_that_counts(case: LayerCase) -> None:
    layer, other = case.layer(), case.layer()
    layer.forward(case.input(3, seed=5), training=True)
    for net in (layer, other):
        net.set_random_position(seed=1)  # the same masks
    y = layer.forward(case.input(4), training=True)
    other_y = other.forward(case.input(4), training=True)
    np.testing.assert_array_equal(y, other_y)
    np.testing.assert_array_equal(layer.backward(np.ones_like(y)), other.backward(np.ones_like(y)))


@every
def test_gradients_add_until_they_are_cleared(case: LayerCase) -> None:
    layer = case.layer()
    for _ in range(2):
        layer.set_random_position(1)
        y = layer.forward(case.input(3), keep=True)
        layer.backward(np.ones_like(y))
    twice = [parameter.grad for parameter in layer.parameters()]
    layer.zero_grad()
    assert all(parameter.grad is None for parameter in layer.parameters())
    y = layer.forward(case.input(3), keep=True)
    layer.backward(np.ones_like(y))
    for parameter, both in zip(layer.parameters(), twice, strict=True):
        np.testing.assert_allclose(both, 2 * parameter.grad, rtol=1e-15)


@every
def test_frozen_parameters_gather_nothing_and_change_no_other_gradient(case: LayerCase) -> None:
    layer, frozen = case.layer(), case.layer()
    for parameter in frozen.parameters()[::2]:
        parameter.trainable = False
    grads = []
    for net in (layer, frozen):
        y = net.forward(case.input(3), keep=True)
        grads.append(net.backward(np.ones_like(y)))
    np.testing.assert_array_equal(*grads)
    for index, (free, stopped) in enumerate(zip(layer.parameters(), frozen.parameters(), strict=True)):
        if index % 2 == 0:
            assert stopped.grad is None
        else:
            np.testing.assert_array_equal(free.grad, stopped.grad)


@every
def test_a_copy_computes_the_same_and_shares_nothing(case: LayerCase) -> None:
    layer = case.layer()
    layer.forward(case.input(3), training=True)
    twin = copy.deepcopy(layer)
    assert all(module._context is None for _, module in twin.named_modules())
    np.testing.assert_array_equal(layer(case.input(3)), twin(case.input(3)))
    for parameter in twin.parameters():
        parameter.value = parameter.value + 1
    twin.forward(case.input(4, seed=3), training=True)
    for one, other in zip(layer.state_dict().values(), twin.state_dict().values(), strict=True):
        assert (one != other).any()


@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_a_layer_shows_its_settings(case: LayerCase) -> None:
    layer = case.layer()
    assert repr(layer) == f"{type(layer).__name__}({layer.describe()})"
    for argument in layer.describe().split(", "):
        name, equals, value = argument.partition("=")
        assert not equals or (name.isidentifier() and value), argument


@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_operations_are_counted(case: LayerCase) -> None:
    layer = case.layer()
    operations = layer.operations(case.shape, layer.output_shape(case.shape))
    free = case.name.startswith(("Flatten", "Upsample nearest"))
    assert operations == 0 if free else operations >= np.prod(layer.output_shape(case.shape))


@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_a_strided_input_is_as_good_as_a_contiguous_one(case: LayerCase) -> None:
    layer = case.layer()
    x = case.input(3)
    strided = np.asfortranarray(x)
    y = layer.forward(x, keep=True)
    grad_y = case.layer().forward(x) + 1
    grad_x = layer.backward(grad_y)
    np.testing.assert_allclose(layer.forward(strided, keep=True), y, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(layer.backward(np.asfortranarray(grad_y)), grad_x, rtol=1e-12, atol=1e-12)


SHAPELESS = {"ReLU", "LeakyReLU", "ELU", "GELU", "SiLU", "Hardswish", "Hardtanh", "ReLU6", "Sigmoid", "Tanh", "Dropout"}


@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_an_input_without_axes_is_refused_by_name(case: LayerCase) -> None:
    layer = case.layer()
    kind = type(layer).__name__
    net = gn.Sequential(gn.Identity(), layer)
    x = np.ones(3)
    if kind in SHAPELESS or case.name == "PReLU":
        assert net(x).shape[0] == 3
    else:
        with pytest.raises(gn.ShapeError, match=rf"^{kind} '1': .*\(\)|^{kind} '1': dim"):
            net(x)
