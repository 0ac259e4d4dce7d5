"""How much memory a training step will need, found by going through one without computing."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpunet.backends.numpy.dry_run import DryBackend, DryRun, dry_run
from gpunet.data.checks import as_integer
from gpunet.errors import BackendError, DataError
from gpunet.layers.chain import AddReLU, Step
from gpunet.layers.module import Module
from gpunet.losses import CrossEntropyLoss
from gpunet.losses.loss import PointwiseLoss
from gpunet.optimizers import SGD, Optimizer
from gpunet.state import Array, Buffer, Parameter

_CLOSE_ENOUGH = 100  # `largest_batch` may be lower by so small a part of itself

MakeOptimizer = Callable[[Iterable[Parameter]], Optimizer]
Loss = Callable[[Array, Array], tuple[Array, Array]]


def momentum_sgd(parameters: Iterable[Parameter]) -> Optimizer:
    """SGD with momentum, which remembers one array for each parameter."""
    return SGD(parameters, lr=0.1, momentum=0.9)


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes of one training step on the NumPy backend, one thread computing.

    Attributes:
        batch_size: samples of the step.
        parameters: and buffers.
        gradients: of the parameters.
        optimizer: what it remembers from step to step.
        batch: the images and labels.
        kept: what the forward pass keeps for the backward pass, the batch aside.
        kept_by: the same for each layer that keeps anything; what several keep counts for the first.
        workspaces: scratch memory of the algorithms; each further thread has as much at most.
        peak: the most that is allocated at once during a step, from the second one on. Not the sum of the others, which
            do not all live at once: gradients on their way, results and blocks that are kept for reuse are in it too.
            Python itself, and batches that are prepared ahead, are not.
    """

    batch_size: int
    parameters: int
    gradients: int
    optimizer: int
    batch: int
    kept: int
    kept_by: dict[str, int]
    workspaces: int
    peak: int


def estimate_memory(
    net: Module,
    input_shape: tuple[int, ...],
    batch_size: int,
    optimizer: MakeOptimizer = momentum_sgd,
    loss: Loss | None = None,
) -> MemoryEstimate:
    """Predict the memory of a training step: two steps of the net are gone through with arrays that have no numbers.

    The algorithms, what layers keep, and what lives when are those of a real step, since it is their code that runs:
    see `gpunet.backends.numpy.dry_run`.

    Args:
        net: on the NumPy backend; nothing of it changes.
        input_shape: of one sample, (C, H, W).
        batch_size: samples of the step, 1 or more.
        optimizer: makes it from the parameters; the default is SGD with momentum.
        loss: ``value, gradient = loss(outputs, targets)``; cross entropy by default. A loss that compares each output
            with a target of its own, such as `MSELoss`, gets targets like the outputs, any other one integer a sample
            and place.

    Raises:
        BackendError: the net is on a GPU.
        DataError, ShapeError: the batch size is below 1, or such a batch does not fit the net.
    """
    batch_size = as_integer(batch_size, "estimate_memory: batch_size", 1)
    if net.backend.name != "numpy":
        raise BackendError(
            f"estimate_memory: the net is on {net.backend.name}, wanted one on numpy. "
            "Give it copy.deepcopy(net).to('numpy')."
        )
    with dry_run() as run:
        return _DryTraining(run, net, optimizer, loss or CrossEntropyLoss()).measure(input_shape, batch_size)


def largest_batch(
    net: Module,
    input_shape: tuple[int, ...],
    nbytes: int,
    optimizer: MakeOptimizer = momentum_sgd,
    loss: Loss | None = None,
) -> MemoryEstimate:
    """The estimate of the largest batch whose training step fits into so much memory.

    Args:
        net, input_shape, optimizer, loss: as for `estimate_memory`.
        nbytes: of memory. Python with its libraries needs some 100 MB beside it.

    Returns:
        its ``batch_size`` is the largest, or, above 200, smaller than that by 1 % at most.

    Raises:
        DataError: not even the smallest batch fits.
    """

    def estimate(batch_size: int) -> MemoryEstimate:
        return estimate_memory(net, input_shape, batch_size, optimizer, loss)

    smallest = 2  # batch norm has no variance of one value
    fits = estimate(smallest)
    if fits.peak > nbytes:
        raise DataError(
            f"a training step with {smallest} images needs {fits.peak:,} bytes, more than the {nbytes:,} there are. "
            "Take smaller images, a smaller net, or an optimizer that remembers less."
        )
    too_large: int | None = None
    while too_large is None or too_large - fits.batch_size > max(1, fits.batch_size // _CLOSE_ENOUGH):
        size = fits.batch_size
        if too_large is None:  # the more images, the more nearly in proportion; a little further ends the search
            per_image = max(1, (fits.peak - fits.parameters - fits.workspaces) // size)
            guess = size + 1 + int(1.01 * min((nbytes - fits.peak) // per_image, 15 * size))
        else:
            guess = (size + too_large) // 2
        tried = estimate(guess)
        if tried.peak <= nbytes:
            fits = tried
        else:
            too_large = guess
    return fits


class _DryTraining:
    """A net, its optimizer and its loss, whose arrays have no numbers."""

    def __init__(self, run: DryRun, net: Module, optimizer: MakeOptimizer, loss: Loss) -> None:
        self.run, self.loss = run, loss
        self.dtype = net.dtype or np.dtype("float32")
        self.net = _twin(net, run)
        self.optimizer = optimizer(self.net.parameters())
        self.kept: dict[str, int] = {}

    def measure(self, input_shape: tuple[int, ...], batch_size: int) -> MemoryEstimate:
        images = self.run.array((batch_size, *input_shape), self.dtype)
        targets: Any = None
        for _ in range(2):  # gradients, the optimizer's memory and workspaces are there after the first
            self.run.reset_peak()
            targets = self._step(images, targets)
        parameters = self.net.parameters()
        holders: list[Parameter | Buffer] = [*parameters, *(buffer for _, buffer in self.net.named_buffers())]
        return MemoryEstimate(
            batch_size=batch_size,
            parameters=sum(holder.value.nbytes for holder in holders),
            gradients=sum(parameter.grad.nbytes for parameter in parameters if parameter.grad is not None),
            optimizer=sum(_nbytes(state) for state in self.optimizer.state.values()),
            batch=_nbytes((images, targets)),
            kept=sum(self.kept.values()),
            kept_by=self.kept,
            workspaces=self.run.workspaces,
            peak=self.run.peak,
        )

    def _step(self, images: Array, targets: Array) -> Array:
        """One training step, as `Trainer` does it; the targets are made when the outputs are known."""
        self.optimizer.zero_grad()
        outputs = self.net.forward(images, training=True)
        if targets is None:
            self.kept = _kept_by_layer(self.net, images)
            targets = self._targets(outputs)
        _, grad = self.loss(outputs, targets)
        self.net.backward(grad, inputs=False)
        self.optimizer.step()
        return targets

    def _targets(self, outputs: Any) -> Array:
        if isinstance(self.loss, PointwiseLoss):
            return self.run.array(outputs.shape, outputs.dtype)
        return self.run.array((outputs.shape[0], *outputs.shape[2:]), np.int64)


def _twin(net: Module, run: DryRun) -> Module:
    """The net again, its parameters and buffers arrays of the run."""
    known: dict[int, Any] = {}  # what stands for which array; the rest is copied
    holders: list[Parameter | Buffer] = [*net.parameters(), *(buffer for _, buffer in net.named_buffers())]
    for holder in holders:
        if holder.value.ndim:
            known[id(holder.value)] = run.array(holder.value.shape, holder.value.dtype)
        grad = getattr(holder, "grad", None)
        if grad is not None:
            known[id(grad)] = run.array(grad.shape, grad.dtype)  # let go in the first step
    twin = copy.deepcopy(net, known)
    backend = DryBackend(run)
    for _, module in twin.named_modules():
        module._backend = backend
    return twin


def _kept_by_layer(net: Module, images: Array) -> dict[str, int]:
    """Bytes that each layer keeps for its backward; a view counts as the memory it is of, once, parameters do not."""
    own = [parameter.value for parameter in net.parameters()] + [buffer.value for _, buffer in net.named_buffers()]
    seen = {id(_memory(array)) for array in [images, *own]}
    kept: dict[str, int] = {}
    for name, array in _kept(net):
        memory = _memory(array)
        if id(memory) not in seen:
            seen.add(id(memory))
            kept[name] = kept.get(name, 0) + memory.nbytes
    return kept


def _kept(net: Module) -> Iterator[tuple[str, Any]]:
    """Name of the layer and array, of all that the contexts of the net's modules hold."""
    for path, module in net.named_modules():
        if module._context is not None:
            yield from _arrays(path, module._context.saved)


def _arrays(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(value, "nbytes") and hasattr(value, "shape"):
        yield name, value
    elif isinstance(value, Step):  # layers that are computed together keep as one
        yield from _arrays(value.layers[0]._name, value.context.saved)
    elif isinstance(value, AddReLU):
        yield from _arrays(value.norm._name, value.context.saved)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _arrays(name, item)
    elif isinstance(value, dict):
        yield from _arrays(name, list(value.values()))


def _memory(array: Any) -> Any:
    """The array that owns the memory that ``array`` may be a view of: shared memory is then counted once."""
    while getattr(array, "base", None) is not None and hasattr(array.base, "nbytes"):
        array = array.base
    return array


def _nbytes(value: Any) -> int:
    """Of all arrays in a structure."""
    return sum(array.nbytes for _, array in _arrays("", value))
