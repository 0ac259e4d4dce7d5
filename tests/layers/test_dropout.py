import numpy as np
import pytest

import gpunet as gn


def test_inference_changes_nothing() -> None:
    layer = gn.Dropout(0.9)
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(layer(x), x)
    layer.forward(x, keep=True)
    np.testing.assert_array_equal(layer.backward(x + 1), x + 1)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.75])
def test_the_share_and_the_scale(p: float) -> None:
    x = np.ones((100, 100))
    layer = gn.Dropout(p)
    y = layer.forward(x, training=True)
    assert (y == 0).mean() == pytest.approx(p, abs=0.02)
    np.testing.assert_allclose(y[y != 0], 1 / (1 - p), rtol=1e-15)
    np.testing.assert_array_equal(layer.backward(2 * x), 2 * y)  # the very mask of the forward pass


def test_everything_and_nothing() -> None:
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(gn.Dropout(1).forward(x, training=True), 0 * x)
    np.testing.assert_array_equal(gn.Dropout(0).forward(x, training=True), x)


def net() -> gn.Sequential:
    return gn.Sequential(gn.Dropout(), gn.Sequential(gn.Dropout()))


def masks(module: gn.Module) -> list[np.ndarray]:
    """What each of the two dropouts makes of ones."""
    seen = []
    with module.observe(lambda event: seen.append((event, event.outputs))):
        module.forward(np.ones((4, 50)), training=True)
    return [
        outputs[0] != 0 for event, outputs in seen if isinstance(event.module, gn.Dropout) and event.stage == "after"
    ]


def test_the_mask_is_a_function_of_position_and_path() -> None:
    one, other = net(), net()
    for module in (one, other):
        module.set_random_position(seed=3, epoch=2, step=7)
    first = masks(one)
    for mask, same in zip(first, masks(other), strict=True):
        np.testing.assert_array_equal(mask, same)
    # The second dropout sees zeros where the first left none, and must not repeat it elsewhere.
    assert (first[1] != first[0]).any()
    different = {tuple(mask.ravel()) for position in [(3, 2, 8), (3, 3, 7), (4, 2, 7)] for mask in at(one, position)}
    assert len(different | {tuple(mask.ravel()) for mask in first}) == 8


def at(module: gn.Module, position: tuple[int, int, int]) -> list[np.ndarray]:
    module.set_random_position(*position)
    return masks(module)


def test_each_training_pass_moves_on_by_one_step() -> None:
    module = net()
    module.set_random_position(seed=1, epoch=0, step=0)
    masks(module)
    module(np.ones((4, 50)))  # inference does not
    second = masks(module)
    module.set_random_position(seed=1, epoch=0, step=1)
    for mask, same in zip(second, masks(module), strict=True):
        np.testing.assert_array_equal(mask, same)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(p: float) -> None:
    with pytest.raises(gn.DataError, match=r"Dropout: p is a probability in \[0, 1\], got"):
        gn.Dropout(p)
