import numpy as np
import pytest

import gpunet as gn

X = np.random.default_rng(0).normal(2.0, 3.0, (2, 6, 3, 4))


def test_each_group_of_each_sample_is_normalised() -> None:
    norm = gn.GroupNorm(3, 6).astype("float64")
    groups = norm(X).reshape(2, 3, -1)
    np.testing.assert_allclose(groups.mean(axis=2), 0, atol=1e-12)
    np.testing.assert_allclose(groups.std(axis=2), 1, rtol=1e-5)


def test_each_channel_has_its_scale_and_shift() -> None:
    norm = gn.GroupNorm(2, 6).astype("float64")
    plain = norm(X)
    norm.weight.value, norm.bias.value = np.arange(6.0), np.arange(6.0) - 3
    channel = np.arange(6.0)[:, None, None]
    np.testing.assert_allclose(norm(X), plain * channel + channel - 3, rtol=1e-12)


def test_training_and_samples_make_no_difference() -> None:
    norm = gn.GroupNorm(3, 6).astype("float64")
    np.testing.assert_array_equal(norm.forward(X, training=True), norm(X))
    np.testing.assert_allclose(norm(X)[1:], norm(X[1:]), rtol=1e-13)


def test_bad_settings_and_inputs_are_refused() -> None:
    with pytest.raises(gn.ShapeError, match="GroupNorm: num_groups=4 must divide num_channels=6"):
        gn.GroupNorm(4, 6)
    with pytest.raises(gn.ShapeError, match="GroupNorm: num_groups must be at least 1"):
        gn.GroupNorm(0, 6)
    for shape in [(5, 3), (6, 0), ()]:
        with pytest.raises(gn.ShapeError, match=r"^GroupNorm: got an input of shape .* wanted 6 channels first"):
            gn.GroupNorm(3, 6)(np.ones((2, *shape), np.float32))


def test_text() -> None:
    assert repr(gn.GroupNorm(3, 6)) == "GroupNorm(3, 6)"
    assert repr(gn.GroupNorm(3, 6, 0.1, affine=False)) == "GroupNorm(3, 6, eps=0.1, affine=False)"
