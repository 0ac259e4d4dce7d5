"""torchvision's state dicts as literals: how many entries, and shapes from all over the nets; no oracle is needed."""

import numpy as np
import pytest

from gpunet import initializers, models
from gpunet.models import initial

# Entries of a state dict, running statistics and counters of batch norms included.
ENTRIES = {
    "alexnet": 16,
    "vgg11": 22,
    "vgg13": 26,
    "vgg16": 32,
    "vgg19": 38,
    "vgg11_bn": 62,
    "vgg13_bn": 76,
    "vgg16_bn": 97,
    "vgg19_bn": 118,
    "resnet18": 122,
    "resnet34": 218,
    "resnet50": 320,
    "resnet101": 626,
    "resnet152": 932,
    "squeezenet1_0": 52,
    "squeezenet1_1": 52,
    "mobilenet_v2": 314,
}
SHAPES = {
    "alexnet": {
        "features.0.weight": (64, 3, 11, 11),
        "features.3.weight": (192, 64, 5, 5),
        "features.6.weight": (384, 192, 3, 3),
        "features.8.weight": (256, 384, 3, 3),
        "features.10.bias": (256,),
        "classifier.1.weight": (4096, 9216),
        "classifier.4.weight": (4096, 4096),
        "classifier.6.weight": (1000, 4096),
    },
    "vgg16": {
        "features.0.weight": (64, 3, 3, 3),
        "features.28.weight": (512, 512, 3, 3),
        "classifier.0.weight": (4096, 25088),
        "classifier.6.bias": (1000,),
    },
    "resnet18": {
        "conv1.weight": (64, 3, 7, 7),
        "layer2.0.downsample.0.weight": (128, 64, 1, 1),
        "layer4.1.bn2.running_var": (512,),
        "layer4.1.bn2.num_batches_tracked": (),
        "fc.weight": (1000, 512),
    },
    "resnet50": {
        "layer1.0.conv1.weight": (64, 64, 1, 1),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer1.1.conv1.weight": (64, 256, 1, 1),
        "layer3.5.conv2.weight": (256, 256, 3, 3),
        "layer4.2.conv3.weight": (2048, 512, 1, 1),
        "fc.weight": (1000, 2048),
    },
    "squeezenet1_0": {
        "features.0.weight": (96, 3, 7, 7),
        "features.3.squeeze.weight": (16, 96, 1, 1),
        "features.12.expand3x3.weight": (256, 64, 3, 3),
        "classifier.1.weight": (1000, 512, 1, 1),
    },
    "squeezenet1_1": {
        "features.0.weight": (64, 3, 3, 3),
        "features.6.squeeze.weight": (32, 128, 1, 1),
        "features.9.expand1x1.weight": (192, 48, 1, 1),
    },
    "mobilenet_v2": {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.1.conv.0.0.weight": (32, 1, 3, 3),
        "features.1.conv.1.weight": (16, 32, 1, 1),
        "features.2.conv.0.0.weight": (96, 16, 1, 1),
        "features.14.conv.2.weight": (160, 576, 1, 1),
        "features.18.0.weight": (1280, 320, 1, 1),
        "classifier.1.weight": (1000, 1280),
    },
}


@pytest.fixture(autouse=True)
def no_drawing(monkeypatch):
    for module in (initializers, initial):
        monkeypatch.setattr(module, "normal", lambda shape, std: np.zeros(shape, np.float32))
    monkeypatch.setattr(initializers, "uniform", lambda shape, bound: np.zeros(shape, np.float32))


@pytest.mark.parametrize("name", ENTRIES)
def test_entries_and_shapes(name):
    net = models.create(name)
    holders = [*net.named_parameters(), *net.named_buffers()]
    assert len(holders) == ENTRIES[name]
    shapes = {key: tuple(holder.value.shape) for key, holder in holders}
    for key, shape in SHAPES.get(name, {}).items():
        assert shapes[key] == shape, key
