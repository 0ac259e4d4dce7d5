import numpy as np
import pytest

import gpunet as gn

X = np.random.default_rng(0).normal(2.0, 3.0, (4, 3, 2, 5))


def statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3), ddof=1)


def layer(**settings: object) -> gn.BatchNorm2d:
    return gn.BatchNorm2d(3, **settings).astype("float64")


def test_training_normalises_by_the_batch() -> None:
    norm = layer()
    norm.weight.value, norm.bias.value = np.array([1.0, 2.0, -1.0]), np.array([0.0, 5.0, 1.0])
    y = norm.forward(X, training=True)
    np.testing.assert_allclose(y.mean(axis=(0, 2, 3)), norm.bias.value, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=(0, 2, 3)), np.abs(norm.weight.value), rtol=1e-5)


def test_running_statistics_take_a_tenth_of_the_new_batch() -> None:
    norm = layer()
    mean, variance = statistics(X)
    norm.forward(X, training=True)
    np.testing.assert_allclose(norm.running_mean.value, 0.1 * mean, rtol=1e-12)
    np.testing.assert_allclose(norm.running_var.value, 0.9 + 0.1 * variance, rtol=1e-12)
    norm.forward(X, training=True)
    np.testing.assert_allclose(norm.running_mean.value, 0.19 * mean, rtol=1e-12)
    assert norm.num_batches_tracked.value == 2
    assert norm.num_batches_tracked.value.dtype == np.int64
    assert norm.num_batches_tracked.value.shape == ()


def test_without_momentum_all_batches_weigh_the_same() -> None:
    norm = layer(momentum=None)
    parts = [X[:2], X[2:], X + 3]
    for part in parts:
        norm.forward(part, training=True)
    means, variances = zip(*map(statistics, parts), strict=True)
    np.testing.assert_allclose(norm.running_mean.value, np.mean(means, axis=0), rtol=1e-12)
    np.testing.assert_allclose(norm.running_var.value, np.mean(variances, axis=0), rtol=1e-12)


def test_inference_uses_and_keeps_the_running_statistics() -> None:
    norm = layer(eps=0.5)
    norm.forward(X, training=True)
    before = norm.state_dict()
    y = norm.forward(X, keep=True)
    shape = (3, 1, 1)
    mean, variance = norm.running_mean.value.reshape(shape), norm.running_var.value.reshape(shape)
    np.testing.assert_allclose(y, (X - mean) / np.sqrt(variance + 0.5), rtol=1e-12)
    # Fixed statistics: the gradient of one element reaches that element alone.
    grad_y = np.zeros_like(y)
    grad_y[1, 2, 0, 3] = 2
    grad_x = norm.backward(grad_y)
    assert grad_x[1, 2, 0, 3] == pytest.approx(2 / np.sqrt(variance[2, 0, 0] + 0.5))
    assert np.count_nonzero(grad_x) == 1
    for name, array in norm.state_dict().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_without_tracking_inference_uses_the_batch_too() -> None:
    norm = layer(track_running_stats=False)
    np.testing.assert_array_equal(norm(X), norm.forward(X, training=True))
    assert list(norm.state_dict()) == ["weight", "bias"]


def test_a_constant_channel_becomes_the_bias() -> None:
    norm = gn.BatchNorm2d(1)
    y = norm.forward(np.full((4, 1, 3, 3), 1e4, np.float32), training=True)
    np.testing.assert_array_equal(y, np.zeros_like(y))
    assert 0 <= norm.running_var.value[0] <= 0.9 + 1e-6


def test_keys_are_those_of_pytorch() -> None:
    keys = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(gn.BatchNorm2d(3).state_dict()) == keys
    assert list(gn.BatchNorm1d(3, affine=False).state_dict()) == keys[2:]


@pytest.mark.parametrize(
    ("norm", "shape"),
    [
        (gn.BatchNorm1d(3), (1, 3)),
        (gn.BatchNorm1d(3), (1, 3, 1)),
        (gn.BatchNorm2d(3), (1, 3, 1, 1)),
    ],
    ids=["features", "length", "image"],
)
def test_one_value_a_channel_is_refused_in_training(norm: gn.Module, shape: tuple[int, ...]) -> None:
    x = np.ones(shape, np.float32)
    net = gn.Sequential(gn.Identity(), norm)
    kind = type(norm).__name__
    with pytest.raises(gn.ShapeError, match=rf"^{kind} '1': got one value a channel .* Use a larger batch .*drop_last"):
        net.forward(x, training=True)
    assert norm.num_batches_tracked.value == 0
    np.testing.assert_allclose(net(x), np.ones(shape), rtol=1e-4)  # inference is fine


def test_one_value_a_channel_is_refused_without_running_statistics() -> None:
    with pytest.raises(gn.ShapeError, match="one value a channel"):
        gn.BatchNorm1d(3, track_running_stats=False)(np.ones((1, 3), np.float32))


def test_an_empty_batch_is_counted_as_pytorch_does() -> None:
    norm = layer()
    norm.forward(X[:0], training=True)
    assert norm.num_batches_tracked.value == 1
    np.testing.assert_array_equal(norm.running_var.value, [1, 1, 1])


@pytest.mark.parametrize(
    ("norm", "shape", "wanted"),
    [
        (gn.BatchNorm1d(3), (2, 3, 4, 4), r"\(3,\) or \(3, length\)"),
        (gn.BatchNorm1d(3), (2, 4), r"\(3,\) or \(3, length\)"),
        (gn.BatchNorm2d(3), (2, 3), r"\(3, height, width\)"),
        (gn.BatchNorm2d(3), (2, 4, 5, 5), r"\(3, height, width\)"),
        (gn.BatchNorm2d(3), (2, 3, 0, 5), r"\(3, height, width\)"),
    ],
)
def test_other_inputs_are_refused(norm: gn.Module, shape: tuple[int, ...], wanted: str) -> None:
    with pytest.raises(
        gn.ShapeError, match=rf"^{type(norm).__name__}: got an input of shape \(.*\).*, wanted {wanted}"
    ):
        norm(np.ones(shape, np.float32))


def test_text() -> None:
    assert repr(gn.BatchNorm2d(3)) == "BatchNorm2d(3)"
    assert repr(gn.BatchNorm1d(3, 0.1, None, affine=False, track_running_stats=False)) == (
        "BatchNorm1d(3, eps=0.1, momentum=None, affine=False, track_running_stats=False)"
    )


def test_buffers_keep_their_dtype_whatever_the_input_has() -> None:
    norm = gn.BatchNorm2d(3, affine=False)  # without parameters nothing says which dtype is wanted
    assert norm.forward(X, training=True).dtype == np.float64
    assert norm.running_mean.value.dtype == norm.running_var.value.dtype == np.float32
    assert norm(X).dtype == np.float64
