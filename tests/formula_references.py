"""Normalisation, losses, random numbers and optimizers once more, number by number in float64, as `references` does for
images: too plain to be wrong, and sharing no code with gpunet.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from typing import Any

import numpy as np


def channel_places(shape: Any, channel: int) -> list[Any]:
    """Indices of all values of one channel of an (N, C, ...) array."""
    return [at for at in itertools.product(*map(range, shape)) if at[1] == channel]


def batch_norm_reference(x: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any, Any]:
    channels = x.shape[1]
    y, mean, inv_std = np.zeros(x.shape), np.zeros(channels), np.zeros(channels)
    for c in range(channels):
        places = channel_places(x.shape, c)
        mean[c] = math.fsum(float(x[at]) for at in places) / len(places)
        variance = math.fsum((float(x[at]) - mean[c]) ** 2 for at in places) / len(places)
        inv_std[c] = 1 / math.sqrt(variance + eps)
        for at in places:
            scaled = (float(x[at]) - mean[c]) * inv_std[c] * (1.0 if weight is None else float(weight[c]))
            y[at] = scaled + (0.0 if bias is None else float(bias[c]))
    return y, mean, inv_std


def batch_norm_backward_reference(grad_y: Any, x: Any, weight: Any, eps: float) -> tuple[Any, Any, Any]:
    """By the whole Jacobian of a channel: how each normalised value moves with each input."""
    channels = x.shape[1]
    _, mean, inv_std = batch_norm_reference(x, None, None, eps)
    grad_x, grad_weight, grad_bias = np.zeros(x.shape), np.zeros(channels), np.zeros(channels)
    for c in range(channels):
        places = channel_places(x.shape, c)
        count = len(places)
        normalised = {at: (float(x[at]) - mean[c]) * inv_std[c] for at in places}
        grad_bias[c] = math.fsum(float(grad_y[at]) for at in places)
        grad_weight[c] = math.fsum(float(grad_y[at]) * normalised[at] for at in places)
        scale = 1.0 if weight is None else float(weight[c])
        for moved in places:
            slopes = (
                ((at == moved) - 1 / count - normalised[at] * normalised[moved] / count) * inv_std[c] for at in places
            )
            sent = (float(grad_y[at]) * scale * slope for at, slope in zip(places, slopes, strict=True))
            grad_x[moved] = math.fsum(sent)
    return grad_x, grad_weight, grad_bias


def bias_relu_reference(x: Any, bias: Any) -> Any:
    y = np.zeros(x.shape)
    for at in itertools.product(*map(range, x.shape)):
        value = float(x[at]) + float(bias[at[1]])
        y[at] = value if value > 0 or math.isnan(value) else 0.0
    return y


def bias_relu_backward_reference(grad_y: Any, y: Any) -> tuple[Any, Any]:
    grad_x, grad_bias = np.zeros(y.shape), np.zeros(y.shape[1])
    for at in itertools.product(*map(range, y.shape)):
        if y[at] > 0 or math.isnan(y[at]):
            grad_x[at] = float(grad_y[at])
            grad_bias[at[1]] += grad_x[at]
    return grad_x, grad_bias


def softmax_cross_entropy_reference(
    logits: Any, labels: Any, class_weight: Any = None, ignore_index: int = -100, label_smoothing: float = 0.0
) -> tuple[Any, Any]:
    """The target of each sample is a distribution; the loss is -sum of weight * target * log(softmax)."""
    classes = logits.shape[1]
    weights = [1.0 if class_weight is None else float(class_weight[c]) for c in range(classes)]
    losses, grad = np.zeros(labels.shape), np.zeros(logits.shape)
    total_weight = math.fsum(weights[int(label)] for label in labels.flat if label != ignore_index)
    for at in itertools.product(*map(range, labels.shape)):
        label = int(labels[at])
        if label == ignore_index:
            continue
        values = [float(logits[at[0], c, *at[1:]]) for c in range(classes)]
        largest = max(values)
        log_total = largest + math.log(math.fsum(math.exp(value - largest) for value in values))
        target = [
            weights[c] * ((1 - label_smoothing) * (c == label) + label_smoothing / classes) for c in range(classes)
        ]
        losses[at] = math.fsum(target[c] * (log_total - values[c]) for c in range(classes))
        for c in range(classes):
            slope = math.exp(values[c] - log_total) * math.fsum(target) - target[c]
            grad[at[0], c, *at[1:]] = slope / total_weight
    return losses, grad


def philox_reference(counter: int, key: tuple[int, int]) -> list[int]:
    """Philox 4x32-10 on a 128-bit counter, least significant word first, in plain integers."""
    c = [(counter >> (32 * position)) & 0xFFFFFFFF for position in range(4)]
    k = list(key)
    for _ in range(10):
        left, right = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(right >> 32) ^ c[1] ^ k[0], right & 0xFFFFFFFF, (left >> 32) ^ c[3] ^ k[1], left & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def stream_word_reference(seed: int, name: str, epoch: int, step: int, index: int) -> int:
    """Word ``index`` of the stream at (seed, name, epoch, step)."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    key = (int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little"))
    return philox_reference(epoch << 96 | step << 64 | index // 4, key)[index % 4]


def dropout_mask_reference(shape: Any, probability: float, seed: int, name: str, epoch: int, step: int) -> Any:
    kept = [
        stream_word_reference(seed, name, epoch, step, index) >= probability * 2**32
        for index in range(math.prod(shape))
    ]
    return np.array(kept, bool).reshape(shape)


def sgd_reference(value: float, grads: list[float], **s: Any) -> float:
    """One number after one step with each of ``grads``."""
    buffer = None
    for grad in grads:
        grad = grad + s["weight_decay"] * value
        if s["momentum"]:
            buffer = grad if buffer is None else s["momentum"] * buffer + (1 - s["dampening"]) * grad
            grad = grad + s["momentum"] * buffer if s["nesterov"] else buffer
        value -= s["lr"] * grad
    return value


def adam_reference(value: float, grads: list[float], **s: Any) -> float:
    """One number after one step with each of ``grads``."""
    first, second = 0.0, 0.0
    for step, grad in enumerate(grads, start=1):
        if s["decoupled"]:
            value -= s["lr"] * s["weight_decay"] * value
        else:
            grad += s["weight_decay"] * value
        first = s["beta1"] * first + (1 - s["beta1"]) * grad
        second = s["beta2"] * second + (1 - s["beta2"]) * grad**2
        unbiased_first, unbiased_second = first / (1 - s["beta1"] ** step), second / (1 - s["beta2"] ** step)
        value -= s["lr"] * unbiased_first / (math.sqrt(unbiased_second) + s["eps"])
    return value
