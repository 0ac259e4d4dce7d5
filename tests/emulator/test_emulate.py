"""`gpunet emulate` on small CuPy programs, each in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from emulated import emulate, emulate_program, require_emulator

require_emulator()

SHIFT = """
kernel = cp.RawKernel(r'''
extern "C" __global__ void shift(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i + OFFSET];
}''', "shift", options=("-DOFFSET=" + offset,))
x = cp.asarray(np.arange(5, dtype="float32"))
y = cp.empty(5, "float32")
kernel((1,), (32,), (x, y, np.int32(5)))
print(y.tolist())
"""


def output_of(program: str, *options: object) -> list[str]:
    done = emulate_program(program, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_raw_kernel() -> None:
    assert output_of(f"offset = '0'\n{SHIFT}") == ["[0.0, 1.0, 2.0, 3.0, 4.0]"]


@pytest.mark.parametrize("options", [("--schedule", 1), ("--schedule", 7), ("--workers", 3)])
def test_orders_and_workers_change_nothing(options: tuple[object, ...]) -> None:
    program = "x = cp.arange(10000, dtype='float64'); print(float((x * x).sum()), cp.linalg.norm(x.reshape(100, 100)))"
    assert output_of(program, *options) == output_of(program)


def test_names_templates_macros_and_conditions() -> None:
    lines = output_of("""
module = cp.RawModule(code=r'''
template <typename T, int N> __global__ void add(T* x) { x[threadIdx.x] += N; }
namespace deep { __global__ void twice(float* x) { x[threadIdx.x] *= 2; } }
#define KERNEL(name, value) \\
  extern "C" __global__ void name(float* x) { x[threadIdx.x] = value; }
KERNEL(three, 3)
extern "C" {
#ifdef NOT_DEFINED
__global__ void absent(float* x) { this does not compile; }
#else
__global__ void present(float* x) { x[threadIdx.x] -= 1; }
#endif
}
__constant__ float factor[4];
extern "C" __global__ void scale(float* x) { x[threadIdx.x] *= factor[threadIdx.x]; }
__global__ void mangled(float* x) {}
''', name_expressions=["add<float, 3>", "add<int,-1>", "deep::twice"])
x = cp.zeros(4, "float32")
def run(name, array=x):
    module.get_function(name)((1,), (4,), (array,))
    print(array.tolist())
run("add<float, 3>")
run("deep::twice")
run("add<int,-1>", cp.zeros(4, "int32"))
run("three")
run("present")
cp.ndarray(4, "float32", memptr=module.get_global("factor"))[:] = cp.arange(4, dtype="float32")
run("scale")
for name in ("absent", "mangled"):
    try:
        module.get_function(name)
    except cp.cuda.driver.CUDADriverError as error:
        print(error)
""")
    assert lines[:6] == [
        "[3.0, 3.0, 3.0, 3.0]",
        "[6.0, 6.0, 6.0, 6.0]",
        "[-1, -1, -1, -1]",
        "[3.0, 3.0, 3.0, 3.0]",
        "[2.0, 2.0, 2.0, 2.0]",
        "[0.0, 2.0, 4.0, 6.0]",
    ]
    assert len(lines) == 8
    assert all("named symbol not found" in line for line in lines[6:])


def test_a_compiler_error_has_the_users_lines() -> None:
    lines = output_of("""
try:
    cp.RawKernel('extern "C" __global__ void f() {\\n  int a;\\n  a = b;\\n}', "f").compile()
except cp.cuda.compiler.CompileException as error:
    print(error)
""")
    assert any(line.startswith("kernel.cu:3:") and "'b' was not declared" in line for line in lines)


def test_an_edited_header_is_noticed(tmp_path: Path) -> None:
    program = f"""
code = '#include "value.h"\\nextern "C" __global__ void f(float* x) {{ x[0] = VALUE; }}'
x = cp.zeros(1, "float32")
cp.RawKernel(code, "f", options=("-I{tmp_path}",))((1,), (1,), (x,))
print(x.tolist())
"""
    for value in (3, 4):
        (tmp_path / "value.h").write_text(f"#define VALUE {value}\n")
        assert output_of(program) == [f"[{value}.0]"]


def test_properties_of_the_device() -> None:
    lines = output_of("""
properties = cp.cuda.runtime.getDeviceProperties(0)
print(properties["name"].decode(), properties["warpSize"], properties["maxThreadsPerBlock"])
print(properties["sharedMemPerBlock"], cp.cuda.Device().compute_capability)
print(cp.cuda.Device().attributes["WarpSize"], cp.cuda.runtime.memGetInfo())
""", "--memory", "1G")  # fmt: skip
    assert lines == ["gpunet CPU device 32 1024", "49152 90", "32 (1073741824, 1073741824)"]


def test_memory_ends() -> None:
    lines = output_of("""
cp.cuda.set_allocator(None)
held = cp.empty(6 << 20, "uint8")
try:
    cp.empty(3 << 20, "uint8")
except cp.cuda.memory.OutOfMemoryError as error:
    print(error)
except cp.cuda.runtime.CUDARuntimeError as error:
    print(error)
del held
print(cp.zeros(7 << 20, "uint8").sum())
""", "--memory", "8M")  # fmt: skip
    assert "ut of memory" in lines[0]
    assert lines[1] == "0"


def test_new_memory_is_not_a_number() -> None:
    program = "print(cp.empty(3, 'int8').tolist(), bool(cp.isnan(cp.empty(1 << 20, 'float32')).all()))"
    assert output_of(program) == ["[-1, -1, -1] True"]


def test_a_failed_kernel_makes_the_device_unusable() -> None:
    done = emulate_program("""
kernel = cp.RawKernel(r'''extern "C" __global__ void barriers_apart(float* x) {
  if (threadIdx.x < 16) __syncthreads();
  else __syncthreads();
  x[threadIdx.x] = 1;
}''', "barriers_apart")
x = cp.zeros(32, "float32")
for attempt in (lambda: kernel((1,), (32,), (x,)), lambda: x + 1, lambda: cp.asnumpy(x)):
    try:
        attempt()
        print("went on")
    except (cp.cuda.driver.CUDADriverError, cp.cuda.runtime.CUDARuntimeError) as error:
        print(error)
""")
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all("hipErrorLaunchFailure" in line and "barriers_apart" in line for line in lines)
    assert "kernel barriers_apart (kernel.cu:1)" in done.stderr


def test_what_is_not_there_raises_and_says_its_name() -> None:
    done = emulate_program("""
def attempt(function):
    try:
        print("went on", function())
    except Exception as error:
        print(type(error).__name__, error)
attempt(lambda: cp.fft.fft(cp.ones(4)))
attempt(lambda: cp.random.default_rng(0))
attempt(lambda: cp.random.Philox4x3210(0))
attempt(lambda: cp.linalg.inv(cp.eye(3)))
attempt(lambda: cp.argpartition(cp.arange(1000.0), 5))
attempt(lambda: cp.RawModule(code='extern "C" __global__ void f() {}', backend="nvcc").compile())
print(float(cp.ones(3).sum()))
""")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert not any("went on" in line for line in lines)
    for generator in ("XORWOW", "Philox4x3210"):
        assert f"NotImplementedError gpunet emulate: cupy.random.{generator}, on which cupy.random" in done.stdout
    assert "hipfftCreate is not implemented by the CPU device" in done.stderr
    assert "rocsolver_" in done.stderr
    assert "counts on the threads of a warp running in step" in done.stdout
    assert lines[-1] == "3.0", "a refusal is over once it has been raised"


def test_a_launch_that_cannot_be_names_the_kernel_and_the_limit() -> None:
    lines = output_of("""
kernel = cp.RawKernel('extern "C" __global__ void fills(float* y) { y[threadIdx.x] = 1; }', "fills")
y = cp.zeros(4, "f4")
for grid, block, shared in [((1,), (1025,), 0), ((1,), (32, 64), 0), ((1,), (1, 1, 65), 0), ((1, 65536), (4,), 0),
                            ((1,), (4,), 300000)]:
    try:
        kernel(grid, block, (y,), shared_mem=shared)
        print("launched")
    except cp.cuda.driver.CUDADriverError as error:
        print(error)
try:
    cp.cuda.runtime.memcpy(0, y.data.ptr, 16, 3)
except cp.cuda.runtime.CUDARuntimeError as error:
    print(error)
print(y.sum())
kernel((1,), (4,), (y,))
print(y.sum())
""")
    of_block = (
        "kernel fills: a block of {} threads was asked for; a block has 1 to 1024 threads, along each axis at most"
    )
    for line, said in zip(lines, [
        of_block.format("1025 x 1 x 1"),
        of_block.format("32 x 64 x 1"),
        of_block.format("1 x 1 x 65"),
        "kernel fills: a grid of 1 x 65536 x 1 blocks was asked for; along each axis a grid has at least 1 and at most",
        "kernel fills: 300000 bytes of dynamic shared memory were asked for; a block has at most 232448",
    ], strict=False):  # fmt: skip
        assert said in line
    assert lines[5:] == ["hipErrorInvalidValue: invalid argument", "0.0", "4.0"], "an explanation is of one error"


def test_streams_events_and_memory_pools() -> None:
    lines = output_of("""
start, stop = cp.cuda.Event(), cp.cuda.Event()
with cp.cuda.Stream(non_blocking=True) as stream:
    start.record(); x = cp.ones(10) * 3; stop.record()
    called = []
    stream.launch_host_func(called.append, 1)
    stream.synchronize()
print(x.sum(), called, cp.cuda.get_elapsed_time(start, stop) >= 0)
pool = cp.get_default_memory_pool()
print(pool.used_bytes() > 0)
del x
pool.free_all_blocks()
print(cp.cuda.runtime.pointerGetAttributes(cp.ones(3).data.ptr).type)
""")
    assert lines == ["30.0 [1] True", "True", "2"]


def test_random_numbers_of_the_older_interface() -> None:
    lines = output_of("""
cp.random.seed(3)
uniform = cp.random.rand(100000)
normal = cp.random.randn(100000)
print(abs(float(uniform.mean()) - 0.5) < 0.005, abs(float(uniform.var()) * 12 - 1) < 0.02)
print(abs(float(normal.mean())) < 0.02, abs(float(normal.std()) - 1) < 0.02)
print(sorted(cp.random.permutation(50).tolist()) == list(range(50)))
cp.random.seed(3)
print(bool((cp.random.rand(100000) == uniform).all()))
""")
    assert lines == ["True True", "True True", "True", "True"]


def test_the_exit_status_is_the_commands() -> None:
    assert emulate("python", "-c", "raise SystemExit(7)").returncode == 7
    assert emulate("sh", "-c", "kill -9 $$").returncode == -9


def test_a_command_that_is_not_there() -> None:
    done = emulate("no-such-tool")
    assert done.returncode == 1
    assert done.stderr.startswith("gpunet emulate: error: no-such-tool: there is no such program")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("check", "offset", "status", "line"),
    [
        ("bounds", "1", 1, "kernel.cu:4: kernel shift, block (0, 0, 0), thread (4, 0, 0): access outside of an array"),
        ("bounds", "0", 0, "--check bounds: nothing found in 1 kernel launch"),
        ("races", "0", 0, "--check races: nothing found in 1 kernel launch"),
        ("memory", "0", 0, "--check memory: nothing found in 1 kernel launch"),
    ],
)
def test_checks(check: str, offset: str, status: int, line: str) -> None:
    done = emulate_program(f"offset = '{offset}'\n{SHIFT}", "--check", check)
    assert done.returncode == status, done.stderr
    assert line in done.stderr


def test_a_finding_leaves_the_commands_own_status() -> None:
    done = emulate_program(f"offset = '1'\n{SHIFT}\nraise SystemExit(9)", "--check", "bounds")
    assert done.returncode == 9
    assert "1 finding" in done.stderr


def test_a_check_of_nothing_fails() -> None:
    done = emulate_program("print(1)", "--check", "bounds")
    assert done.returncode == 1
    assert "no kernel ran, so nothing was checked" in done.stderr


def test_a_program_that_fails_is_not_asked_whether_it_uses_cupy() -> None:
    done = emulate_program("print(nothing)", "--check", "bounds")
    assert done.returncode == 1
    assert "NameError" in done.stderr
    assert "the command failed (exit status 1) before any kernel ran, so nothing was checked" in done.stderr
    assert "Does the program use CuPy" not in done.stderr


def test_a_trace_says_where_it_was_written(tmp_path: Path) -> None:
    done = emulate_program(f"offset = '0'\n{SHIFT}", "--check", "trace", "--report", tmp_path / "traffic.jsonl")
    assert done.returncode == 0
    assert f"sectors counted in 1 of 1 kernel launch; one line of JSON for each of them in {tmp_path}" in done.stderr
    assert '"event": "trace"' in (tmp_path / "traffic.jsonl").read_text()


def test_a_command_that_was_killed_was_not_checked() -> None:
    end = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    done = emulate_program(f"offset = '1'\n{SHIFT}\n{end}", "--check", "bounds")
    assert done.returncode == 128 + 15
    assert "ended by SIGTERM, so not all of it was checked (1 finding until then)" in done.stderr
    assert "kernel shift, block (0, 0, 0)" in done.stderr


def test_a_pool_that_stays_on_fails() -> None:
    program = f"import numpy as np, cupy as cp\noffset = '0'\n{SHIFT}"
    done = emulate("python", "-I", "-c", program, options=("--check", "bounds"))
    assert done.returncode == 1
    assert "memory pool could not be switched off" in done.stderr


def test_a_check_refuses_a_script_around_the_program(tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text("#!/bin/sh\nexec python -c 'import cupy'\n")
    script.chmod(0o755)
    done = emulate(script, options=("--check", "races"))
    assert done.returncode == 1
    assert "is a script for another program, into which a check cannot be loaded" in done.stderr


def test_the_report_is_kept_and_nothing_else_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = emulate_program(f"offset = '1'\n{SHIFT}", "--check", "bounds", "--report", "found.jsonl")
    assert done.returncode == 1
    assert '"kernel": "shift"' in (tmp_path / "found.jsonl").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["found.jsonl"]


def test_the_users_own_sitecustomize_still_runs(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.was_here = 'yes'\n")
    program = f"print(was_here)\nimport numpy as np, cupy as cp\noffset = '0'\n{SHIFT}"
    done = emulate("python", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{program}")
    assert done.returncode == 1  # not on the path when Python starts
    path = f"{Path(__file__).resolve().parents[2]}:{tmp_path}"
    done = emulate("env", f"PYTHONPATH={path}", sys.executable, "-c", program)
    assert done.stdout.splitlines()[0] == "yes"
