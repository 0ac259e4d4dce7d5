"""Layers of users, which need not know their output's shape before they compute."""

import numpy as np
import pytest

import gpunet as gn


class MaximumNorm(gn.Module):
    """Divides by the largest absolute value of the batch, which an empty batch does not have."""

    def compute(self, context, x):
        scale = np.abs(x).max()
        context.save(scale)
        return x / scale

    def differentiate(self, context, grad_y):
        (scale,) = context.saved
        return grad_y / scale


@pytest.mark.parametrize("net", [MaximumNorm(), gn.Sequential(gn.Identity(), MaximumNorm())])
def test_a_forward_sends_nothing_but_its_own_batch_through_a_layer(net):
    x = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    assert not net.knows_output_shape
    np.testing.assert_array_equal(net.forward(x, training=True), x / np.float32(6))
    np.testing.assert_array_equal(net.backward(x), x / np.float32(6))


def test_built_in_layers_know_their_shapes():
    net = gn.Sequential(gn.Conv2d(1, 2, 3), gn.Add(gn.ReLU(), gn.Identity()), gn.Flatten())
    assert net.knows_output_shape
