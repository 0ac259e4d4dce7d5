"""Look into an ONNX file: whether it can be trained here, what it takes and gives, and its weights."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from gpunet.interop import onnx
from gpunet.layers.graph import Graph, GraphNode
from gpunet.training.checkpoint import save_weights

HELP = "look into an ONNX file, and take its weights out of it"
EXAMPLE = "gpunet import resnet18.onnx --weights resnet18.safetensors"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("file", metavar="FILE.onnx", type=Path, help="an ONNX model")
    parser.add_argument("--weights", metavar="FILE.safetensors", type=Path, help="write its weights there")


def run(arguments: argparse.Namespace) -> int:
    """Import the file; say what it is."""
    net = onnx.load(arguments.file)
    kinds = Counter(type(node.module).__name__ for node in net.nodes if isinstance(node, GraphNode))
    print(f"{arguments.file}: opset {net.source.opset}, {sum(kinds.values())} layers")
    for name, shape in zip(net.input_names, net.declared_shapes, strict=True):
        print(f"input {name}: {_sizes(shape)}")
    print(f"output {', '.join(net.output_names)}")
    print("\n".join(f"{count:6} {kind}" for kind, count in kinds.most_common()))
    print(f"{_count(net):,} numbers that can be trained")
    if arguments.weights is not None:
        save_weights(net, arguments.weights)
        print(f"weights in {arguments.weights}, under names such as {next(iter(net.state_dict()), 'none')}")
    return 0


def _sizes(shape: object) -> str:
    if not isinstance(shape, tuple):
        return "of any shape"
    return " x ".join(["batch", *("any" if size is None else str(size) for size in shape[1:])])


def _count(net: Graph) -> int:
    return sum(int(parameter.value.size) for parameter in net.parameters() if parameter.trainable)
