"""What a forward keeps for its backward, and when it lets go."""

import numpy as np
import pytest
from module_examples import X, small_net

import gpunet as gn


def test_keep_differentiates_inference() -> None:
    net = small_net()
    before = net.state_dict()
    y = net.forward(X, keep=True)
    np.testing.assert_array_equal(y, net(X))
    net.forward(X, keep=True)
    assert net.backward(np.ones_like(y)).shape == X.shape
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_training_without_keep_keeps_nothing() -> None:
    net = small_net()
    net.forward(X, training=True, keep=False)
    assert net[1].num_batches_tracked.value == 1
    with pytest.raises(gn.StateError, match=r"^Sequential: backward needs a forward before it"):
        net.backward(np.ones((2, 3), np.float32))


def test_a_second_backward_is_refused() -> None:
    net = small_net()
    y = net.forward(X, training=True)
    net.backward(np.ones_like(y))
    with pytest.raises(gn.StateError, match="each forward serves one backward"):
        net.backward(np.ones_like(y))


class SavesTwice(gn.Module):
    def compute(self, context: gn.Context, x: np.ndarray) -> np.ndarray:
        context.save(x)
        context.save(x, 2)
        return x


def test_a_second_save_would_lose_the_first() -> None:
    with pytest.raises(gn.StateError, match=r"^SavesTwice: context\.save was called twice"):
        SavesTwice().forward(np.ones((1, 2)), training=True)
