"""Which names are the GPU runtime's, and what stands in for those that are missing."""

import pytest

from gpunet.emulator.stubs import is_gpu_library, is_gpu_symbol, status_of, stub_source


@pytest.mark.parametrize("name", ["libamdhip64.so.7", "libhipblas.so.3", "librocfft.so.0", "librccl.so.1"])
def test_libraries_of_the_gpu(name: str) -> None:
    assert is_gpu_library(name)


@pytest.mark.parametrize("name", ["libc.so.6", "libstdc++.so.6", "libm.so.6", "libhip", "mylibhip.so"])
def test_other_libraries(name: str) -> None:
    assert not is_gpu_library(name)


def test_symbols() -> None:
    assert all(map(is_gpu_symbol, ["hipMalloc", "__hipPushCallConfiguration", "rocsolver_dgetrf", "ncclSend"]))
    assert not any(map(is_gpu_symbol, ["malloc", "PyErr_SetString", "_ZN4rocky", "whip"]))


@pytest.mark.parametrize(
    ("symbol", "status"),
    [("hipGraphLaunch", 801), ("__hipOther", 801), ("hipblasSgemv", 7), ("rocsolver_dgetrf", 2), ("ncclSend", 5)],
)
def test_each_library_says_it_in_its_own_number(symbol: str, status: int) -> None:
    assert status_of(symbol) == status


def test_a_stub_names_itself() -> None:
    source = stub_source({"hipB", "hipA"})
    assert source.splitlines()[1:] == [
        'int hipA(void) { return gpunet_not_implemented("hipA", 801); }',
        'int hipB(void) { return gpunet_not_implemented("hipB", 801); }',
    ]
