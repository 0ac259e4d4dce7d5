"""How long each layer takes, forward and backward.

`LayerClock` watches a net that is trained anyway; `measure_layer_times` sends one batch through a net a few times.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

from gpunet.errors import DataError, StateError
from gpunet.layers.module import Module
from gpunet.layers.observation import Event
from gpunet.state import Array
from gpunet.training.kept_state import left_as_it_was

Loss = Callable[[Array, Array], tuple[Array, Array]]

_SHOWN_SHARE = 0.005  # a container is shown where its own work takes at least this much of the time


@dataclass(frozen=True, slots=True)
class LayerTime:
    """What one module takes by itself, without the modules inside it.

    Attributes:
        name: path in the net; empty for the net itself.
        kind: class of the module.
        leaf: whether there are no modules inside.
        forward, backward: seconds for a batch, the median over the passes; 0 where there was none.
    """

    name: str
    kind: str
    leaf: bool
    forward: float
    backward: float

    @property
    def total(self) -> float:
        """Seconds, both directions."""
        return self.forward + self.backward


@dataclass(frozen=True, slots=True)
class LayerTimes:
    """A line for each module, in the order in which they began to compute; ``str`` shows them as a table.

    Attributes:
        rows: all modules of the net, containers too.
        passes: how many forward passes were counted.
        backend: where it was measured.
        whole_forward, whole_backward: seconds of the net as a whole with nobody watching, so that neighbouring layers
            are computed together; None where that was not measured.
    """

    rows: tuple[LayerTime, ...]
    passes: int
    backend: str
    whole_forward: float | None = None
    whole_backward: float | None = None

    @property
    def forward(self) -> float:
        """Seconds of all modules."""
        return sum(row.forward for row in self.rows)

    @property
    def backward(self) -> float:
        """Seconds of all modules."""
        return sum(row.backward for row in self.rows)

    @property
    def total(self) -> float:
        """Seconds of all modules, both directions."""
        return self.forward + self.backward

    @property
    def shown(self) -> tuple[LayerTime, ...]:
        """The layers, and those containers whose own work, such as a sum of branches, takes a part of the time."""
        return tuple(row for row in self.rows if row.leaf or row.total >= _SHOWN_SHARE * self.total)

    def share(self, row: LayerTime) -> float:
        """Of the time of all modules, from 0 to 1."""
        return row.total / self.total if self.total else 0.0

    def __str__(self) -> str:
        lines = [("layer", "forward", "backward", "share")]
        lines += [
            (f"{row.name} {row.kind}".strip(), _milliseconds(row.forward), _milliseconds(row.backward), self._part(row))
            for row in self.shown
        ]
        lines.append(("all layers", _milliseconds(self.forward), _milliseconds(self.backward), "100.0 %"))
        if self.whole_forward is not None and self.whole_backward is not None:
            whole = (_milliseconds(self.whole_forward), _milliseconds(self.whole_backward), "")
            lines.append(("the net, neighbours together", *whole))
        widths = [max(len(line[column]) for line in lines) for column in range(4)]
        return "\n".join(
            f"{name:<{widths[0]}}  {forward:>{widths[1]}}  {backward:>{widths[2]}}  {share:>{widths[3]}}".rstrip()
            for name, forward, backward, share in lines
        )

    def _part(self, row: LayerTime) -> str:
        return f"{100 * self.share(row):.1f} %"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3f} ms"


class LayerClock:
    """An observer that times every module of a net: ``with net.observe(clock): ...``, then ``clock.times()``.

    Before and after each module it waits until the device has done what it was asked, so that its work is counted where
    it belongs. That, and neighbouring layers being computed one by one while somebody watches them, makes a watched net
    slower than an unwatched one.

    Args:
        training: count a forward pass when its backward has followed, so that the passes of an evaluation in between
            do not count; False counts forward passes alone.
        warmup: how many passes are left out first: kernels are compiled in them, and memory is got hold of.
        clock: seconds, from any beginning.

    Attributes:
        passes: how many were counted so far.
    """

    def __init__(self, training: bool = True, warmup: int = 1, clock: Callable[[], float] = time.perf_counter) -> None:
        if warmup < 0:
            raise DataError(f"LayerClock: warmup must be 0 or more passes, got {warmup}.")
        self.training, self.warmup, self.passes = training, warmup, 0
        self._clock = clock
        self._backend = ""
        self._kinds: dict[str, tuple[str, bool]] = {}  # in the order in which the modules began to compute
        self._seconds: dict[tuple[str, str], array[float]] = {}
        self._running: list[_Frame] = []
        self._pass: dict[str, float] = {}
        self._forward: dict[str, float] | None = None  # a forward pass whose backward may follow

    def __call__(self, event: Event) -> None:
        """See `Module.observe`."""
        root = event.name == ""
        if event.stage == "before":
            if root:  # an earlier pass that an error ended is forgotten
                self._running, self._pass = [], {}
            if root or self._running:
                self._kinds.setdefault(event.name, _kind(event.module))
                event.module.backend.synchronize()
                self._running.append(_Frame(event.name, self._clock()))
        elif self._running:
            event.module.backend.synchronize()
            frame = self._running.pop()
            elapsed = self._clock() - frame.start
            self._pass[frame.name] = self._pass.get(frame.name, 0.0) + elapsed - frame.inner
            if self._running:
                self._running[-1].inner += elapsed
            else:
                self._backend = event.module.backend.name
                self._end_pass(event.direction)

    def _end_pass(self, direction: str) -> None:
        if direction == "forward":
            self._forward = self._pass
            if not self.training:
                self._count({"forward": self._pass})
        elif self._forward is not None:
            forward, self._forward = self._forward, None
            if self.training:
                self._count({"forward": forward, "backward": self._pass})

    def _count(self, passes: dict[str, dict[str, float]]) -> None:
        if self.warmup:
            self.warmup -= 1
            return
        self.passes += 1
        for direction, seconds in passes.items():
            for name, value in seconds.items():
                self._seconds.setdefault((name, direction), array("d")).append(value)

    def times(self) -> LayerTimes:
        """What was measured so far.

        Raises:
            StateError: no pass has been counted yet.
        """
        if not self.passes:
            what = "forward and its backward" if self.training else "forward"
            raise StateError(f"LayerClock: no {what} was counted yet, after those that warm up. Send a batch through.")
        rows = tuple(
            LayerTime(name, kind, leaf, self._median(name, "forward"), self._median(name, "backward"))
            for name, (kind, leaf) in self._kinds.items()
            if (name, "forward") in self._seconds or (name, "backward") in self._seconds
        )
        return LayerTimes(rows, self.passes, self._backend)

    def _median(self, name: str, direction: str) -> float:
        seconds = self._seconds.get((name, direction))
        return median(seconds) if seconds else 0.0


@dataclass(slots=True)
class _Frame:
    """A module at work: when it began, and the seconds of the modules inside it."""

    name: str
    start: float
    inner: float = 0.0


def _kind(module: Module) -> tuple[str, bool]:
    return type(module).__name__, not any(True for _ in module.children())


def measure_layer_times(
    net: Module,
    loss: Loss,
    images: Array,
    labels: Array,
    repeats: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> LayerTimes:
    """Time each layer of a net in training, and the net as a whole.

    The net is afterwards as it was: weights, gradients, buffers, random positions.

    Args:
        net: on any backend.
        loss: ``value, gradient = loss(outputs, labels)``.
        images, labels: a batch, of the net's backend; normalised. Times are those of a batch of this size.
        repeats: passes to take the median over; one more comes first and is not counted.
        clock: seconds, from any beginning.

    Returns:
        the times, the ``whole_`` ones among them. The gradient of the images is not computed, as in training.

    Raises:
        DataError: ``repeats`` is below 1.
    """
    if repeats < 1:
        raise DataError(f"measure_layer_times: repeats must be at least 1, got {repeats}.")
    watched = LayerClock(clock=clock)
    whole: list[tuple[float, float]] = []
    with left_as_it_was(net):
        for _ in range(repeats + 1):  # in turn, so that a disturbance of the machine falls on both
            whole.append(_pass(net, loss, images, labels, clock))
            with net.observe(watched):
                _pass(net, loss, images, labels, clock)
    forward, backward = (median(seconds) for seconds in zip(*whole[1:], strict=True))
    return replace(watched.times(), whole_forward=forward, whole_backward=backward)


def _pass(net: Module, loss: Loss, images: Array, labels: Array, clock: Callable[[], float]) -> tuple[float, float]:
    """Seconds of one forward and of its backward."""
    net.zero_grad()
    net.backend.synchronize()
    start = clock()
    outputs = net.forward(images, training=True)
    net.backend.synchronize()
    forward = clock() - start
    _, grad = loss(outputs, labels)
    net.backend.synchronize()
    start = clock()
    net.backward(grad, inputs=False)
    net.backend.synchronize()
    return forward, clock() - start
