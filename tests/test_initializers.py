"""Initial weights: the distributions have the spread that their papers ask for, and follow from the seed alone."""

import math
from collections.abc import Callable

import numpy as np
import pytest

import gpunet as gn
from gpunet import initializers
from gpunet.initializers import BY_NAME, fans, initial

SHAPES = [(60, 50), (40, 30, 5, 3)]

STD: dict[str, Callable[[int, int], float]] = {
    "torch": lambda fan_in, fan_out: 1 / math.sqrt(3 * fan_in),
    "he_normal": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
    "he_uniform": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
    "he_normal_fan_out": lambda fan_in, fan_out: math.sqrt(2 / fan_out),
    "xavier_normal": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    "xavier_uniform": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", STD)
def test_mean_spread_and_form(name: str, shape: tuple[int, ...]) -> None:
    with gn.random.seeded(5):
        weight = initial(name, shape)
    expected = STD[name](*fans(shape))
    assert weight.shape == shape
    assert weight.dtype == np.float32
    assert weight.std() == pytest.approx(expected, rel=0.03)
    assert abs(weight.mean()) < 4 * expected / math.sqrt(weight.size)
    largest = np.abs(weight).max() / expected
    if "normal" in name:
        assert 3 < largest < 6
        assert (np.abs(weight) < expected).mean() == pytest.approx(0.6827, abs=0.02)
    else:
        assert 0.99 * math.sqrt(3) < largest <= math.sqrt(3) * (1 + 1e-6)
        assert (np.abs(weight) < expected).mean() == pytest.approx(1 / math.sqrt(3), abs=0.02)


def test_constants() -> None:
    np.testing.assert_array_equal(initial("zeros", (2, 3)), np.zeros((2, 3), np.float32))
    np.testing.assert_array_equal(initial("ones", (4,)), np.ones(4, np.float32))


def test_fans_count_the_receptive_field() -> None:
    assert fans((7, 5)) == (5, 7)
    assert fans((8, 4, 3, 2)) == (24, 48)
    for shape in [(), (3,)]:
        with pytest.raises(gn.ShapeError, match="fan-in and fan-out need a weight of two axes or more"):
            fans(shape)


def test_every_name_gives_what_it_says() -> None:
    assert set(STD) | {"zeros", "ones"} == set(BY_NAME)
    with pytest.raises(gn.StateError, match="initializer 'kaiming' is unknown: choose one of torch, he_normal"):
        gn.Linear(2, 3, initializer="kaiming")


def test_a_function_of_ones_own() -> None:
    layer = gn.Conv2d(2, 3, 1, initializer=lambda shape: np.arange(6).reshape(shape))
    np.testing.assert_array_equal(layer.weight.value.ravel(), np.arange(6))
    assert layer.weight.value.dtype == np.float32
    with pytest.raises(gn.ShapeError, match=r"the initializer returned shape \(6,\), wanted \(3, 2\)"):
        gn.Linear(2, 3, initializer=lambda shape: np.zeros(6))


def make() -> list[np.ndarray]:
    net = gn.Sequential(gn.Conv2d(1, 2, 3), gn.Linear(4, 4), gn.Linear(4, 4), gn.ConvTranspose2d(2, 2, 2))
    return list(net.state_dict().values())


def test_the_seed_decides_and_each_array_is_another() -> None:
    with gn.random.seeded(1):
        one = make()
    with gn.random.seeded(1):
        same = make()
    with gn.random.seeded(2):
        other = make()
    for a, b, c in zip(one, same, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).all()
    assert (one[2] != one[4]).all()


def test_the_global_seed_starts_the_stream_anew() -> None:
    with gn.random.seeded(0):  # whatever the test does to the stream ends with the block
        gn.random.seed(9)
        first = make()
        gn.random.seed(9)
        np.testing.assert_array_equal(make()[0], first[0])
        assert (make()[0] != first[0]).any()


@pytest.mark.parametrize("shape", SHAPES)
def test_layers_draw_weights_and_biases_from_pytorchs_ranges(shape: tuple[int, ...]) -> None:
    with gn.random.seeded(0):
        layer = gn.Linear(900, 30) if len(shape) == 2 else gn.Conv2d(100, 30, 3)
    bound = 1 / 30
    assert np.abs(layer.weight.value).max() == pytest.approx(bound, rel=1e-2)
    assert 0.8 * bound < np.abs(layer.bias.value).max() < bound


def test_uniform_and_normal_take_a_spread() -> None:
    with gn.random.seeded(0):
        assert np.abs(initializers.uniform((1000,), 2.0)).max() == pytest.approx(2, rel=0.01)
        assert initializers.normal((10000,), 3.0).std() == pytest.approx(3, rel=0.03)
