"""Every layer written as ONNX and read again: the same outputs and the same gradients, without another program."""

from __future__ import annotations

import numpy as np
import oracles
import pytest
from layer_cases import EVERYTHING, LayerCase
from tolerances import ONNX_ATTRIBUTES

import gpunet as gn

oracles.require("onnx")


@pytest.mark.parametrize("case", EVERYTHING, ids=str)
def test_an_imported_layer_has_the_same_gradients(case: LayerCase) -> None:
    net = case.layer("float64")
    x = case.input(2)
    again = gn.onnx.load(gn.onnx.to_model(net, case.shape)).astype("float64")
    grad_y = gn.random.Stream(1, "gradient").normal(net(x).shape)
    grads = []
    for one in (net, again):
        one.forward(x, keep=True)
        grads.append(one.backward(grad_y))
    np.testing.assert_allclose(grads[1], grads[0], rtol=ONNX_ATTRIBUTES, atol=ONNX_ATTRIBUTES)
    # Under whatever names and in whatever shapes, the parameters' gradients are the same numbers.
    sums = [
        sorted(float(np.abs(p.grad).sum()) for p in one.parameters() if p.trainable and p.grad is not None)
        for one in (net, again)
    ]
    np.testing.assert_allclose(sums[1], sums[0], rtol=ONNX_ATTRIBUTES, atol=ONNX_ATTRIBUTES)
