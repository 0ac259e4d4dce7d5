"""`Module.output_shape` of layers that do not write it: measured by an empty batch."""

import numpy as np

import gpunet as gn


class Block(gn.Module):
    """A user's module without an output_shape of its own."""

    def __init__(self):
        self.conv = gn.Conv2d(1, 2, 3, stride=2)
        self.norm = gn.BatchNorm2d(2)

    def compute(self, context, x):
        return context.run(self.norm, context.run(self.conv, x))

    def differentiate(self, context, grad_y):
        return self.conv.backward(self.norm.backward(grad_y))


def images():
    return np.random.default_rng(0).normal(size=(2, 1, 7, 6)).astype("float32")


def test_the_shape_is_measured():
    assert Block().output_shape((1, 7, 6)) == (2, 3, 2)
    assert gn.Sequential(Block(), gn.Flatten()).output_shape((1, 7, 6)) == (12,)


def test_a_container_that_asks_its_children_leaves_what_they_kept():
    """Sequential checks its own shape after a forward; the backward that follows still finds everything."""
    net = gn.Sequential(gn.Sequential(Block()), gn.ReLU())
    y = net.forward(images(), training=True)
    assert net.backward(np.ones_like(y)).shape == images().shape
    assert net[0][0].conv.weight.grad is not None


def test_measuring_between_forward_and_backward_changes_nothing():
    first, second = Block(), Block()
    second.load_state_dict(first.state_dict())
    outputs = [block.forward(images(), training=True) for block in (first, second)]
    assert first.output_shape((1, 9, 9)) == (2, 4, 4)
    grads = [block.backward(y) for block, y in zip((first, second), outputs, strict=True)]
    assert np.array_equal(*grads)
    states = [block.state_dict() for block in (first, second)]
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])


def test_observers_are_not_told():
    events = []
    block = Block()
    with block.observe(events.append):
        block.output_shape((1, 7, 6))
        assert events == []
        block(images())
    assert len(events) == 6
