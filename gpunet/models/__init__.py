"""Ready nets, one family a file; `create` makes one by its name.

Each function takes ``seed``: the same seed gives the same initial weights. Without it they come from the stream that
`gpunet.random.seed` started.
"""

from gpunet.models.compact import compact_resnet
from gpunet.models.lenet import lenet
from gpunet.models.registry import create, names
from gpunet.models.resnet import resnet18, resnet34, resnet50
from gpunet.models.resnet_cifar import resnet20, resnet32, resnet56
from gpunet.models.seed_network import seed_network
from gpunet.models.vgg import vgg11, vgg13, vgg16, vgg19, vgg_cifar

__all__ = [
    "compact_resnet",
    "create",
    "lenet",
    "names",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet50",
    "resnet56",
    "seed_network",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "vgg_cifar",
]
