"""The doctor where CuPy computes."""

from __future__ import annotations

from typing import Any

import pytest
from cupy_device import require_cupy

from gpunet.backends.cupy import kernel_library
from gpunet.doctor import examine, warm_up

pytestmark = pytest.mark.gpu
backend: Any = require_cupy()


def test_a_gpu_that_works_is_said_to_work() -> None:
    report = examine()
    assert report.gpu_works
    assert [each for each in report.findings if each.part == "GPU" and each.status == "fails"] == []
    assert any(each.name == "device 0" and "compute capability" in each.says for each in report.findings)


def test_every_kernel_compiles() -> None:
    results = list(warm_up(backend.library))
    assert len(results) == len(kernel_library.files()) * len(kernel_library.DTYPES) > 10
    assert [each for each in results if each.error] == []
    assert all(each.kernels > 0 and each.seconds >= 0 for each in results)
