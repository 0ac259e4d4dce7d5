"""A kernel that a signal ends is named, with what to do; then the signal takes its course."""

import signal

import pytest
from emulated import emulate_program, require_emulator

require_emulator()

PROGRAM = '''
import sys
kernels = cp.RawModule(code=r"""
extern "C" __global__ void loops(float* y, int n) { y[((long long)n << 30) + threadIdx.x] = 1; }
extern "C" __global__ void waits(float* y, int n) {  // line 3
  __syncthreads();
  if (blockIdx.x == 2) *(float*)0 = 1;
  __syncthreads();
}
extern "C" __global__ void divides(float* y, int n) { y[threadIdx.x] = 7 / (n - 1000); }
extern "C" __global__ void wild(float* y, int n) { *(float*)0xdeadbeefdeadbeefull = 1; }
__device__ int deep(int n, int* y) {
  volatile int a[2000];
  a[n % 2000] = n;
  if (n == 0) return 0;
  return deep(n - 1, y) + a[n % 2000];
}
extern "C" __global__ void recurses(int* y, int n) {
  __syncthreads();
  y[threadIdx.x] = deep(n, y);
}
""")
def run(name, blocks=3):
    print("begins", flush=True)
    kernels.get_function(name)((blocks,), (64,), (cp.zeros(64, "f4"), np.int32(1000)))
'''
SEGV, FPE = -signal.SIGSEGV, -signal.SIGFPE


@pytest.mark.parametrize(
    ("call", "status", "said"),
    [
        ('"loops"', SEGV, "kernel loops (kernel.cu:2), block (0, 0, 0): access to address 0x"),
        ('"loops", 3000', SEGV, "kernel loops (kernel.cu:2), block ("),  # on several cores
        ('"waits"', SEGV, "kernel waits (kernel.cu:3), block (2, 0, 0): access to address 0x0, where no memory is"),
        ('"wild"', SEGV, "kernel wild (kernel.cu:9), block (0, 0, 0): access to an address that cannot be"),
        ('"divides"', FPE, "kernel divides (kernel.cu:8), block (0, 0, 0): a division of integers by zero"),
        ('"recurses"', SEGV, "kernel recurses (kernel.cu:16), block (0, 0, 0): its local arrays and calls need more"),
    ],
)
def test_the_kernel_is_named(call: str, status: int, said: str) -> None:
    done = emulate_program(f"{PROGRAM}run({call})")
    assert (done.returncode, done.stdout) == (status, "begins\n")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"gpunet emulate: {said}")
    assert ("gpunet emulate --check bounds -- COMMAND" in line) == ("access to" in line)


@pytest.mark.parametrize("check", ["memory", "trace", "races"])
def test_under_another_check(check: str) -> None:
    done = emulate_program(f'{PROGRAM}run("waits")', "--check", check)
    assert done.returncode == 128 + signal.SIGSEGV
    assert "gpunet emulate: kernel waits (kernel.cu:3), block (2, 0, 0): access to address 0x0" in done.stderr
    assert f"--check {check}: the command was ended by SIGSEGV, so not all of it was checked" in done.stderr


def test_the_check_of_bounds_says_more_itself() -> None:
    done = emulate_program(f'{PROGRAM}run("waits")', "--check", "bounds")
    assert done.returncode != 0
    assert "kernel.cu:5: kernel waits" in done.stderr
    assert "COMMAND" not in done.stderr


@pytest.mark.parametrize("first", [True, False])
def test_who_listens_too_is_heard(first: bool) -> None:
    enable = "import faulthandler; faulthandler.enable()\n"
    launch = "kernels.get_function('loops')((1,), (64,), (cp.zeros(64, 'f4'), np.int32(0)))\n"
    before, after = (enable, "") if first else (launch, enable)
    done = emulate_program(f'{PROGRAM}{before}{after}run("waits")')
    assert done.returncode == SEGV
    assert "gpunet emulate: kernel waits" in done.stderr
    assert "Fatal Python error" in done.stderr


def test_a_signal_outside_of_kernels_is_no_kernels_fault() -> None:
    for ending in ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "import ctypes; ctypes.string_at(8)"):
        done = emulate_program(
            f"{PROGRAM}kernels.get_function('loops')((1,), (64,), (cp.zeros(64, 'f4'), np.int32(0)))\n{ending}"
        )
        assert (done.returncode, done.stderr) == (SEGV, "")
