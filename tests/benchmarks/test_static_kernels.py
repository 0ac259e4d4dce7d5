"""The command, on kernels with planted faults: each must be found, named, and fail the run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path

import pytest

from benchmarks import static_kernels
from benchmarks.kernel_costs import Module, Row, constants_label
from benchmarks.kernel_workloads import IMAGES, Launch
from benchmarks.nvrtc import Nvrtc, NvrtcError, Resources
from benchmarks.occupancy import LIMITS
from benchmarks.static_kernels import BUDGETS, main
from benchmarks.traced_run import TracedRun
from benchmarks.traces import TraceError, Traffic

pytestmark = pytest.mark.usefixtures("nvrtc")

PLAIN = """
extern "C" __global__ void plain(const real* __restrict__ x, real* __restrict__ y, long long size) {
  const long long i = blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x;
  if (i < size) y[i] = x[i] + x[i];
}
"""
# 96 sums that are all needed at once, and at most 64 registers: blocks of 1024 threads share 65,536.
SPILLING = """
extern "C" __global__ void __launch_bounds__(1024, 1) spilling(const real* x, real* y, int rounds) {
  real sums[96];
#pragma unroll
  for (int i = 0; i < 96; ++i) sums[i] = x[i * 1024 + threadIdx.x];
#pragma unroll 1
  for (int round = 0; round < rounds; ++round) {
#pragma unroll
    for (int i = 0; i < 96; ++i) sums[i] = sums[i] * sums[(i + 31) % 96] + sums[(i + 7) % 96];
  }
#pragma unroll
  for (int i = 0; i < 96; ++i) y[i * 1024 + threadIdx.x] = sums[i];
}
"""
BROKEN = 'extern "C" __global__ void broken(real* y) { y[0] = nothing; }\n'
SHARING = """
extern "C" __global__ void sharing(const real* x, real* y) {
  __shared__ real values[2048];
  for (int i = threadIdx.x; i < 2048; i += blockDim.x) values[i] = x[i];
  __syncthreads();
  y[threadIdx.x] = values[2047 - threadIdx.x];
}
"""
NO_BUDGETS = "[limits]\nstack_bytes = 0\nspill_bytes = 0\nsectors_over_ideal = 1.3\n"


@pytest.fixture
def budgets(tmp_path: Path) -> Path:
    path = tmp_path / "budgets.toml"
    path.write_text(NO_BUDGETS, encoding="utf-8")
    return path


@pytest.fixture
def check(
    budgets: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    """Run the command with the budgets, for two generations; gives its exit status and what it prints."""
    monkeypatch.setattr(static_kernels, "LIMITS", {each: LIMITS[each] for each in (75, 90)})

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        status = main(["--budgets", str(budgets), "--no-trace", "--jobs", "1", *arguments])
        return status, capsys.readouterr().out

    return run


Check = Callable[..., tuple[int, str]]
Plant = Callable[..., None]


def faults(output: str) -> list[str]:
    return [line.removeprefix("FAULT ") for line in output.splitlines() if line.startswith("FAULT ")]


def test_kernels_within_their_budgets_pass(plant: Plant, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(static_kernels, "LIMITS", LIMITS)
    plant(good=PLAIN)
    status, output = check("--update-budgets")
    assert (status, faults(output)) == (0, [])
    assert "every kernel compiles and keeps its budget" in output
    status, again = check()
    assert status == 0
    for column in ("sm_75 (32)", "sm_80 (64)", "sm_86 (48)", "sm_89 (48)", "sm_90 (64)", "sm_100 (64)", "sm_120 (48)"):
        assert column in again
    assert sum(line.startswith("plain") for line in again.splitlines()) == 2  # float32 and float64


def test_spilled_registers_are_found(plant: Plant, check: Check) -> None:
    plant(good=PLAIN, bad=SPILLING)
    check("--update-budgets")
    status, output = check("--architectures", "90")
    assert status == 1
    spilled = [fault for fault in faults(output) if "spill_bytes" in fault]
    assert len(spilled) == 2
    assert spilled[0].startswith("bad.spilling (float32, sm_90): spill_bytes is ")
    assert spilled[0].endswith(", budget 0")
    assert not any("plain" in fault for fault in faults(output))


def test_an_update_does_not_allow_spills(plant: Plant, check: Check, budgets: Path) -> None:
    plant(bad=SPILLING)
    status, output = check("--update-budgets")
    assert status == 1
    assert any("spill_bytes" in fault for fault in faults(output))
    assert budgets.read_text(encoding="utf-8").count("spill_bytes") == 1  # the limit


def test_a_kernel_that_does_not_compile_is_found_with_file_and_line(plant: Plant, check: Check) -> None:
    plant(good=PLAIN, wrong=BROKEN)
    status, output = check()
    assert status == 1
    failed = [fault for fault in faults(output) if "does not compile" in fault]
    assert [fault.partition(" does")[0] for fault in failed] == [
        "wrong.cu (float32, sm_75)",
        "wrong.cu (float32, sm_90)",
        "wrong.cu (float64, sm_75)",
        "wrong.cu (float64, sm_90)",
    ]
    assert 'wrong.cu(1): error: identifier "nothing" is undefined' in output
    assert any(line.startswith("broken") and line.split()[-2:] == ["fails", "fails"] for line in output.splitlines())


@pytest.mark.parametrize(
    ("figure", "tight", "message"),
    [
        ("registers", "8", r"sharing.sharing (float64, sm_90): registers is "),
        ("shared_bytes", "16383", "sharing.sharing (float64, sm_90): shared_bytes is 16384, budget 16383"),
        # 13 blocks of 8 warps would need 104 of 64; shared memory allows 228 / 17 = 13: warps limit, all are resident.
        ("occupancy", "1.01", "sharing.sharing (float64, sm_90): occupancy is 1, budget 1.01"),
    ],
)
def test_every_budget_is_held(plant: Plant, check: Check, budgets: Path, figure: str, tight: str, message: str) -> None:
    plant(sharing=SHARING)
    check("--update-budgets")
    lines = budgets.read_text(encoding="utf-8").splitlines()
    start = lines.index("[sharing.sharing.float64]")
    at = next(i for i in range(start, len(lines)) if lines[i].startswith(f"{figure} ="))
    lines[at] = f"{figure} = {tight}"
    budgets.write_text("\n".join(lines) + "\n", encoding="utf-8")
    status, output = check("--architectures", "90")
    assert status == 1
    assert [fault[: len(message)] for fault in faults(output)] == [message]


def test_an_update_shows_the_difference_and_needs_all_generations(plant: Plant, check: Check, budgets: Path) -> None:
    plant(sharing=SHARING)
    _, output = check("--update-budgets")
    assert "+shared_bytes = 8192" in output
    assert "+shared_bytes = 16384" in output
    plant(sharing=SHARING.replace("2048", "1024").replace("2047", "1023"))
    _, output = check("--update-budgets")
    assert "-shared_bytes = 8192" in output
    assert "+shared_bytes = 4096" in output
    _, output = check("--update-budgets")
    assert "budgets.toml stays as it is" in output
    assert check("--update-budgets", "--architectures", "90")[0] == 2


def test_an_update_of_one_file_keeps_the_budgets_of_others(plant: Plant, check: Check, budgets: Path) -> None:
    plant(good=PLAIN, sharing=SHARING)
    assert check("--update-budgets")[0] == 0
    before = budgets.read_text(encoding="utf-8")
    assert check("--update-budgets", "--files", "good")[0] == 0
    assert budgets.read_text(encoding="utf-8") == before


def test_a_budget_without_its_kernel_is_found(plant: Plant, check: Check) -> None:
    plant(good=PLAIN, sharing=SHARING)
    check("--update-budgets")
    plant(sharing=PLAIN.replace("plain", "other"))
    status, output = check("--architectures", "90")
    assert status == 1
    assert "sharing.sharing has a budget and does not exist" in faults(output)


def test_a_kernel_that_nothing_launches_is_found(plant: Plant, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(good=PLAIN)
    monkeypatch.setattr(static_kernels, "recorded_launches", lambda dtype: [])
    status, output = check("--architectures", "90")
    assert status == 1
    assert faults(output)[0].startswith("good.cu: kernel plain is launched by no workload for float32")


def test_a_compiler_warning_is_a_fault(plant: Plant, check: Check) -> None:
    plant(good=PLAIN.replace("if (i", "int unused = 3;\n  if (i"))
    check("--update-budgets")
    status, output = check("--architectures", "90")
    assert status == 1
    assert any("the compiler warns: good.cu(4)" in fault for fault in faults(output))


def test_all_numbers_are_written_as_json(plant: Plant, check: Check, tmp_path: Path) -> None:
    plant(sharing=SHARING)
    path = tmp_path / "costs.json"
    check("--json", str(path))
    content = json.loads(path.read_text(encoding="utf-8"))
    kernel = next(each for each in content["kernels"] if each["dtype"] == "float32")
    assert (kernel["file"], kernel["kernel"], kernel["block_size"]) == ("sharing", "sharing", 256)
    turing = kernel["generations"]["sm_75"]
    # 8 KB a block of 8 warps: warps limit to 32 / 8 = 4.
    assert (turing["shared_bytes"], turing["resident_blocks"], turing["resident_warps"]) == (8192, 4, 32)
    assert len(content["faults"]) == 2  # no budgets


def test_without_nvrtc_the_remedy_is_said(
    check: Check, plant: Plant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent() -> Nvrtc:
        raise NvrtcError("nvidia-cuda-nvrtc is not installed. Try: pip install 'gpunet[static]'")

    monkeypatch.setattr(static_kernels, "Nvrtc", absent)
    assert main(["--no-trace"]) == 2
    assert capsys.readouterr().err == "error: nvidia-cuda-nvrtc is not installed. Try: pip install 'gpunet[static]'\n"


def test_a_required_trace_without_an_emulator_fails(
    plant: Plant, budgets: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(good=PLAIN)
    monkeypatch.setattr(static_kernels, "no_emulator", lambda: "no CuPy is installed")
    arguments = ["--budgets", str(budgets), "--jobs", "1", "--architectures", "90"]
    assert main([*arguments, "--require-trace"]) == 2
    assert "--require-trace: no CuPy is installed" in capsys.readouterr().err
    main(arguments)
    assert "no sectors and bytes: no CuPy is installed" in capsys.readouterr().out


class PlantedRun(nullcontext):
    """A stand-in for the traced run: warps whose 32 floats lie in so many sectors, 4 being enough."""

    sectors = 4

    def __init__(self, workloads: Iterable[str], dtype: str) -> None:
        super().__init__()
        self.dtype = dtype

    def traffic(self, files: Iterable[str]) -> list[tuple[Launch, Traffic]]:
        traffic = Traffic(requests=100, sectors=100 * self.sectors, ideal_sectors=400, distinct_sectors=400)
        return [(launch, traffic) for launch in static_kernels.recorded_launches(self.dtype)]


@pytest.fixture
def traced(budgets: Path, check: Check, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Like ``check``, with a traced run that counts `PlantedRun.sectors`."""
    monkeypatch.setattr(static_kernels, "no_emulator", lambda: "")
    monkeypatch.setattr(static_kernels, "TracedRun", PlantedRun)

    def run(*arguments: str) -> tuple[int, str]:
        status = main(["--budgets", str(budgets), "--require-trace", "--jobs", "1", *arguments])
        return status, capsys.readouterr().out

    return run


def test_uncoalesced_access_is_found(plant: Plant, traced: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(good=PLAIN)
    assert traced("--update-budgets")[0] == 0
    monkeypatch.setattr(PlantedRun, "sectors", 32)
    status, output = traced()
    assert status == 1
    assert faults(output) == [
        "good.plain (float32, traced): sectors_over_ideal is 8, budget 1",
        "good.plain (float32, traced): traffic_over_floor is 8, budget 1",
    ]


def test_beyond_the_limit_of_sectors_a_reason_is_needed_and_shown(
    plant: Plant, traced: Check, budgets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(good=PLAIN)
    monkeypatch.setattr(PlantedRun, "sectors", 6)
    status, output = traced("--update-budgets")
    assert status == 1
    (fault,) = faults(output)
    assert fault.startswith(
        "good.plain (float32): its budget of sectors_over_ideal, 1.5, is beyond the limit 1.3; give"
    )
    with budgets.open("a", encoding="utf-8") as file:
        file.write('\n[good.plain]\nreason = "rows are not a multiple of 8 floats"\n')
    status, output = traced()
    assert status == 0
    line = next(line for line in output.splitlines() if line.startswith("plain") and "x1.50" in line)
    assert line.endswith("rows are not a multiple of 8 floats")
    traced("--update-budgets")
    assert traced()[0] == 0  # the reason is kept


def test_a_kernel_that_only_the_recorded_run_launches_is_an_error(
    plant: Plant, traced: Check, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(good=PLAIN)
    monkeypatch.setattr(PlantedRun, "traffic", lambda run, files: [])
    assert main(["--require-trace", "--jobs", "1"]) == 2
    assert "the emulated run did not launch good.plain (float32)" in capsys.readouterr().err


@pytest.mark.slow
def test_the_tracer_agrees_with_hand_counting(emulator: None) -> None:
    """The real tracer, on a kernel whose every warp reads and writes 128 bytes that lie side by side."""
    with TracedRun(["elementwise"], "float32") as run:
        traced = run.traffic(["elementwise", "dropout", "reductions"])
    traffic = {launch.kernel: traffic for launch, traffic in traced}
    requests = 2 * math.prod(IMAGES) // 32  # one load and one store for each 32 elements
    assert traffic["relu"] == Traffic(requests, 4 * requests, 4 * requests, 4 * requests)


@pytest.mark.slow
def test_a_traced_run_that_fails_says_what_it_said(emulator: None) -> None:
    with TracedRun(["no such workload"], "float32") as run, pytest.raises(TraceError, match="no such workload"):
        run.traffic([])


def test_one_file_of_the_project_keeps_its_budgets(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--files", "dropout", "--architectures", "75", "--no-trace"])
    assert status == 0, capsys.readouterr().out
    assert BUDGETS.is_file()


@pytest.mark.parametrize(
    ("constants", "label"),
    [
        ({}, ""),
        ({"KERNEL_ROWS": 3, "KERNEL_COLS": 3, "STRIDE_ROWS": 2, "STRIDE_COLS": 2}, "3x3/2"),
        ({"KERNEL_ROWS": 3, "KERNEL_COLS": 2, "STRIDE_ROWS": 2, "STRIDE_COLS": 1, "OTHER": 4}, "3x2/2x1 OTHER=4"),
        (
            {"KERNEL_ROWS": 3, "KERNEL_COLS": 3, "STRIDE_ROWS": 2, "STRIDE_COLS": 2, "PHASE_ROWS": 1, "PHASE_COLS": 0},
            "3x3/2 phase 1x0",
        ),
    ],
)
def test_constants_are_shown_as_windows(constants: dict[str, int], label: str) -> None:
    assert constants_label(tuple(sorted(constants.items()))) == label


def test_dynamic_shared_memory_counts(nvrtc: Nvrtc) -> None:
    row = Row(Module("a", "float32"), "b", 64, 8192, {75: Resources(16, shared_bytes=8192)})
    assert row.shared_bytes == 16384
    assert row.occupancy(75).blocks == 4
    assert {figure.name: figure.value for figure in row.figures()}["shared_bytes"] == 16384
