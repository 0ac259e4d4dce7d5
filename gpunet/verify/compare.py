"""Do two backends compute the same? Layer by layer, with rounding told from error."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gpunet.backends import Backend, numpy_backend, select
from gpunet.backends.select import backend_of
from gpunet.errors import DataError, ShapeError
from gpunet.layers.module import Module
from gpunet.random import Stream
from gpunet.state import Array
from gpunet.verify.comparison import Comparison, LayerComparison, PassComparison, WholeNet
from gpunet.verify.differences import Difference, share_of_expected
from gpunet.verify.net_with_loss import LossLayer, NetWithLoss
from gpunet.verify.recording import Call, Calls, Guided, Host, record
from gpunet.verify.rounding import Bounds, expected
from gpunet.verify.rounding_rules import RULES

DIRECTIONS = ("forward", "backward")


def compare(
    net: Module,
    *inputs: Array,
    backends: Sequence[str | Backend] = ("numpy", "cupy"),
    dtype: Any = None,
    training: bool = True,
    loss: Callable[..., Any] | None = None,
    targets: Array | None = None,
    seed: int = 0,
) -> Comparison:
    """Run one batch forward and backward on two backends and in float64, and compare them layer by layer.

    A layer is judged by its own work. What it made is compared with what the same layer makes in float64, on NumPy,
    of the very same inputs and gradients; the two backends are compared with each other on the same inputs too. So
    rounding before a layer is not put down to it, a wrong kernel is found in its own layer and not in those after it,
    and nothing hangs on which side of 0 a ReLU's input was rounded to, or which of two nearly equal elements max
    pooling chose. How far the whole nets drift apart is shown beside it.

    How much rounding is expected follows from the kind of layer: the terms it sums and their magnitudes, element by
    element. Copies and choices must be equal. Of a layer of a kind that gpunet does not know, and of what a container
    computes itself, the bound is relative to the largest number in it, and therefore wide.

    The net is not changed; everything runs on copies, with frozen parameters compared too, and with precision
    "strict": algorithms whose error is not that of a direct sum are left out. Dropout has the same masks on both
    backends.

    Args:
        net: on any backend.
        inputs: one batch, on any backend.
        backends: two of "numpy", "cupy" and "auto", or backend objects. The first one's results are the inputs on
            which the two are compared with each other.
        dtype: float32 or float64; the default is the net's.
        training: batch statistics and dropout as in training; False: inference, differentiated.
        loss: what to differentiate, called as ``loss(predictions, targets)``, and compared as well; without it the
            gradients of the outputs are normal numbers.
        targets: of the loss.
        seed: of dropout and of the outputs' gradients.

    Returns:
        the layers with their differences; ``print`` it for a table, ask ``ok`` for the result.

    Raises:
        BackendError: a backend does not work here.
        ShapeError, DataError: the inputs do not fit the net, or there is nothing to compare.
    """
    places = [select(backend) for backend in backends]
    if len(places) != 2:
        raise DataError(f"compare: got {len(places)} backends, wanted two, such as backends=('numpy', 'cupy').")
    if (loss is None) != (targets is None):
        raise DataError("compare: loss and targets belong together, got one without the other.")
    wanted = np.dtype(dtype or net.dtype or getattr(inputs[0] if inputs else None, "dtype", "float32"))
    arrays = [_on_host(x, wanted) for x in inputs]
    if not arrays or any(x.ndim == 0 or len(x) == 0 for x in arrays):
        raise ShapeError("compare: got no samples, wanted a batch of at least one.")
    start = copy.deepcopy(net).to("numpy").astype(wanted)
    if loss is not None:
        start = NetWithLoss(start, loss, np.asarray(backend_of(targets).to_numpy(targets)))
    runs = _Runs(start, arrays, training, seed)
    return _compared(net, runs, (places[0], places[1]), wanted)


class _Runs:
    """Nets and batches that start from the same state each time."""

    def __init__(self, start: Module, arrays: list[Host], training: bool, seed: int) -> None:
        self.start, self.arrays, self.training, self.seed = start, arrays, training, seed

    def net(self, backend: Backend) -> Module:
        """A copy, all parameters trainable."""
        net = copy.deepcopy(self.start)
        for parameter in net.parameters():
            parameter.trainable = True
            parameter.grad = None
        net.set_random_position(self.seed)
        net.precision = "strict"  # an algorithm's own error would hide that of a wrong kernel
        return net.to(backend)

    def reference(self) -> Module:
        """The same in float64 on NumPy."""
        return self.net(numpy_backend()).astype("float64")

    def free(self, net: Module, dtype: Any) -> Calls:
        """Each module of ``net``, which has this dtype, works on what its other modules made."""
        arrays = [x.astype(dtype) for x in self.arrays]
        return record(net, arrays, lambda *shapes: self._gradients(shapes, dtype), self.training)

    def guided(self, net: Module, recorded: Calls, dtype: Any, finished: Callable[[str, Module, Call], None]) -> None:
        """Each module of ``net``, which has this dtype, works on what was recorded."""
        Guided(net, recorded, dtype, finished).run(self.training)

    def _gradients(self, shapes: Sequence[tuple[int, ...]], dtype: Any) -> list[Host]:
        if isinstance(self.start, NetWithLoss):
            return [np.ones(shape, dtype) for shape in shapes]
        streams = (Stream(self.seed, "compare: gradients", step=index) for index in range(len(shapes)))
        # Rounded to the dtype compared first, so that the reference starts from the same numbers.
        single = self.arrays[0].dtype
        return [
            stream.normal(shape).astype(single).astype(dtype) for stream, shape in zip(streams, shapes, strict=True)
        ]


class _Judged:
    """What one backend's layers are next to float64 on the same inputs."""

    def __init__(self, runs: _Runs, calls: Calls, dtype: Any) -> None:
        self.calls, self.dtype = calls, dtype
        self.found: dict[tuple[str, str], dict[str, tuple[Difference, float]]] = {}
        self._layers = dict(runs.reference().named_modules())
        runs.guided(runs.reference(), calls, "float64", self._judge)

    def _judge(self, name: str, module: Module, exact: Call) -> None:
        bounds = expected(RULES, self._layers[name], exact)
        for direction in DIRECTIONS:
            mine, reference, allowed = (_results(of, direction) for of in (self.calls[name], exact, bounds))
            self.found[name, direction] = {
                array: (
                    Difference.between(mine.get(array), reference.get(array), self.dtype),
                    share_of_expected(mine.get(array), reference.get(array), allowed.get(array), self.dtype),
                )
                for array in {**mine, **reference}
            }


def _compared(net: Module, runs: _Runs, places: tuple[Backend, Backend], dtype: Any) -> Comparison:
    first, second = (runs.free(runs.net(place), dtype) for place in places)
    judged = _Judged(runs, first, dtype), _Judged(runs, second, dtype)
    between: dict[tuple[str, str], dict[str, Difference]] = {}

    def note(name: str, _: Module, call: Call) -> None:
        for direction in DIRECTIONS:
            between[name, direction] = _differences(call, first[name], direction, dtype)

    runs.guided(runs.net(places[1]), first, dtype, note)
    rows = []
    for name, module in runs.start.named_modules():
        if name not in first:
            continue
        passes = [
            _worst(
                between[name, direction],
                (judged[0].found[name, direction], judged[1].found[name, direction]),
                _differences(second[name], first[name], direction, dtype),
            )
            for direction in DIRECTIONS
        ]
        row = LayerComparison(_path(name, runs.start), _kind(module), *passes)
        if row.differs or not any(True for _ in module.children()):
            rows.append((list(first).index(name), row))
    rows.sort(key=lambda pair: pair[0])
    exact = runs.free(runs.reference(), "float64")
    names = (places[0].name, places[1].name)
    return Comparison(
        label=net.label,
        backends=names if names[0] != names[1] else (names[0], f"{names[1]} again"),
        dtype=str(dtype),
        batch=len(runs.arrays[0]),
        rows=tuple(row for _, row in rows),
        whole=_whole(runs, first, second, exact, dtype),
    )


def _worst(
    between: dict[str, Difference],
    judged: tuple[dict[str, tuple[Difference, float]], dict[str, tuple[Difference, float]]],
    carried: dict[str, Difference],
) -> PassComparison | None:
    """The array with the largest error next to what is expected, and among equals the largest in ulps."""
    nothing = (Difference(), 0.0)
    rows = []
    for array in {**judged[0], **judged[1]}:
        (first, first_share), (second, second_share) = (found.get(array, nothing) for found in judged)
        rows.append(
            PassComparison(
                array,
                between.get(array, Difference()),
                (first, second),
                (first_share, second_share),
                carried.get(array, Difference()),
            )
        )
    return max(rows, key=lambda row: (max(row.shares), row.between.ulps), default=None)


def _whole(runs: _Runs, first: Calls, second: Calls, exact: Calls, dtype: Any) -> WholeNet:
    top = "net" if isinstance(runs.start, NetWithLoss) else ""
    outputs = [Difference.between(b, a, dtype) for a, b in zip(first[top].outputs, second[top].outputs, strict=True)]
    reference = [
        max(
            (Difference.between(y, z, dtype) for y, z in zip(calls[top].outputs, exact[top].outputs, strict=True)),
            key=lambda difference: difference.relative,
        )
        for calls in (first, second)
    ]
    gradients = {
        f"{_path(name, runs.start)}.{parameter}".lstrip("."): Difference.between(
            second[name].grad_parameters.get(parameter), gradient, dtype
        )
        for name, call in first.items()
        for parameter, gradient in call.grad_parameters.items()
    }
    worst = max(gradients, key=lambda name: gradients[name].relative, default="")
    return WholeNet(
        max(outputs, key=lambda difference: difference.relative),
        gradients.get(worst, Difference()),
        worst,
        (reference[0], reference[1]),
    )


def _differences(call: Call, reference: Call, direction: str, dtype: Any) -> dict[str, Difference]:
    ours, theirs = _results(call, direction), _results(reference, direction)
    return {array: Difference.between(ours.get(array), theirs.get(array), dtype) for array in {**ours, **theirs}}


def _results(of: Call | Bounds, direction: str) -> dict[str, Host | None]:
    """The arrays that a module made in one direction, or their bounds, by the names that the table has for them."""
    if direction == "forward":
        return {**_numbered("output", of.outputs), **_to_children(of.handed)}
    return {**_numbered("input", of.grad_inputs), **of.grad_parameters, **_to_children(of.handed_back)}


def _numbered(name: str, arrays: Sequence[Host]) -> dict[str, Host | None]:
    return {name if len(arrays) == 1 else f"{name} {index}": array for index, array in enumerate(arrays)}


def _to_children(handed: dict[str, tuple[Host, ...]]) -> dict[str, Host | None]:
    return {
        name: array
        for child, arrays in handed.items()
        for name, array in _numbered(f"to {child.rpartition('.')[2]}", arrays).items()
    }


def _on_host(x: Array, dtype: Any) -> Host:
    array = np.array(backend_of(x).to_numpy(x))
    if array.dtype.kind != "f":
        raise DataError(f"compare: got {array.dtype} values, wanted floats. Convert: x.astype('float32').")
    return array.astype(dtype)


def _path(name: str, start: Module) -> str:
    """A module's path in the user's net."""
    return name.removeprefix("net").removeprefix(".") if isinstance(start, NetWithLoss) else name


def _kind(module: Module) -> str:
    return type(module.loss).__name__ if isinstance(module, LossLayer) else type(module).__name__
