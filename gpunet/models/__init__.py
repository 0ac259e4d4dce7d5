"""Ready nets, one family a file; `create` makes one by its name.

Each function takes ``seed``: the same seed gives the same initial weights. Without it they come from the stream that
`gpunet.random.seed` started.
"""

from gpunet.models.alexnet import alexnet
from gpunet.models.autoencoder import denoising_autoencoder
from gpunet.models.compact import compact_resnet
from gpunet.models.lenet import lenet
from gpunet.models.mobilenet import mobilenet_v2
from gpunet.models.registry import classifies, create, names, settings_of
from gpunet.models.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from gpunet.models.resnet_cifar import resnet20, resnet32, resnet44, resnet56, resnet110
from gpunet.models.seed_network import seed_network
from gpunet.models.squeezenet import squeezenet1_0, squeezenet1_1
from gpunet.models.unet import unet
from gpunet.models.vgg import vgg11, vgg13, vgg16, vgg19, vgg_cifar

__all__ = [
    "alexnet",
    "classifies",
    "compact_resnet",
    "create",
    "denoising_autoencoder",
    "lenet",
    "mobilenet_v2",
    "names",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
    "seed_network",
    "settings_of",
    "squeezenet1_0",
    "squeezenet1_1",
    "unet",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "vgg_cifar",
]
