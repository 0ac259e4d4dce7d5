"""PyTorch's forms of the models, with the attribute names of torchvision, which the state-dict keys come from.

torchvision itself is not needed: these nets are written from its published structure. Only oracle tests import this.
"""

import torch
import torch_compact_models
import torch_image_models
from torch import nn
from torch.nn import functional as F

VGG_PLANS = {
    "vgg11": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "vgg13": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "vgg16": [64, 64, "M", 128, 128, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M"],
    "vgg19": [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"],
}


def seed_network(num_classes=10, in_channels=1, image_size=28, channels=32):
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(channels * (image_size // 2) ** 2, num_classes),
    )


class LeNet(nn.Module):
    def __init__(self, num_classes=10, in_channels=1, image_size=28):
        super().__init__()
        padding = 2 if image_size < 32 else 0
        side = ((image_size + 2 * padding - 4) // 2 - 4) // 2
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=padding)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * side * side, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x))).flatten(1)
        return self.fc3(self.relu(self.fc2(self.relu(self.fc1(x)))))


def vgg_features(plan, in_channels, batch_norm):
    layers = []
    for item in plan:
        if item == "M":
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers.append(nn.Conv2d(in_channels, item, 3, padding=1))
            layers += [nn.BatchNorm2d(item)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            in_channels = item
    return nn.Sequential(*layers)


class VGG(nn.Module):
    def __init__(self, name, num_classes=1000, in_channels=3, batch_norm=False, hidden_features=4096):
        super().__init__()
        self.features = vgg_features(VGG_PLANS[name], in_channels, batch_norm)
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, hidden_features),
            nn.ReLU(True),
            nn.Dropout(0.5),
            nn.Linear(hidden_features, hidden_features),
            nn.ReLU(True),
            nn.Dropout(0.5),
            nn.Linear(hidden_features, num_classes),
        )

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class VGGForCifar(nn.Module):
    def __init__(
        self,
        num_classes=10,
        in_channels=3,
        image_size=32,
        batch_norm=True,
        dropout=0.5,
        hidden_features=256,
        width=64,
    ):
        super().__init__()
        plan = [width, width, "M", 2 * width, 2 * width, "M", 4 * width, 4 * width, "M"]
        self.features = vgg_features(plan, in_channels, batch_norm)
        self.classifier = nn.Sequential(
            nn.Linear(4 * width * (image_size // 8) ** 2, hidden_features),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, num_classes),
        )

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_planes, planes, stride=1, downsample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, in_planes, planes, stride=1, downsample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, block, counts, num_classes=1000, in_channels=3, width=64):
        super().__init__()
        self.planes = width
        self.conv1 = nn.Conv2d(in_channels, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self.stage(block, width, counts[0], 1)
        self.layer2 = self.stage(block, 2 * width, counts[1], 2)
        self.layer3 = self.stage(block, 4 * width, counts[2], 2)
        self.layer4 = self.stage(block, 8 * width, counts[3], 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * width * block.expansion, num_classes)

    def stage(self, block, planes, count, stride):
        downsample = None
        if stride != 1 or self.planes != planes * block.expansion:
            downsample = nn.Sequential(
                nn.Conv2d(self.planes, planes * block.expansion, 1, stride, bias=False),
                nn.BatchNorm2d(planes * block.expansion),
            )
        blocks = [block(self.planes, planes, stride, downsample)]
        self.planes = planes * block.expansion
        blocks += [block(self.planes, planes) for _ in range(count - 1)]
        return nn.Sequential(*blocks)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


class OptionA(nn.Module):
    """Every second pixel, and as many channels of zeros on each side as make twice the channels."""

    def forward(self, x):
        half = x.shape[1] // 2
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, half, half))


class ResNetForCifar(nn.Module):
    def __init__(self, blocks_a_stage, num_classes=10, in_channels=3):
        super().__init__()
        n = blocks_a_stage
        self.conv1 = nn.Conv2d(in_channels, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = nn.Sequential(*(BasicBlock(16, 16) for _ in range(n)))
        self.layer2 = nn.Sequential(BasicBlock(16, 32, 2, OptionA()), *(BasicBlock(32, 32) for _ in range(n - 1)))
        self.layer3 = nn.Sequential(BasicBlock(32, 64, 2, OptionA()), *(BasicBlock(64, 64) for _ in range(n - 1)))
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean(dim=(2, 3)))


MODELS = {
    "alexnet": torch_compact_models.AlexNet,
    "squeezenet1_0": lambda **settings: torch_compact_models.SqueezeNet("1_0", **settings),
    "squeezenet1_1": lambda **settings: torch_compact_models.SqueezeNet("1_1", **settings),
    "mobilenet_v2": torch_compact_models.MobileNetV2,
    "unet": torch_image_models.UNet,
    "denoising_autoencoder": torch_image_models.DenoisingAutoencoder,
    "seed_network": seed_network,
    "lenet": LeNet,
    "vgg_cifar": VGGForCifar,
    "vgg11": lambda **settings: VGG("vgg11", **settings),
    "vgg11_bn": lambda **settings: VGG("vgg11", batch_norm=True, **settings),
    "vgg13": lambda **settings: VGG("vgg13", **settings),
    "vgg13_bn": lambda **settings: VGG("vgg13", batch_norm=True, **settings),
    "vgg16": lambda **settings: VGG("vgg16", **settings),
    "vgg16_bn": lambda **settings: VGG("vgg16", batch_norm=True, **settings),
    "vgg19": lambda **settings: VGG("vgg19", **settings),
    "vgg19_bn": lambda **settings: VGG("vgg19", batch_norm=True, **settings),
    "resnet20": lambda **settings: ResNetForCifar(3, **settings),
    "resnet32": lambda **settings: ResNetForCifar(5, **settings),
    "resnet44": lambda **settings: ResNetForCifar(7, **settings),
    "resnet56": lambda **settings: ResNetForCifar(9, **settings),
    "resnet110": lambda **settings: ResNetForCifar(18, **settings),
    "resnet18": lambda **settings: ResNet(BasicBlock, [2, 2, 2, 2], **settings),
    "resnet34": lambda **settings: ResNet(BasicBlock, [3, 4, 6, 3], **settings),
    "resnet50": lambda **settings: ResNet(Bottleneck, [3, 4, 6, 3], **settings),
    "resnet101": lambda **settings: ResNet(Bottleneck, [3, 4, 23, 3], **settings),
    "resnet152": lambda **settings: ResNet(Bottleneck, [3, 8, 36, 3], **settings),
}
