"""ONNX's published cases: none is wrong, and what is refused has a reason that is one of the few below.

``python tests/onnx_cases.py`` prints the table.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import numpy as np
import oracles
import pytest

oracles.require("onnx")

import onnx_cases  # noqa: E402 - it needs onnx
from onnx_cases import FOLDERS, PublishedCase, Result  # noqa: E402 - it needs onnx

pytestmark = pytest.mark.slow  # ONNX takes some ten seconds to make its vectors

# What the importer was asked for, name by name.
NAMED = """
Conv ConvTranspose MaxPool AveragePool GlobalAveragePool GlobalMaxPool LpPool
BatchNormalization GroupNormalization InstanceNormalization LayerNormalization LRN MeanVarianceNormalization
Relu LeakyRelu Elu Selu Celu Gelu HardSigmoid HardSwish Sigmoid Tanh Softplus Softsign Mish Clip PRelu ThresholdedRelu
Gemm MatMul Add Sub Mul Div Pow Max Min Sum Mean Concat Split Slice Gather Flatten Reshape Transpose Squeeze Unsqueeze
Pad Resize Upsample Softmax LogSoftmax Dropout Identity ReduceMean ReduceSum ReduceMax ReduceMin Expand Tile
DepthToSpace SpaceToDepth Sqrt Exp Log Abs Neg Erf Reciprocal Floor Ceil Where
""".split()

REASONS = [
    r"takes .*no floating arrays",
    r"makes .*no floating numbers",
    r"sequences, optional values or text",
    r"a random mask in training",
    r"slides along 3 spatial axes",
    r"only its first output is supported; running statistics are buffers",
    r"this operator is not supported|is not supported on constants and sizes",
]


@pytest.fixture(scope="module")
def results() -> dict[str, list[tuple[PublishedCase, Result]]]:
    found = defaultdict(list)
    with np.errstate(all="ignore"):  # the logarithm of 0 and the like are among the vectors
        for case in onnx_cases.cases_of_known_operators():
            found[case.operator].append((case, onnx_cases.run(case)))
    return found


def test_nothing_is_wrong_and_hundreds_pass(results: dict[str, list[tuple[PublishedCase, Result]]]) -> None:
    print(onnx_cases.table(results))
    rows = [row for rows in results.values() for row in rows]
    assert [(case.name, result.reason) for case, result in rows if result.outcome == "wrong"] == []
    named = Counter(result.outcome for operator in NAMED for _, result in results[operator])
    assert named["passed"] >= 400  # 504 with onnx 1.23; an older one has fewer
    files = Counter(result.outcome for folder in FOLDERS[:2] for _, result in results[folder])
    assert files["passed"] >= 100


def test_every_refusal_has_its_reason(results: dict[str, list[tuple[PublishedCase, Result]]]) -> None:
    refused = [(c.name, r.reason) for rows in results.values() for c, r in rows if r.outcome == "refused"]
    assert [row for row in refused if not any(re.search(reason, row[1]) for reason in REASONS)] == []
    for reason in REASONS:
        assert any(re.search(reason, text) for _, text in refused), f"{reason!r} is no longer needed"


def test_every_operator_named_has_a_case_that_passes(
    results: dict[str, list[tuple[PublishedCase, Result]]],
) -> None:
    without = {operator for operator in NAMED if not any(r.outcome == "passed" for _, r in results[operator])}
    assert without == set()


def test_only_integers_three_axes_and_random_masks_are_refused_of_the_operators_named(
    results: dict[str, list[tuple[PublishedCase, Result]]],
) -> None:
    """A case of floating numbers of an operator that was asked for is refused for a reason of its own only."""
    refused = [
        (case.name, result.reason)
        for operator in NAMED
        for case, result in results[operator]
        if result.outcome == "refused" and not onnx_cases.unsuitable(case)
    ]
    allowed = [REASONS[4], REASONS[5]]
    assert [row for row in refused if not any(re.search(reason, row[1]) for reason in allowed)] == []


def test_a_wrong_value_is_seen(results: dict[str, list[tuple[PublishedCase, Result]]]) -> None:
    case, _ = results["Relu"][0]
    right = tuple(case.outputs)
    assert onnx_cases.compared(case, right).outcome == "passed"
    assert onnx_cases.compared(case, (right[0] + 0.1,)).outcome == "wrong"
    assert onnx_cases.compared(case, (right[0][None],)).outcome == "wrong"
    assert onnx_cases.compared(case, (right[0].astype(np.float64),)).outcome == "wrong"
