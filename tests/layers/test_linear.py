import math

import numpy as np
import pytest

import gpunet as gn


def integers(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float32)


@pytest.mark.parametrize("middle", [(), (3,), (3, 2)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_of_small_integers_are_exact(middle: tuple[int, ...], bias: bool) -> None:
    layer = gn.Linear(5, 4, bias=bias)
    for parameter in layer.parameters():
        parameter.value = integers(parameter.shape, 1)
    x, grad_y = integers((2, *middle, 5), 2), integers((2, *middle, 4), 3)
    weight, shift = layer.weight.value, layer.bias.value if bias else np.zeros(4, np.float32)
    y, grad_x, grad_weight = np.zeros((2, *middle, 4)), np.zeros(x.shape), np.zeros((4, 5))
    for row in np.ndindex(2, *middle):
        for out in range(4):
            y[row][out] = shift[out] + sum(weight[out, i] * x[row][i] for i in range(5))
            for i in range(5):
                grad_x[row][i] += grad_y[row][out] * weight[out, i]
                grad_weight[out, i] += grad_y[row][out] * x[row][i]
    np.testing.assert_array_equal(layer.forward(x, training=True), y)
    np.testing.assert_array_equal(layer.backward(grad_y), grad_x)
    np.testing.assert_array_equal(layer.weight.grad, grad_weight)
    if bias:
        np.testing.assert_array_equal(layer.bias.grad, grad_y.reshape(-1, 4).sum(axis=0))


def test_first_weights_fill_pytorchs_range() -> None:
    with gn.random.seeded(3):
        layer = gn.Linear(400, 300)
    bound = 1 / math.sqrt(400)
    for array in (layer.weight.value, layer.bias.value):
        assert -bound <= array.min() < -0.98 * bound
        assert 0.98 * bound < array.max() < bound
    assert layer.weight.value.std() == pytest.approx(bound / math.sqrt(3), rel=0.01)


def test_an_initializer_by_name() -> None:
    with gn.random.seeded(3):
        layer = gn.Linear(400, 300, initializer="he_normal")
    assert layer.weight.value.std() == pytest.approx(math.sqrt(2 / 400), rel=0.01)


def test_keys_and_text() -> None:
    assert list(gn.Linear(3, 2).state_dict()) == ["weight", "bias"]
    assert repr(gn.Linear(3, 2, bias=False)) == "Linear(3, 2, bias=False)"
    assert gn.Linear(3, 2).operations((3,), (2,)) == 2 * 6 + 2
    assert gn.Linear(3, 2, bias=False).operations((7, 3), (7, 2)) == 7 * 2 * 6


def test_images_are_refused_with_the_remedy() -> None:
    net = gn.Sequential(gn.Conv2d(1, 2, 3), gn.Linear(8, 3))
    with pytest.raises(
        gn.ShapeError, match=r"^Linear '1': got an input of shape \(2, 2, 2\) .* wanted 8 .* Flatten\(\)"
    ):
        net(np.ones((1, 1, 4, 4), np.float32))


@pytest.mark.parametrize(("sizes", "name"), [((0, 3), "in_features"), ((3, 0), "out_features"), ((2.0, 3), "in_feat")])
def test_sizes_are_checked(sizes: tuple[int, int], name: str) -> None:
    with pytest.raises(gn.ShapeError, match=f"^Linear: {name}"):
        gn.Linear(*sizes)
