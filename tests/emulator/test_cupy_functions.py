"""Many functions of CuPy under the emulator: each gives NumPy's result or raises; none is silently wrong."""

from pathlib import Path

import pytest
from emulated import emulate, require_emulator

require_emulator()

PROGRAM = Path(__file__).parent / "cupy_functions.py"

# What needs cuSOLVER or cuFFT, and what CuPy itself does not do on this device.
RAISE = {
    "argpartition", "cholesky", "choose", "convolve", "det", "eigvalsh", "fft", "i0", "inv", "lstsq", "pinv",
    "polyfit", "qr", "rfft2", "solve", "svd values",
}  # fmt: skip


@pytest.mark.slow
def test_every_function_is_right_or_raises() -> None:
    done = emulate("python", PROGRAM)
    assert done.returncode == 0, done.stderr
    results = [line.split("\t") for line in done.stdout.splitlines()]
    assert [result for result in results if result[0] == "WRONG"] == []
    assert {result[1] for result in results if result[0] == "raises"} == RAISE
    assert sum(result[0] == "equal" for result in results) > 270
