"""The gradient of every operator that can be imported, over ONNX's published cases, against differences in float64."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import oracles
import pytest
from tolerances import GRADIENT_CHECK_FLOAT64

import gpunet as gn

oracles.require("onnx")

import onnx_cases  # noqa: E402 - it needs onnx
from onnx_cases import FOLDERS, PublishedCase  # noqa: E402

from gpunet.interop.onnx.registry import OPERATORS  # noqa: E402

pytestmark = pytest.mark.slow  # ONNX takes some ten seconds to make its vectors

CASES_OF_AN_OPERATOR = 8
LARGEST = 20_000  # numbers: differences take dozens of forward passes

# Their inputs are no numbers to take differences at.
UNINITIALISED = {f"pytorch-operator/operator_{name}" for name in ("add_broadcast", "addconstant", "pow", "sqrt")} | {
    f"pytorch-operator/operator_add_size1_{name}" for name in ("right_broadcast", "singleton_broadcast")
}
# Operators without vectors of floating numbers, or whose output is true or false; they stand in graphs with others.
WITHOUT = {
    "Cast",
    "CastLike",
    "GlobalLpPool",
    "Swish",
    *"Equal Greater GreaterOrEqual Less LessOrEqual And Or Not".split(),
}


def chosen() -> Iterator[PublishedCase]:
    counts: Counter[str] = Counter()
    for case in onnx_cases.cases_of_known_operators():
        if case.operator not in FOLDERS and counts[case.operator] >= CASES_OF_AN_OPERATOR:
            continue
        sizes = [np.size(array) for array in [*case.inputs, *case.outputs]]
        if case.name in UNINITIALISED or not sizes or min(sizes) == 0 or max(sizes) > LARGEST:
            continue
        with np.errstate(all="ignore"):
            if onnx_cases.run(case).outcome == "passed":
                counts[case.operator] += 1
                yield case


def checked(case: PublishedCase) -> bool:
    """Whether the case has an input to differentiate; raises if its gradient is wrong."""
    net, inputs = onnx_cases.imported(case)
    if not inputs:
        return False
    stream = gn.random.Stream(0, case.name)
    # Off the kinks that whole numbers and ties stand on, and into what Acosh and Atanh take.
    sign = 1 if case.operator != "Atanh" else -1
    moved = [x.astype("float64") + sign * stream.at(0, n).uniform(x.shape, 0.001, 0.01) for n, x in enumerate(inputs)]
    outputs = net.forward(*inputs)
    if isinstance(outputs, tuple) and outputs[1].dtype.kind != "f":
        net = FirstOutput(net)  # indices and masks have no gradient
    net.astype("float64")
    result = gn.gradient_check(net, *moved, training=False, tolerance=GRADIENT_CHECK_FLOAT64)
    return len(result.errors) >= len(inputs)


class FirstOutput(gn.Module):
    """The first of several outputs."""

    def __init__(self, net: gn.Module) -> None:
        self.net = net

    def compute(self, context: gn.Context, *inputs: np.ndarray) -> np.ndarray:
        outputs = context.run(self.net, *inputs)
        context.save(outputs[1:])
        return outputs[0]

    def differentiate(self, context: gn.Context, grad: np.ndarray) -> np.ndarray:
        return self.net.backward(grad, *(np.zeros_like(other) for other in context.saved[0]))


def test_gradients_of_all_operators() -> None:
    with np.errstate(all="ignore"):
        covered = Counter(case.operator for case in chosen() if checked(case))
    assert OPERATORS.keys() - WITHOUT <= covered.keys()
    assert sum(covered.values()) > 250


def test_a_wrong_gradient_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpunet.interop.onnx.operators.arithmetic import Mul

    (case,) = [case for case in onnx_cases.node_cases() if case.name == "mul"]
    assert checked(case)
    monkeypatch.setattr(Mul, "slopes", lambda self, wanted, grad_y, a, b: (grad_y * a, grad_y * b))
    with pytest.raises(AssertionError, match="is wrong"):
        checked(case)
