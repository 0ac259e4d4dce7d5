"""The nets that are compared: the same in the description, in gpunet and in NumPy as tutorials write it."""

from __future__ import annotations

import numpy as np
import pytest
from tolerances import FLOAT32_LAYER_GRADIENT

from benchmarks.peers import architectures as a
from benchmarks.peers import gpunet_peer, im2col_peer
from benchmarks.peers.contender import Task

# By hand: LeNet 156 + 2,416 + 48,120 + 10,164 + 850;
# VGG 1,792 + 36,928 + 73,856 + 147,584 + 295,168 + 590,080 + 40,970. The ResNets' as published.
PARAMETERS = {"lenet": 61_706, "vgg": 1_186_378, "resnet20": 269_722, "resnet18": 11_689_512}


@pytest.mark.parametrize("name", a.NETS)
def test_the_parameters_are_those_of_the_architecture(name: str) -> None:
    net = a.NETS[name]
    assert a.parameters(net.layers, net.image) == PARAMETERS[name]
    assert a.shape_behind(net.layers, net.image) == (net.classes,)


@pytest.mark.parametrize("name", a.NETS)
def test_gpunet_builds_the_same_net(name: str) -> None:
    net = a.NETS[name]
    built = gpunet_peer.build(net)
    assert sum(parameter.value.size for parameter in built.parameters()) == PARAMETERS[name]
    assert built.output_shape(net.image) == (net.classes,)


def test_a_stack_is_found_by_its_name() -> None:
    net = a.find(a.stack_name(4, 6, 2))
    assert net.image == (3, 6, 6)
    assert a.parameters(net.layers, net.image) == (3 * 9 + 1) * 4 + (4 * 9 + 1) * 4 + (4 + 1) * 10
    assert gpunet_peer.build(net).output_shape(net.image) == (10,)


@pytest.mark.parametrize("name", ["lenet", "resnet20"])
def test_numpy_as_in_tutorials_computes_what_gpunet_computes(name: str) -> None:
    """The same weights, the same batch: the same loss and the same gradients."""
    task = Task(a.NETS[name], 4, "numpy", 1)
    plain, own = im2col_peer.TutorialContender(task), gpunet_peer.GpunetContender(task)
    plain.build()
    own.build()
    own.net.precision = "strict"
    pairs = list(zip(_weights(plain), own.net.parameters(), strict=True))
    for (layer, key, turned), parameter in pairs:
        value = parameter.value.T if turned else parameter.value
        layer.values[key][...] = value
    loss = plain.step()
    assert own.step() == pytest.approx(loss, rel=FLOAT32_LAYER_GRADIENT)
    for (layer, key, turned), parameter in pairs:
        found = layer.grads[key].T if turned else layer.grads[key]
        scale = np.abs(parameter.grad).max()
        np.testing.assert_allclose(found, parameter.grad, rtol=0, atol=FLOAT32_LAYER_GRADIENT * scale)
    assert own.step() == pytest.approx(plain.step(), rel=FLOAT32_LAYER_GRADIENT)


def _weights(contender: im2col_peer.TutorialContender):
    """Layer, name, and whether gpunet has it transposed; in the order of gpunet's parameters."""
    for layer in contender.layers:
        for key in layer.values:
            yield layer, key, isinstance(layer, im2col_peer.Product) and key == "weight"


@pytest.mark.parametrize("pool", [a.MaxPool(2, 2), a.MaxPool(3, 2, 1)])
def test_its_pooling_is_max_pooling(pool: a.MaxPool) -> None:
    x = np.random.default_rng(0).permutation(2 * 3 * 8 * 8).reshape(2, 3, 8, 8).astype(np.float32)
    layer = im2col_peer.MaxPooling(pool)
    y = layer.forward(x)
    grad = np.arange(1, y.size + 1, dtype=np.float32).reshape(y.shape)
    own = gpunet_peer.gn.MaxPool2d(pool.kernel, pool.stride, pool.padding)
    assert np.array_equal(own.forward(x, training=True), y)
    assert np.array_equal(own.backward(grad), layer.backward(grad))
