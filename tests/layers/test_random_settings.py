"""Layers with random settings over random shapes: either refused in one line, or with right gradients."""

from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tolerances import GRADIENT_CHECK_FLOAT64

import gpunet as gn

SMALL = st.integers(1, 3)
PAIRS = SMALL | st.tuples(SMALL, SMALL)
PADDINGS = st.integers(0, 2) | st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2)


def convolution(draw: Any, channels: int, groups: int, shape: tuple[int, ...]) -> gn.Module:
    arguments = (channels, groups * draw(SMALL), draw(PAIRS), draw(PAIRS), draw(PADDINGS), draw(PAIRS), groups)
    return gn.Conv2d(*arguments, bias=draw(st.booleans()))


def transposed(draw: Any, channels: int, groups: int, shape: tuple[int, ...]) -> gn.Module:
    stride, dilation = draw(SMALL), draw(SMALL)
    extra = draw(st.integers(0, max(stride, dilation) - 1))
    return gn.ConvTranspose2d(
        channels,
        groups * draw(SMALL),
        draw(PAIRS),
        stride,
        draw(PADDINGS),
        extra,
        groups,
        draw(st.booleans()),
        dilation,
    )


def max_pooling(draw: Any, channels: int, groups: int, shape: tuple[int, ...]) -> gn.Module:
    stride = draw(st.none() | PAIRS)
    return gn.MaxPool2d(draw(PAIRS), stride, draw(PADDINGS), draw(PAIRS), ceil_mode=draw(st.booleans()))


def average_pooling(draw: Any, channels: int, groups: int, shape: tuple[int, ...]) -> gn.Module:
    stride = draw(st.none() | PAIRS)
    return gn.AvgPool2d(draw(PAIRS), stride, draw(PADDINGS), draw(st.booleans()), draw(st.booleans()))


def resizing(draw: Any, channels: int, groups: int, shape: tuple[int, ...]) -> gn.Module:
    mode, aligned = draw(st.sampled_from([("nearest", None), ("bilinear", None), ("bilinear", True)]))
    if draw(st.booleans()):
        return gn.Upsample(draw(st.integers(1, 9)), mode=mode, align_corners=aligned)
    return gn.Upsample(scale_factor=draw(st.floats(0.3, 3.0)), mode=mode, align_corners=aligned)


def layer_norm(draw: Any, channels: int, groups: int, shape: tuple[int, ...]) -> gn.Module:
    return gn.LayerNorm(shape[-draw(SMALL) :], draw(st.floats(1e-3, 1)), draw(st.booleans()), draw(st.booleans()))


MAKERS = {
    "Conv2d": convolution,
    "ConvTranspose2d": transposed,
    "MaxPool2d": max_pooling,
    "AvgPool2d": average_pooling,
    "Upsample": resizing,
    "LayerNorm": layer_norm,
    "AdaptiveAvgPool2d": lambda draw, channels, groups, shape: gn.AdaptiveAvgPool2d(draw(st.integers(1, 9))),
    "GroupNorm": lambda draw, channels, groups, shape: gn.GroupNorm(groups, channels, draw(st.floats(1e-3, 1))),
    "LocalResponseNorm": lambda draw, channels, groups, shape: gn.LocalResponseNorm(draw(st.integers(1, 7)), 0.5),
}


@pytest.mark.parametrize("kind", MAKERS)
@settings(max_examples=30)
@given(data=st.data())
def test_refused_or_right(kind: str, data: Any) -> None:
    groups, per_group = data.draw(SMALL), data.draw(SMALL)
    shape = (groups * per_group, data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7)))
    layer = MAKERS[kind](data.draw, shape[0], groups, shape)
    x = np.random.default_rng(data.draw(st.integers(0, 2**16))).normal(size=(data.draw(SMALL), *shape))
    try:
        promised = layer.output_shape(shape)
    except gn.ShapeError:
        event("refused")
        with pytest.raises(gn.ShapeError, match=f"^{kind}: .*[.]$"):
            layer.astype("float64")(x)
        return
    event("checked")
    assert layer.astype("float64")(x).shape == (len(x), *promised)
    gn.gradient_check(layer, x, tolerance=GRADIENT_CHECK_FLOAT64, directions=1)
