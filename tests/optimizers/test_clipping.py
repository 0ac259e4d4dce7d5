import numpy as np
import pytest

import gpunet as gn
from gpunet.optimizers import clip_grad_norm


def with_grads(*grads):
    chosen = []
    for grad in grads:
        parameter = gn.Parameter(np.zeros(np.shape(grad), "float32"))
        parameter.grad = None if grad is None else np.asarray(grad, "float32")
        chosen.append(parameter)
    return chosen


def test_all_gradients_shrink_by_one_factor():
    chosen = with_grads([3.0, 0.0], None, [[4.0]])
    norm = clip_grad_norm(chosen, 2.5)
    assert float(norm) == 5
    assert (norm.shape, norm.dtype) == ((), np.float32)
    np.testing.assert_allclose(chosen[0].grad, [1.5, 0], rtol=1e-6)
    np.testing.assert_allclose(chosen[2].grad, [[2.0]], rtol=1e-6)
    assert chosen[1].grad is None


@pytest.mark.parametrize("max_norm", [10, float("inf"), np.float32(10)])
def test_short_gradients_stay_to_the_bit(max_norm):
    chosen = with_grads([3.0, 0.1], [4.0])
    clip_grad_norm(iter(chosen), max_norm)
    assert np.array_equal(chosen[0].grad, np.array([3, 0.1], "float32"))


def test_arrays_that_were_gradients_are_not_written_to():
    chosen = with_grads([3.0])
    chosen[0].grad.flags.writeable = False
    grad = chosen[0].grad
    clip_grad_norm(chosen, 1.0)
    assert grad.tolist() == [3.0]
    assert chosen[0].grad is not grad


def test_frozen_parameters_do_not_count():
    frozen, moving = with_grads([100.0], [3.0])
    frozen.trainable = False
    assert float(clip_grad_norm([frozen, moving], 1.0)) == 3
    assert frozen.grad.tolist() == [100.0]


@pytest.mark.parametrize("chosen", [[], with_grads(None), with_grads([0.0, 0.0])])
def test_nothing_to_clip(chosen):
    norm = clip_grad_norm(chosen, 1.0)
    assert (norm.shape, float(norm)) == ((), 0)
    assert all(np.all(p.grad == 0) for p in chosen if p.grad is not None)


def test_one_parameter():
    (chosen,) = with_grads([3.0, 4.0])
    assert float(clip_grad_norm(chosen, 1.0)) == 5


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_shows(bad):
    chosen = with_grads([1.0], [bad])
    with np.errstate(invalid="ignore"):
        norm = clip_grad_norm(chosen, 1.0)
    assert not np.isfinite(norm)
    assert not np.isfinite(chosen[1].grad).any()


@pytest.mark.parametrize("max_norm", [0, -1, float("nan"), "1", None])
def test_bad_max_norm(max_norm):
    with pytest.raises(gn.DataError, match="max_norm"):
        clip_grad_norm(with_grads([1.0]), max_norm)


def test_bad_norm_type():
    with pytest.raises(gn.DataError, match="norm_type=1"):
        clip_grad_norm(with_grads([1.0]), 1.0, norm_type=1)
