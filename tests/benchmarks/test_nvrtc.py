from __future__ import annotations

import dataclasses
import re
import subprocess
from pathlib import Path

import pytest

from benchmarks import nvrtc as module
from benchmarks.nvrtc import Compilation, Job, Nvrtc, NvrtcError, Resources, compile_all, parse_report

# As NVRTC 13.5 says it: a kernel with shared memory and a barrier, one that spills, one that calls a function.
REPORT = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'relu' for 'sm_90'
ptxas info    : Function properties for relu
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 34 registers, used 1 barriers, 256 bytes smem, 376 bytes cmem[0]
ptxas info    : Compile time = 15.639 ms
ptxas info    : Compiling entry function 'spilling' for 'sm_90'
ptxas info    : Function properties for spilling
ptxas         .     1200 bytes stack frame, 2016 bytes spill stores, 2424 bytes spill loads
ptxas info    : Used 64 registers, used 0 barriers, 1200 bytes cumulative stack size, 364 bytes cmem[0]
ptxas info    : Compiling entry function 'calling' for 'sm_90a'
ptxas info    : Function properties for helper
ptxas         .     40 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Function properties for calling
ptxas         .     8 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 12 registers, used 0 barriers, 48 bytes cumulative stack size
"""


def test_the_report_is_read() -> None:
    assert parse_report(REPORT) == {
        "relu": Resources(34, shared_bytes=256, barriers=1),
        "spilling": Resources(64, stack_bytes=1200, spill_store_bytes=2016, spill_load_bytes=2424),
        "calling": Resources(12, stack_bytes=48),
    }


@pytest.mark.parametrize("missing", ["Used 34", "Function properties for relu", "0 bytes stack frame"])
def test_a_report_of_another_form_is_no_report_of_zeros(missing: str) -> None:
    lines = [line for line in REPORT.splitlines()[:5] if missing not in line]
    with pytest.raises(NvrtcError, match="report on relu cannot be read"):
        parse_report("\n".join(lines))


def test_an_absent_wheel_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WHEEL", "nvidia-cuda-absent")
    with pytest.raises(NvrtcError, match=r"nvidia-cuda-absent is not installed. Try: pip install 'gpunet\[static\]'"):
        Nvrtc()


def test_a_file_that_is_no_library_is_named(tmp_path: Path) -> None:
    path = tmp_path / "libnvrtc.so.13"
    path.write_bytes(b"nothing")
    with pytest.raises(NvrtcError, match=r"libnvrtc\.so\.13 cannot be loaded"):
        Nvrtc(path)


KERNELS = """
extern "C" __global__ void plain(const REAL* __restrict__ x, REAL* __restrict__ y, long long size) {
  const long long i = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
  if (i < size) y[i] = x[i] + x[i];
}
extern "C" __global__ void sharing(const REAL* __restrict__ x, REAL* __restrict__ y) {
  __shared__ REAL values[96];
  values[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = values[95 - threadIdx.x];
}
extern "C" __global__ void indexing(REAL* y, int count) {  // an array that is no register
  REAL values[64];
  for (int i = 0; i < 64; ++i) values[i] = y[i];
  for (int i = 0; i < count; ++i) values[(7 * i) % 64] += values[(5 * i) % 64];
  for (int i = 0; i < 64; ++i) y[i] = values[i];
}
"""


@pytest.mark.parametrize(("real", "size"), [("float", 4), ("double", 8)])
def test_resources_of_compiled_kernels(nvrtc: Nvrtc, real: str, size: int) -> None:
    compilation = nvrtc.compile(KERNELS, "kernels.cu", ["-std=c++17", f"-DREAL={real}"], 90)
    assert compilation.warnings == ""
    assert list(compilation.kernels) != []
    plain, sharing = compilation.kernels["plain"], compilation.kernels["sharing"]
    assert 8 <= plain.registers <= 32
    assert dataclasses.replace(plain, registers=0) == Resources(0)
    assert (sharing.shared_bytes, sharing.barriers, sharing.stack_bytes) == (96 * size, 1, 0)
    indexing = compilation.kernels["indexing"]
    assert indexing.stack_bytes == 64 * size
    assert indexing.spill_store_bytes == 0


def test_the_options_of_the_product_and_of_cupy_reach_the_compiler(nvrtc: Nvrtc) -> None:
    text = """
    static_assert(__CUDA_ARCH__ == 750 && WANTED == 3);
    #ifndef __CUDA_FTZ
    #error denormals are kept
    #endif
    float twice(float x) { return x + x; }  // not __device__: CuPy compiles every function for the device
    extern "C" __global__ void f(float* y) { y[0] = twice(y[0]); }
    """
    assert "f" in nvrtc.compile(text, "f.cu", ["-std=c++17", "-DWANTED=3"], 75).kernels
    with pytest.raises(NvrtcError, match="static assertion failed"):
        nvrtc.compile(text, "f.cu", ["-std=c++17", "-DWANTED=4"], 75)


def test_processes_compile_the_same(nvrtc: Nvrtc) -> None:
    jobs = [Job(KERNELS, "kernels.cu", ("-DREAL=float",), 75), Job("nonsense", "bad.cu", (), 75)]
    alone, together = compile_all(nvrtc, jobs, 1), compile_all(nvrtc, jobs, 2)
    assert isinstance(alone[0], Compilation)
    assert isinstance(together[0], Compilation)
    assert alone[0].kernels == together[0].kernels
    assert str(alone[1]) == str(together[1])
    assert "bad.cu(1): error" in str(together[1])


def test_an_error_comes_with_file_and_line(nvrtc: Nvrtc) -> None:
    with pytest.raises(NvrtcError, match=r'broken.cu\(2\): error: identifier "nothing" is undefined'):
        nvrtc.compile('\nextern "C" __global__ void f(int* y) { y[0] = nothing; }', "broken.cu", [], 80)


def test_a_warning_is_handed_on(nvrtc: Nvrtc) -> None:
    compilation = nvrtc.compile('extern "C" __global__ void f(int* y) { int z = 1; y[0] = 2; }', "f.cu", [], 80)
    assert 'variable "z" was declared but never referenced' in compilation.warnings
    assert compilation.kernels["f"].stack_bytes == 0


def test_an_unknown_option_and_an_unknown_architecture_are_refused(nvrtc: Nvrtc) -> None:
    with pytest.raises(NvrtcError, match="--no-such-option"):
        nvrtc.compile("", "f.cu", ["--no-such-option"], 80)
    with pytest.raises(NvrtcError, match=r"invalid value for --gpu-architecture"):
        nvrtc.compile("", "f.cu", [], 1)


def test_it_compiles_for_all_generations_of_the_table(nvrtc: Nvrtc) -> None:
    assert {75, 80, 86, 89, 90, 100, 120} <= set(nvrtc.architectures())
    assert nvrtc.version >= (13, 0)


def test_another_tool_reads_the_same_in_the_machine_code(nvrtc: Nvrtc, tmp_path: Path) -> None:
    tool = module.find_library().parents[1] / "bin" / "cuobjdump"
    if not tool.exists():
        pytest.skip("cuobjdump is not installed. Try: pip install 'gpunet[static]'")
    compilation = nvrtc.compile(KERNELS, "kernels.cu", ["-DREAL=double"], 80)
    path = tmp_path / "kernels.cubin"
    path.write_bytes(compilation.code)
    said = subprocess.run([tool, "--dump-resource-usage", path], capture_output=True, text=True, check=True).stdout
    for name, own in compilation.kernels.items():
        found = re.search(rf"Function {name}:\s+(REG:\d+ STACK:\d+ SHARED:\d+ LOCAL:\d+)", said)
        assert found is not None
        assert found[1] == f"REG:{own.registers} STACK:{own.stack_bytes} SHARED:{own.shared_bytes} LOCAL:0"
