"""A user's own CuPy program with a RawKernel: each planted mistake is reported with its line, and fails the command."""

import subprocess

import pytest
from emulated import emulate_program, require_emulator

require_emulator()
pytestmark = pytest.mark.slow

PROGRAM = '''
kernels = cp.RawModule(code=r"""
extern "C" __global__ void shifts(const float* x, float* y, int size, int step) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < size) y[i] = x[i + step];  // line 4
}
extern "C" __global__ void adds(const float* x, float* y, int size, int atomically) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  if (atomically) atomicAdd(y, x[i]);
  else y[0] += x[i];  // line 10
}
extern "C" __global__ void copies(const float* x, float* y, int size, int left_out) {  // line 12
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < size - left_out) y[i] = x[i];
}
extern "C" __global__ void reverses(const float* x, float* y, int size, int barrier) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];  // line 18
  if (barrier == 1) __syncthreads();
  if (barrier == 2 && threadIdx.x < 40) __syncthreads();  // line 20
  y[threadIdx.x] = tile[size - 1 - threadIdx.x];
  __syncthreads();
}
""")

def run(kernel, grid, block, setting, outputs):
    x, y = cp.arange(50, dtype=cp.float32), cp.empty(outputs, cp.float32)
    if kernel == "adds":
        y[...] = 0
    kernels.get_function(kernel)((grid,), (block,), (x, y, np.int32(50), np.int32(setting)))
    return cp.asnumpy(y)

'''


def run(check: str, call: str, *options: object) -> subprocess.CompletedProcess[str]:
    return emulate_program(f"{PROGRAM}print(run({call}).sum())", "--check", check, *options)


@pytest.mark.parametrize(
    ("check", "call", "place"),
    [
        ("bounds", '"shifts", 4, 16, 1, 50', "kernel.cu:4: kernel shifts, block (3, 0, 0), thread (1, 0, 0)"),
        ("races", '"adds", 1, 64, 0, 1', "kernel.cu:10: kernel adds, block (0, 0, 0)"),
        ("races", '"adds", 50, 1, 0, 1', "kernel.cu:10: kernel adds, block (1, 0, 0)"),
        ("races", '"reverses", 1, 50, 0, 50', "kernel.cu:"),
        ("memory", '"copies", 2, 32, 3, 50', "kernel.cu:12: kernel copies"),
    ],
)
def test_planted_mistake(check: str, call: str, place: str) -> None:
    done = run(check, call)
    assert done.returncode == 1, done.stderr
    assert place in done.stderr


NEIGHBOURS = """
kernel = cp.RawKernel(r'''
extern "C" __global__ void neighbours(float* y) {
  __shared__ float a[64];
  int t = threadIdx.x;
  a[t] = t;
  y[t] = a[t ^ 1] + a[t ^ 2];
}''', "neighbours")
y = cp.empty(64, "f4")
kernel((1,), (4,), (y,))
kernel((3,), (64,), (y,))
"""


def test_many_races_in_one_launch_are_all_told() -> None:
    """What keeps a finding must not be taken for a race itself: the report would wait for itself."""
    done = emulate_program(NEIGHBOURS, "--check", "races")
    assert done.returncode == 1, done.stderr
    assert "kernel.cu:5: kernel neighbours" in done.stderr
    assert "kernel.cu:6: kernel neighbours" in done.stderr


@pytest.mark.parametrize(("blocks", "threads", "writer"), [(2, 32, 0), (2, 32, 15), (4, 1024, 0), (64, 256, 100)])
def test_one_thread_of_each_block_races_with_that_of_the_next(blocks: int, threads: int, writer: int) -> None:
    """The threads of a block that has ended must stay known: many others end after the one that races."""
    program = f"""
kernel = cp.RawKernel(r'''
extern "C" __global__ void total(int* sum) {{
  __syncthreads();
  if (threadIdx.x == {writer}) *sum += 1;
}}''', "total")
kernel(({blocks},), ({threads},), (cp.zeros(1, np.int32),))
"""
    done = emulate_program(program, "--check", "races")
    assert done.returncode == 1, done.stderr
    assert "kernel.cu:4: kernel total" in done.stderr
    assert "data race between threads of two blocks" in done.stderr


@pytest.mark.parametrize("schedule", [0, 1, 5])
@pytest.mark.parametrize("check", ["bounds", "races", "memory"])
def test_correct_kernels(check: str, schedule: int) -> None:
    calls = ('"shifts", 4, 16, 0, 50', '"adds", 7, 8, 1, 1', '"copies", 2, 32, 0, 50', '"reverses", 1, 50, 1, 50')
    program = "".join(f"print(run({call}).sum())\n" for call in calls)
    done = emulate_program(PROGRAM + program, "--check", check, "--schedule", schedule)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1225.0"] * 4
    assert "nothing found" in done.stderr


def test_divergent_barrier_needs_no_check() -> None:
    done = emulate_program(f'{PROGRAM}run("reverses", 1, 50, 2, 50)')
    assert done.returncode != 0
    assert "divergent barrier" in done.stderr
    assert "line 20" in done.stderr
