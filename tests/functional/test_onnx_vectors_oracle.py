"""The node vectors that ONNX publishes, run through the primitives: values, and indices for max pooling.

Every vector of the families below is either run or has its reason here; a new one that is neither fails the test.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import oracles
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gpunet as gn
from gpunet.backends import numpy_backend
from gpunet.errors import ShapeError
from gpunet.random import Stream

onnx = oracles.require("onnx")
pytestmark = pytest.mark.slow  # ONNX takes some ten seconds to make its vectors
F = gn.functional
BACKEND = numpy_backend()

RUN = {
    "Conv": """
        basic_conv_with_padding basic_conv_without_padding conv_with_strides_padding conv_with_strides_no_padding
        conv_with_strides_and_asymmetric_padding conv_with_autopad_same""",
    "ConvTranspose": """
        convtranspose convtranspose_1d convtranspose_output_shape convtranspose_pad convtranspose_kernel_shape
        convtranspose_pads convtranspose_dilations convtranspose_autopad_same convtranspose_group_2
        convtranspose_group_2_image_3""",
    "MaxPool": """
        maxpool_2d_precomputed_pads maxpool_with_argmax_2d_precomputed_pads maxpool_2d_precomputed_strides
        maxpool_with_argmax_2d_precomputed_strides maxpool_2d_precomputed_same_upper maxpool_1d_default
        maxpool_2d_default maxpool_2d_same_upper maxpool_2d_same_lower maxpool_2d_strides maxpool_2d_ceil
        maxpool_2d_ceil_output_size_reduce_by_one maxpool_2d_dilations""",
    "AveragePool": """
        averagepool_2d_precomputed_pads averagepool_2d_precomputed_pads_count_include_pad
        averagepool_2d_precomputed_strides averagepool_2d_precomputed_same_upper averagepool_1d_default
        averagepool_2d_default averagepool_2d_same_upper averagepool_2d_same_lower averagepool_2d_strides
        averagepool_2d_ceil averagepool_2d_ceil_last_window_starts_on_pad""",
    "GlobalAveragePool": "globalaveragepool globalaveragepool_precomputed",
    "GlobalMaxPool": "globalmaxpool globalmaxpool_precomputed",
    "BatchNormalization": """
        batchnorm_example batchnorm_epsilon batchnorm_example_training_mode batchnorm_epsilon_training_mode""",
    "Softmax": """
        softmax_example softmax_large_number softmax_axis_0 softmax_axis_1 softmax_axis_2 softmax_negative_axis
        softmax_default_axis""",
    "LogSoftmax": """
        logsoftmax_example_1 logsoftmax_large_number logsoftmax_axis_0 logsoftmax_axis_1 logsoftmax_axis_2
        logsoftmax_negative_axis logsoftmax_default_axis""",
    "SoftmaxCrossEntropyLoss": " ".join(
        f"sce_{name} sce_{name}_log_prob"
        for name in """
        none none_weights sum mean mean_3d mean_weight mean_weight_ii mean_no_weight_ii mean_weight_ii_3d
        mean_no_weight_ii_3d mean_weight_ii_4d mean_no_weight_ii_4d NCd1d2d3d4d5_mean_weight
        NCd1d2d3d4d5_none_no_weight NCd1_mean_weight_negative_ii NCd1d2d3_none_no_weight_negative_ii
        NCd1d2d3_sum_weight_high_ii""".split()
    ),
    "NegativeLogLikelihoodLoss": "",
    "Col2Im": "col2im col2im_strides col2im_pads col2im_dilations",
    "Relu": "relu",
    "Erf": "erf",
    "Dropout": "training_dropout_zero_ratio training_dropout_zero_ratio_mask",
    "Momentum": "momentum nesterov_momentum momentum_multiple",
    "Adam": "adam adam_multiple",
}

THREE_AXES = "three spatial axes; the primitives have two"
HALF_A_KERNEL = "padding beyond half the kernel, which pooling refuses, as PyTorch does"
NO_DILATION = "average pooling has no dilation, as in PyTorch"
NO_SOFTMAX = "its input is taken for log-probabilities as it is; the primitive is softmax and cross entropy in one"
OTHER_RANDOM = "its mask comes from NumPy's old generator"
INFERENCE = "in inference dropout is the layer's, which passes its input on"

NOT_RUN = {
    "convtranspose_3d": THREE_AXES,
    "maxpool_2d_uint8": "images of bytes; the primitives take floating ones",
    "maxpool_2d_pads": HALF_A_KERNEL,
    "maxpool_3d_default": THREE_AXES,
    "maxpool_3d_dilations": THREE_AXES,
    "maxpool_3d_dilations_use_ref_impl": THREE_AXES,
    "maxpool_3d_dilations_use_ref_impl_large": THREE_AXES,
    "averagepool_2d_pads": HALF_A_KERNEL,
    "averagepool_2d_pads_count_include_pad": HALF_A_KERNEL,
    "averagepool_2d_dilations": NO_DILATION,
    "averagepool_3d_default": THREE_AXES,
    "averagepool_3d_dilations_small": THREE_AXES,
    **{
        f"averagepool_3d_dilations_large_count_include_pad_is_{pad}_ceil_mode_is_{ceil}": THREE_AXES
        for pad in (0, 1)
        for ceil in (True, False)
    },
    "nllloss_NC": NO_SOFTMAX,
    "nllloss_NCd1": NO_SOFTMAX,
    "nllloss_NCd1_ii": NO_SOFTMAX,
    "nllloss_NCd1_mean_weight_negative_ii": NO_SOFTMAX,
    "nllloss_NCd1_weight": NO_SOFTMAX,
    "nllloss_NCd1_weight_ii": NO_SOFTMAX,
    "nllloss_NCd1d2": NO_SOFTMAX,
    "nllloss_NCd1d2_no_weight_reduction_mean_ii": NO_SOFTMAX,
    "nllloss_NCd1d2_reduction_mean": NO_SOFTMAX,
    "nllloss_NCd1d2_reduction_sum": NO_SOFTMAX,
    "nllloss_NCd1d2_with_weight": NO_SOFTMAX,
    "nllloss_NCd1d2_with_weight_reduction_mean": NO_SOFTMAX,
    "nllloss_NCd1d2_with_weight_reduction_sum": NO_SOFTMAX,
    "nllloss_NCd1d2_with_weight_reduction_sum_ii": NO_SOFTMAX,
    "nllloss_NCd1d2d3_none_no_weight_negative_ii": NO_SOFTMAX,
    "nllloss_NCd1d2d3_sum_weight_high_ii": NO_SOFTMAX,
    "nllloss_NCd1d2d3d4d5_mean_weight": NO_SOFTMAX,
    "nllloss_NCd1d2d3d4d5_none_no_weight": NO_SOFTMAX,
    "col2im_5d": THREE_AXES,
    "dropout_default": INFERENCE,
    "dropout_default_mask": INFERENCE,
    "dropout_default_mask_ratio": INFERENCE,
    "dropout_default_old": INFERENCE,
    "dropout_default_ratio": INFERENCE,
    "dropout_random_old": INFERENCE,
    "training_dropout": OTHER_RANDOM,
    "training_dropout_default": OTHER_RANDOM,
    "training_dropout_default_mask": OTHER_RANDOM,
    "training_dropout_mask": OTHER_RANDOM,
}


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    """All published node vectors of the families by name, save those that spell a node out in smaller ones."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        cases = collect_testcases(None)
    return {
        case.name.removeprefix("test_"): case
        for case in cases
        if "_expanded" not in case.name and len(case.model.graph.node) == 1 and case.model.graph.node[0].op_type in RUN
    }


class Case:
    """One vector: attributes and inputs of its node by name."""

    def __init__(self, case: Any) -> None:
        (node,) = case.model.graph.node
        self.operation = node.op_type
        self.attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        ((self.inputs, self.outputs),) = case.data_sets
        self.rtol, self.atol = case.rtol, case.atol

    def __getitem__(self, attribute: str) -> Any:
        return self.attributes[attribute]

    def get(self, attribute: str, default: Any) -> Any:
        return self.attributes.get(attribute, default)


def along_two_axes(case: Case) -> Case:
    """A vector that slides along one axis, as one of images with a single row."""
    if case.inputs[0].ndim == 3 and case.operation in {"ConvTranspose", "MaxPool", "AveragePool"}:
        case.inputs = [array[:, :, None] if array.ndim == 3 else array for array in case.inputs]
        case.outputs = [array[:, :, None] for array in case.outputs]
        for name, filler in (("kernel_shape", [1]), ("strides", [1]), ("dilations", [1])):
            if name in case.attributes:
                case.attributes[name] = filler + case.attributes[name]
        assert "pads" not in case.attributes
    return case


def padding_of(case: Case, size: Any, kernel: Any) -> Any:
    """((top, bottom), (left, right)) of a node that slides over images of ``size``."""
    how = case.get("auto_pad", b"NOTSET")
    if how in {b"NOTSET", b"VALID"}:
        top, left, bottom, right = case.get("pads", [0, 0, 0, 0])
        return (top, bottom), (left, right)
    strides, dilations = case.get("strides", [1, 1]), case.get("dilations", [1, 1])
    sides = []
    for length, window, stride, dilation in zip(size, kernel, strides, dilations, strict=True):
        total = max(0, (-(-length // stride) - 1) * stride + dilation * (window - 1) + 1 - length)
        small, large = total // 2, total - total // 2
        sides.append((small, large) if how == b"SAME_UPPER" else (large, small))
    return tuple(sides)


def conv(case: Case) -> list[Any]:
    x, weight, *bias = case.inputs
    padding = padding_of(case, x.shape[2:], weight.shape[2:])
    return [
        F.conv2d(
            x,
            weight,
            bias[0] if bias else None,
            case.get("strides", [1, 1]),
            padding,
            case.get("dilations", [1, 1]),
            case.get("group", 1),
        )
    ]


def conv_transpose(case: Case) -> list[Any]:
    x, weight = case.inputs
    strides, dilations = case.get("strides", [1, 1]), case.get("dilations", [1, 1])
    extra, sides = list(case.get("output_padding", [0, 0])), []
    upper = case.get("auto_pad", b"NOTSET") == b"SAME_UPPER"
    wanted = case.get("output_shape", [n * s for n, s in zip(x.shape[2:], strides, strict=True)] if upper else None)
    for axis in range(2):
        if wanted is None:
            pads = case.get("pads", [0, 0, 0, 0])
            sides.append((pads[axis], pads[2 + axis]))
            continue
        full = strides[axis] * (x.shape[2 + axis] - 1) + dilations[axis] * (weight.shape[2 + axis] - 1) + 1
        total = full + extra[axis] - wanted[axis]
        extra[axis] += max(0, -total)
        small, large = max(0, total) // 2, max(0, total) - max(0, total) // 2
        sides.append((small, large) if upper else (large, small))
    return [F.conv_transpose2d(x, weight, None, strides, tuple(sides), extra, case.get("group", 1), dilations)]


def max_pool(case: Case) -> list[Any]:
    (x,) = case.inputs
    kernel = case["kernel_shape"]
    y, indices = F.max_pool2d(
        x,
        kernel,
        case.get("strides", [1, 1]),
        padding_of(case, x.shape[2:], kernel),
        case.get("dilations", [1, 1]),
        case.get("ceil_mode", 0),
    )
    if case.get("storage_order", 0):  # column by column
        row, col = np.divmod(indices, x.shape[3])
        indices = col * x.shape[2] + row
    return [y, indices][: len(case.outputs)]


def average_pool(case: Case) -> list[Any]:
    (x,) = case.inputs
    kernel = case["kernel_shape"]
    padding = padding_of(case, x.shape[2:], kernel)
    strides, include = case.get("strides", [1, 1]), bool(case.get("count_include_pad", 0))
    return [F.avg_pool2d(x, kernel, strides, padding, bool(case.get("ceil_mode", 0)), include)]


def global_average_pool(case: Case) -> list[Any]:
    return [F.avg_pool2d(case.inputs[0], case.inputs[0].shape[2:])]


def global_max_pool(case: Case) -> list[Any]:
    return [F.max_pool2d(case.inputs[0], case.inputs[0].shape[2:])[0]]


def batch_normalization(case: Case) -> list[Any]:
    x, weight, bias, mean, variance = case.inputs
    eps, momentum = case.get("epsilon", 1e-5), case.get("momentum", 0.9)
    if not case.get("training_mode", 0):
        inv_std = (1 / np.sqrt(variance + np.float32(eps))).astype(x.dtype)
        return [F.batch_norm_inference(x, weight, bias, mean, inv_std)]
    y, batch_mean, inv_std = F.batch_norm(x, weight, bias, eps)
    batch_variance = inv_std**-2 - np.float32(eps)
    return [
        y,
        mean * np.float32(momentum) + batch_mean * np.float32(1 - momentum),
        variance * np.float32(momentum) + batch_variance * np.float32(1 - momentum),
    ]


def log_softmax(x: Any) -> Any:
    """Along axis 1: the loss of each class, were it the label."""
    labels = np.zeros((x.shape[0], *x.shape[2:]), np.int64)
    return np.stack([-F.softmax_cross_entropy(x, labels + c)[0] for c in range(x.shape[1])], axis=1)


def along_axis_one(case: Case, function: Callable[[Any], Any]) -> list[Any]:
    axis = case.get("axis", -1)
    return [np.moveaxis(function(np.moveaxis(case.inputs[0], axis, 1)), 1, axis)]


def softmax(x: Any) -> Any:
    """Along axis 1: the gradient of the sum of losses is the softmax, less 1 at the label."""
    labels = np.zeros((x.shape[0], *x.shape[2:]), np.int64)
    probabilities = F.softmax_cross_entropy(x, labels)[1] * np.float32(labels.size)
    probabilities[:, 0] += 1
    return probabilities


def softmax_cross_entropy_loss(case: Case) -> list[Any]:
    logits, labels, *weight = case.inputs
    ignored = case.get("ignore_index", -100)
    losses, _ = BACKEND.softmax_cross_entropy(logits, labels, weight[0] if weight else None, ignored)
    if case["reduction"] == b"sum":
        losses = losses.sum()
    elif case["reduction"] == b"mean":
        counted = labels[labels != ignored]
        losses = losses.sum() / (weight[0][counted].sum() if weight else counted.size)
    return [losses, log_softmax(logits)][: len(case.outputs)]


def col2im(case: Case) -> list[Any]:
    columns, size, kernel = case.inputs
    padding = padding_of(case, size, kernel)
    shape = (columns.shape[0], columns.shape[1] // int(np.prod(kernel)), *size.tolist())
    return [
        F.col2im(columns, shape, kernel.tolist(), case.get("strides", [1, 1]), padding, case.get("dilations", [1, 1]))
    ]


def dropout(case: Case) -> list[Any]:
    x, ratio, _ = case.inputs
    return list(BACKEND.dropout(x, float(ratio), Stream(0, "dropout")))[: len(case.outputs)]


def momentum(case: Case) -> list[Any]:
    lr, step, *arrays = case.inputs
    assert step == 0  # where the new gradient has the full weight, whatever beta says
    values, grads, buffers = (list(map(np.copy, arrays[start:stop])) for start, stop in equal_parts(arrays, 3))
    settings = {"lr": float(lr), "momentum": case["alpha"], "dampening": 0.0, "weight_decay": case["norm_coefficient"]}
    BACKEND.sgd_step(values, grads, buffers, **settings, nesterov=case["mode"] == b"nesterov", first=False)
    return [*values, *buffers]


def adam(case: Case) -> list[Any]:
    lr, step, *arrays = case.inputs
    assert step == 0  # where nothing is corrected for bias, as after very many steps
    parts = equal_parts(arrays, 4)
    values, grads, averages, squares = (list(map(np.copy, arrays[start:stop])) for start, stop in parts)
    settings = {"beta1": case["alpha"], "beta2": case["beta"], "eps": case["epsilon"], "decoupled": False}
    decay = case["norm_coefficient"]
    BACKEND.adam_step(values, grads, averages, squares, lr=float(lr), weight_decay=decay, step=10**6, **settings)
    return [*values, *averages, *squares]


def equal_parts(arrays: list[Any], parts: int) -> list[tuple[int, int]]:
    """(start, stop) of equal parts."""
    size = len(arrays) // parts
    return [(part * size, (part + 1) * size) for part in range(parts)]


RUNNERS: dict[str, Callable[[Case], list[Any]]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "BatchNormalization": batch_normalization,
    "Softmax": lambda case: along_axis_one(case, softmax),
    "LogSoftmax": lambda case: along_axis_one(case, log_softmax),
    "SoftmaxCrossEntropyLoss": softmax_cross_entropy_loss,
    "Col2Im": col2im,
    "Relu": lambda case: [BACKEND.relu(case.inputs[0])],
    "Erf": lambda case: [BACKEND.erf(case.inputs[0])],
    "Dropout": dropout,
    "Momentum": momentum,
    "Adam": adam,
}


@pytest.mark.parametrize(("family", "name"), [(family, name) for family in RUN for name in RUN[family].split()])
def test_vector(vectors: dict[str, Any], family: str, name: str) -> None:
    case = along_two_axes(Case(vectors[name]))
    got = RUNNERS[family](case)
    assert len(got) == len(case.outputs)
    for result, wanted in zip(got, case.outputs, strict=True):
        assert np.shape(result) == np.shape(wanted)
        assert result.dtype == wanted.dtype
        if wanted.dtype.kind == "f":
            assert_allclose(result, wanted, rtol=case.rtol, atol=case.atol)
        else:
            assert_array_equal(result, wanted)


def test_every_vector_is_run_or_has_its_reason(vectors: dict[str, Any]) -> None:
    run = {name: family for family, names in RUN.items() for name in names.split()}
    assert not run.keys() & NOT_RUN.keys()
    assert vectors.keys() == run.keys() | NOT_RUN.keys()
    for name, family in run.items():
        assert Case(vectors[name]).operation == family
    assert all(len(reason.split()) > 3 for reason in NOT_RUN.values())


def test_the_reasons_hold(vectors: dict[str, Any]) -> None:
    for name, reason in NOT_RUN.items():
        case = Case(vectors[name])
        if reason == HALF_A_KERNEL:
            with pytest.raises(ShapeError, match="more than half"):
                RUNNERS[case.operation](case)
        elif reason == THREE_AXES:
            assert max(case.inputs[0].ndim, case.outputs[0].ndim) == 5
        elif reason == NO_DILATION:
            assert max(case["dilations"]) > 1
