"""Times the primitives of a backend as a net calls them: each distinct call is repeated where it stands in the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import timing
from benchmarks.ceilings import Ceilings
from benchmarks.primitive_costs import PRIMITIVES, SCATTERING, Call, bound

Row = dict[str, Any]
_CALLS_BETWEEN = 4


def device_measure(xp: Any) -> Callable[[Callable[[], Any], int], timing.Sample]:
    """`timing.measure` by events of a CUDA device, which see its work alone and not what the host does meanwhile."""

    def measure(run: Callable[[], Any], steps: int) -> timing.Sample:
        start, end = xp.cuda.Event(), xp.cuda.Event()
        start.record()
        for _ in range(steps):
            run()
        end.record()
        end.synchronize()
        return timing.Sample(xp.cuda.get_elapsed_time(start, end) / 1e3 / steps, steps, None)

    return measure


def measure_of(backend: Any) -> Callable[[Callable[[], Any], int], timing.Sample]:
    """How calls are timed on a backend."""
    return timing.measure if backend.name == "numpy" else device_measure(backend.xp)


class Timer:
    """Stands between a net and its backend, and times every call that it has not seen yet.

    Args:
        backend: whose primitives are watched within `watching`.
        samples: of each call.
        seconds: of each sample.
        before: called before every fourth new call is timed.
    """

    def __init__(self, backend: Any, samples: int, seconds: float, before: Callable[[], Any] = lambda: None) -> None:
        self.backend, self.samples, self.seconds, self.before = backend, samples, seconds, before
        self.rows: dict[tuple[Any, ...], Row] = {}
        self._measure = measure_of(backend)
        self._inside = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Calls made within are timed, each kind once, and counted."""
        for name in PRIMITIVES:
            setattr(self.backend, name, self._watched(name, getattr(self.backend, name)))
        try:
            yield
        finally:
            for name in PRIMITIVES:
                delattr(self.backend, name)  # uncovers the class's

    def _watched(self, name: str, primitive: Callable[..., Any]) -> Callable[..., Any]:
        def call(*positional: Any, **named: Any) -> Any:
            if self._inside:  # primitives may be made of others
                return primitive(*positional, **named)
            self._inside = True
            try:
                result = primitive(*positional, **named)
                self._note(Call(name, bound(name, positional, named), result), lambda: primitive(*positional, **named))
            finally:
                self._inside = False
            return result

        return call

    def _note(self, call: Call, again: Callable[[], Any]) -> None:
        if call.key in self.rows:
            self.rows[call.key]["count"] += 1
            return
        if len(self.rows) % _CALLS_BETWEEN == 0:
            self.before()
        self.rows[call.key] = {
            "primitive": call.name,
            "detail": call.detail,
            "count": 1,
            "bytes": call.bytes,
            "operations": call.operations,
            "variants": {variant: self._time(again) for variant in self._variants(call.name)},
        }

    def _variants(self, name: str) -> Iterator[str]:
        """The ways in which a backend adds where windows overlap, each set while it is looked at."""
        options = getattr(self.backend, "options", None)
        if options is None or name not in SCATTERING:
            yield ""
            return
        before = options.scatter
        try:
            for scatter in ("gather", "atomic"):
                options.scatter = scatter
                yield scatter
        finally:
            options.scatter = before

    def _time(self, run: Callable[[], Any]) -> Row:
        """Samples of one call; those that compile come first and are not counted."""
        run()
        first = self._measure(run, 1).seconds
        steps = timing.steps_a_turn(min(first, self._measure(run, 1).seconds), self.seconds)
        samples = [self._measure(run, steps) for _ in range(self.samples)]
        return {"summary": timing.summary(samples), "samples": [sample.as_json() for sample in samples]}


def add_shares(row: Row, ceilings: Ceilings) -> None:
    """Write into each variant of a row what it achieves, and what share of the ceilings that is."""
    allowed = ceilings.seconds(row["bytes"], row["operations"])
    row["bound"] = "bandwidth" if allowed == row["bytes"] / ceilings.bandwidth else "product"
    for variant in row["variants"].values():
        seconds = timing.best_median(variant["summary"])
        variant |= {
            "bytes_per_second": row["bytes"] / seconds,
            "operations_per_second": row["operations"] / seconds,
            "share_of_bandwidth": row["bytes"] / seconds / ceilings.bandwidth,
            "share_of_product": row["operations"] / seconds / ceilings.product,
            "share_of_roof": allowed / seconds,
        }
