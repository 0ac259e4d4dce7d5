"""Layers: one file each, each with its forward and its backward formula."""

from gpunet.layers.adaptive_avg_pool import AdaptiveAvgPool2d
from gpunet.layers.avg_pool import AvgPool2d
from gpunet.layers.batch_norm import BatchNorm1d, BatchNorm2d
from gpunet.layers.containers import Add, Concat, Identity, Sequential
from gpunet.layers.conv import Conv2d
from gpunet.layers.conv_transpose import ConvTranspose2d
from gpunet.layers.dropout import Dropout
from gpunet.layers.elu import ELU
from gpunet.layers.flatten import Flatten
from gpunet.layers.gelu import GELU
from gpunet.layers.global_max_pool import GlobalMaxPool2d
from gpunet.layers.graph import Graph, GraphNode
from gpunet.layers.group_norm import GroupNorm
from gpunet.layers.hardswish import Hardswish
from gpunet.layers.hardtanh import Hardtanh
from gpunet.layers.layer_norm import LayerNorm
from gpunet.layers.leaky_relu import LeakyReLU
from gpunet.layers.linear import Linear
from gpunet.layers.local_response_norm import LocalResponseNorm
from gpunet.layers.max_pool import MaxPool2d
from gpunet.layers.module import Context, Module
from gpunet.layers.prelu import PReLU
from gpunet.layers.relu import ReLU
from gpunet.layers.relu6 import ReLU6
from gpunet.layers.sigmoid import Sigmoid
from gpunet.layers.silu import SiLU
from gpunet.layers.softmax import LogSoftmax, Softmax
from gpunet.layers.tanh import Tanh
from gpunet.layers.upsample import Upsample

__all__ = [
    "ELU",
    "GELU",
    "AdaptiveAvgPool2d",
    "Add",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Concat",
    "Context",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Flatten",
    "GlobalMaxPool2d",
    "Graph",
    "GraphNode",
    "GroupNorm",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "LogSoftmax",
    "MaxPool2d",
    "Module",
    "PReLU",
    "ReLU",
    "ReLU6",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Upsample",
]
