"""One layer of gpunet and the same one of PyTorch: everything that can be seen of them, compared in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracles
from tolerances import ORACLE_FLOAT64

import gpunet as gn

torch = oracles.require("torch")


def normal(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def close(ours: Any, theirs: Any, what: str) -> None:
    """Equal to 1e-10 of the value and of the array's largest (or of 0.001, where all that is left is rounding)."""
    theirs = theirs.detach().numpy()
    assert np.shape(ours) == theirs.shape, what
    largest = np.abs(theirs[np.isfinite(theirs)]).max(initial=1e-3)
    np.testing.assert_allclose(ours, theirs, rtol=ORACLE_FLOAT64, atol=ORACLE_FLOAT64 * largest, err_msg=what)


def with_random_state(theirs: Any, seed: int = 0) -> Any:
    """A PyTorch module in float64 with parameters, and running statistics, that are all different."""
    theirs = theirs.double()
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in theirs.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.rand(tensor.shape, generator=generator, dtype=torch.float64) - 0.5
            tensor.copy_(tensor + noise * (0.8 if "var" in name else 1.0))
    return theirs


def assert_same(ours: gn.Module, theirs: Any, *inputs: np.ndarray, training: bool = True, passes: int = 1) -> None:
    """Outputs, input gradients, parameter gradients and buffers of both, after ``passes`` passes over the inputs."""
    ours.astype("float64")
    theirs = with_random_state(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({name: tensor.numpy() for name, tensor in theirs.state_dict().items()})
    theirs.train(training)
    for step in range(passes):
        xs = [torch.tensor(x, requires_grad=True) for x in inputs]
        expected = theirs(*xs)
        y = ours.forward(*inputs, training=training, keep=True)
        close(y, expected, "outputs")
        assert ours.output_shape(*(x.shape[1:] for x in inputs)) == tuple(expected.shape[1:])
        grad_y = normal(tuple(expected.shape), seed=100 + step)
        expected.backward(torch.tensor(grad_y))
        grads = ours.backward(grad_y)
        for grad, x in zip(grads if isinstance(grads, tuple) else (grads,), xs, strict=True):
            close(grad, x.grad, "input gradient")
    for (name, parameter), (_, tensor) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        close(parameter.grad, tensor.grad, f"gradient of {name}")
    for (name, buffer), (_, tensor) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        close(buffer.value, tensor, name)
        assert str(buffer.value.dtype) == str(tensor.dtype).removeprefix("torch.")
