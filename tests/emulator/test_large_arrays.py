"""More than 2**31 elements: the first and the last blocks of the kernels, over memory that is mostly holes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from emulated import ROOT, emulate, require_emulator

require_emulator()

PROGRAM = Path(__file__).with_name("large_arrays.py")
PRIMITIVES = """
relu relu_backward erf bias_relu bias_relu_backward dropout dropout_backward batch_norm_inference sgd_step adam_step
softmax_cross_entropy max_pool2d max_pool2d_backward avg_pool2d avg_pool2d_backward conv2d conv2d_backward_input
depthwise depthwise_backward_input im2col col2im col2im_atomic
""".split()


def test_both_ends_are_right() -> None:
    done = emulate("python", PROGRAM, options=("--blocks", "ends"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == PRIMITIVES


@pytest.mark.parametrize(
    ("file", "right", "wrong", "passed"),
    [
        ("elementwise.cu", "for (index_t i = global_thread()", "for (int i = global_thread()", 0),
        ("common.cuh", "+ place;", "+ place, element = int(element);", PRIMITIVES.index("bias_relu_backward")),
        ("pooling.cu", "const index_t size = planes", "const int size = planes", PRIMITIVES.index("max_pool2d")),
        ("im2col.cu", "index_t index = global_thread()", "int index = global_thread()", PRIMITIVES.index("col2im")),
    ],
)
def test_a_planted_overflow_is_found(tmp_path: Path, file: str, right: str, wrong: str, passed: int) -> None:
    for folder in ("gpunet", "kernels"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "setup.py", tmp_path)
    text = (tmp_path / "kernels" / file).read_text()
    assert right in text
    (tmp_path / "kernels" / file).write_text(text.replace(right, wrong))
    done = emulate("python", PROGRAM, options=("--blocks", "ends"), PYTHONPATH=str(tmp_path))
    assert done.returncode != 0
    assert done.stdout.split() == PRIMITIVES[:passed]
