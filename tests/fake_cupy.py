"""Stands where CuPy would, as far as it is asked whether it works here: no test that needs this has a GPU."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int) -> None:
        super().__init__(f"cudaError {status}")
        self.status = status


class CompileError(Exception):
    pass


class OutOfMemoryError(MemoryError):
    pass


class Kernel:
    """Runs what it is given instead of a kernel, and remembers how it was launched."""

    def __init__(self, run: Any = None) -> None:
        self.run = run
        self.launches: list[tuple[Any, ...]] = []

    def __call__(self, grid: Any, block: Any, arguments: Any, shared_mem: int = 0) -> None:
        self.launches.append((grid, block, arguments, shared_mem))
        if self.run is not None:
            self.run(*arguments)


def fake_cupy(
    devices: int = 1,
    capability: str = "90",
    status: int | None = None,
    compile_error: Exception | None = None,
    answer: tuple[int, ...] = (40, 41),
) -> Any:
    """A module that has as much of CuPy as `gpunet.backends.cupy.availability` asks for.

    Args:
        devices: how many the driver finds.
        capability: of the device.
        status: with which asking for devices fails.
        compile_error: what compiling raises.
        answer: what the first kernel writes.
    """

    def device_count() -> int:
        if status is not None:
            raise CUDARuntimeError(status)
        return devices

    def run(array: list[int]) -> None:
        array[:] = answer

    def get_function(name: str) -> Kernel:
        if compile_error is not None:
            raise compile_error
        return Kernel(run)

    runtime = SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        getDevice=lambda: 0,
        getDeviceCount=device_count,
        getDeviceProperties=lambda device: {"name": b"Fake GPU"},
        memGetInfo=lambda: (1_000_000, 2_000_000),
    )
    return SimpleNamespace(
        __name__="cupy",
        RawModule=lambda **settings: SimpleNamespace(get_function=get_function),
        asnumpy=lambda array: SimpleNamespace(tolist=lambda: list(array)),
        cuda=SimpleNamespace(
            Device=lambda: SimpleNamespace(compute_capability=capability),
            compiler=SimpleNamespace(CompileException=CompileError),
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            runtime=runtime,
        ),
        get_default_memory_pool=lambda: SimpleNamespace(
            free_bytes=lambda: 500, used_bytes=lambda: 0, get_limit=lambda: 0
        ),
        ndarray=type("ndarray", (), {"__module__": "cupy"}),
        zeros=lambda count, dtype: [0] * count,
    )
