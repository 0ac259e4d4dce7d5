"""The doctor where CuPy computes."""

from __future__ import annotations

from typing import Any

import pytest
from cupy_device import require_cupy

from gpunet.doctor import examine

pytestmark = pytest.mark.gpu
backend: Any = require_cupy()


def test_a_gpu_that_works_is_said_to_work() -> None:
    report = examine()
    assert report.gpu_works
    assert [each for each in report.findings if each.part == "GPU" and each.status == "fails"] == []
    assert any(each.name == "device 0" and "compute capability" in each.says for each in report.findings)
