"""How each ONNX node of the families that the primitives cover is said in terms of `gpunet.functional`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import gpunet as gn
from gpunet.backends import numpy_backend
from gpunet.random import Stream

F = gn.functional
BACKEND = numpy_backend()


class Case:
    """One vector: attributes and inputs of its node by name."""

    def __init__(self, case: Any) -> None:
        from onnx.helper import get_attribute_value

        (node,) = case.model.graph.node
        self.operation = node.op_type
        self.attributes = {item.name: get_attribute_value(item) for item in node.attribute}
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
