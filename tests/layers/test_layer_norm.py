import numpy as np
import pytest

import gpunet as gn

X = np.random.default_rng(0).normal(2.0, 3.0, (2, 5, 3, 4))


@pytest.mark.parametrize(("shape", "axes"), [(4, (3,)), ((3, 4), (2, 3)), ([5, 3, 4], (1, 2, 3))])
def test_the_last_axes_are_normalised(shape: object, axes: tuple[int, ...]) -> None:
    y = gn.LayerNorm(shape).astype("float64")(X)
    np.testing.assert_allclose(y.mean(axis=axes), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=axes), 1, rtol=1e-3)


def test_each_element_has_its_scale_and_shift() -> None:
    norm = gn.LayerNorm((3, 4)).astype("float64")
    plain = norm(X)
    norm.weight.value = np.arange(12.0).reshape(3, 4)
    norm.bias.value = norm.weight.value - 6
    np.testing.assert_allclose(norm(X), plain * norm.weight.value + norm.bias.value, rtol=1e-12)


def test_keys() -> None:
    assert list(gn.LayerNorm(4).state_dict()) == ["weight", "bias"]
    assert list(gn.LayerNorm(4, bias=False).state_dict()) == ["weight"]
    assert list(gn.LayerNorm(4, elementwise_affine=False).state_dict()) == []


def test_bad_settings_and_inputs_are_refused() -> None:
    with pytest.raises(gn.ShapeError, match="LayerNorm: normalized_shape is empty"):
        gn.LayerNorm(())
    with pytest.raises(gn.ShapeError, match="LayerNorm: normalized_shape must be at least 1, got 0"):
        gn.LayerNorm((3, 0))
    for shape in [(4, 3), (4,), ()]:
        with pytest.raises(gn.ShapeError, match=r"^LayerNorm: got an input .* wanted its last sizes to be \(3, 4\)"):
            gn.LayerNorm((3, 4))(np.ones((2, *shape), np.float32))


def test_text() -> None:
    assert repr(gn.LayerNorm(4)) == "LayerNorm((4,))"
    assert repr(gn.LayerNorm((3, 4), 0.1, bias=False)) == "LayerNorm((3, 4), eps=0.1, bias=False)"
    assert repr(gn.LayerNorm(4, elementwise_affine=False)) == "LayerNorm((4,), elementwise_affine=False)"
