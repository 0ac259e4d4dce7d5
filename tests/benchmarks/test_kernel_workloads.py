from __future__ import annotations

import numpy as np
import pytest

from benchmarks.kernel_workloads import Recorder, recorded_launches, workloads
from gpunet.backends.base import Backend
from gpunet.backends.cupy import kernel_library
from gpunet.backends.cupy.kernel_library import KernelLibrary


@pytest.mark.parametrize("dtype", kernel_library.DTYPES)
def test_every_kernel_is_launched_by_a_workload(dtype: str) -> None:
    launched = {(launch.file, launch.kernel) for launch in recorded_launches(dtype)}
    declared = {(file, name) for file in kernel_library.files() for name in kernel_library.declarations(file).kernels}
    assert launched == declared
    assert {launch.dtype for launch in recorded_launches(dtype)} == {dtype}


def test_common_windows_are_launched_with_their_constants() -> None:
    launches = [launch for launch in recorded_launches("float32") if launch.file == "pooling"]
    sizes = {
        (dict(launch.constants).get("KERNEL_ROWS"), dict(launch.constants).get("STRIDE_ROWS")) for launch in launches
    }
    assert sizes == {(2, 2), (3, 2), (3, 1), (None, None)}


def test_every_primitive_with_a_kernel_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpunet.backends.cupy.backend import CupyBackend

    called = set()
    places = {"asarray", "to_numpy", "owns", "synchronize", "computing"}
    primitives = {name for name in Backend.__abstractmethods__ if name not in places}

    def noted(name: str):
        method = getattr(CupyBackend, name)

        def call(*arguments, **settings):
            called.add(name)
            return method(*arguments, **settings)

        return call

    for name in primitives:
        monkeypatch.setattr(CupyBackend, name, noted(name))
    recorded_launches("float32")
    assert called == primitives


def test_workloads_have_names_of_their_own() -> None:
    names = [workload.name for workload in workloads()]
    assert len(set(names)) == len(names)


class _Backend:
    def __init__(self) -> None:
        self.library = _Library()


class _Library:
    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.options = "options"

    def launch(self, *arguments, **settings) -> None:
        self.calls.append((arguments, settings))


@pytest.mark.parametrize("runs", [True, False])
def test_the_recorder_notes_what_the_library_would_do(runs: bool) -> None:
    backend = _Backend()
    library = backend.library
    recorder = Recorder(backend, runs)
    assert backend.library is recorder
    assert recorder.options == "options"
    recorder.workload = "work"
    recorder.launch("a", "b", np.float64, 1, 2, threads=5, constants={"Z": 1, "A": 2})
    recorder.launch("a", "c", "float32", blocks=2, block_size=64, shared_bytes=128)
    recorder.launch("a", "d", "float32", threads=0)
    first, second = recorder.launches
    assert (first.kernel, first.dtype, first.constants, first.workload) == (
        "b",
        "float64",
        (("A", 2), ("Z", 1)),
        "work",
    )
    assert (first.block_size, first.shared_bytes) == (default("block_size"), 0)
    assert (second.kernel, second.block_size, second.shared_bytes) == ("c", 64, 128)
    assert len(library.calls) == (2 if runs else 0)


def default(name: str) -> int:
    import inspect

    return inspect.signature(KernelLibrary.launch).parameters[name].default
