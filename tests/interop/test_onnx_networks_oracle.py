"""Whole networks as Caffe2 wrote them, which come with ONNX: AlexNet, VGG, GoogLeNet, ResNet, DenseNet and others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import oracles
import pytest
from tolerances import ONNXRUNTIME_FLOAT32

import gpunet as gn

onnx = oracles.require("onnx")
pytestmark = pytest.mark.slow  # a second or two each

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NETWORKS = """
bvlc_alexnet densenet121 inception_v1 inception_v2 resnet50 shufflenet squeezenet vgg19 zfnet512
""".split()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_published_output(name: str) -> None:
    """In float64: all their weights are equal, so that logits of 1e10 decide by their last bit in float32."""
    net = gn.onnx.load(FOLDER / f"light_{name}.onnx").astype("float64")
    (declared,) = net.declared_shapes
    assert declared is not None
    shape = tuple(size for size in declared if size is not None)
    count = int(np.prod(shape))
    y = net(np.arange(count).reshape(shape) / count)
    tensor = onnx.TensorProto()
    tensor.ParseFromString((FOLDER / f"light_{name}_output_0.pb").read_bytes())
    wanted = onnx.numpy_helper.to_array(tensor)
    assert y.shape == wanted.shape
    assert float(np.abs(y - wanted).max()) <= ONNXRUNTIME_FLOAT32 * float(np.abs(wanted).max())
