"""What a device can do at best, measured where and when the primitives are: copying, and multiplying matrices."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

# Beyond every cache of a processor, and of a GPU; a product large enough for either.
_COPIED_BYTES = {"numpy": 1 << 26, "cupy": 1 << 29}
_SIDE = {"numpy": 1024, "cupy": 4096}


@dataclass(frozen=True)
class Ceilings:
    """The best rates.

    Attributes:
        bandwidth: bytes a second of a copy, those read and those written together.
        product: operations a second of a float32 matrix product, two for each element and step of the sum.
    """

    bandwidth: float
    product: float

    def seconds(self, moved: int, operations: int) -> float:
        """What the roofline model allows for so many bytes and operations at best."""
        return max(moved / self.bandwidth, operations / self.product)


class Probe:
    """Measures both, as often as it is asked.

    Args:
        backend: whose device.
        threads: of the host, each with a part of the copy and a product of its own; 1 on a GPU.
        measure: seconds a call of a function.
    """

    def __init__(self, backend: Any, threads: int, measure: Callable[[Callable[[], Any]], float]) -> None:
        self._measure = measure
        self.threads = threads = threads if backend.name == "numpy" else 1
        xp, count, side = backend.xp, _COPIED_BYTES[backend.name] // 4 // threads, _SIDE[backend.name]
        self._sources = [xp.ones(count, "float32") for _ in range(threads)]
        self._targets = [xp.ones(count, "float32") for _ in range(threads)]
        self._factors = [xp.ones((side, side), "float32") for _ in range(threads)]
        self._products = [xp.ones((side, side), "float32") for _ in range(threads)]
        self._xp, self._executor = xp, ThreadPoolExecutor(threads)
        self.bandwidths: list[float] = []
        self.product_rates: list[float] = []

    def look(self) -> None:
        """Measure both once more."""
        moved = 2 * sum(array.nbytes for array in self._sources)
        self.bandwidths.append(moved / self._measure(self._all(self._copy)))
        operations = sum(2 * array.shape[0] ** 3 for array in self._factors)
        self.product_rates.append(operations / self._measure(self._all(self._multiply)))

    def found(self) -> Ceilings:
        """The best of all looks: whatever disturbs a look makes it slower."""
        return Ceilings(max(self.bandwidths), max(self.product_rates))

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown()

    def _copy(self, place: int) -> None:
        self._xp.copyto(self._targets[place], self._sources[place])

    def _multiply(self, place: int) -> None:
        self._xp.matmul(self._factors[place], self._factors[place], out=self._products[place])

    def _all(self, work: Callable[[int], None]) -> Callable[[], Any]:
        if self.threads == 1:
            return lambda: work(0)
        return lambda: list(self._executor.map(work, range(self.threads)))
