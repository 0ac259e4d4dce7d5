"""PyTorch's forms of AlexNet, SqueezeNet and MobileNet v2, as `torch_models` has the other classifiers."""

import torch
from torch import nn


class AlexNet(nn.Module):
    def __init__(self, num_classes=1000, in_channels=3, hidden_features=4096, dropout=0.5):
        super().__init__()
        stages = []
        # channels, kernel, stride, padding, whether pooling follows
        for filters, kernel, stride, padding, pools in (
            (64, 11, 4, 2, True),
            (192, 5, 1, 2, True),
            (384, 3, 1, 1, False),
            (256, 3, 1, 1, False),
            (256, 3, 1, 1, True),
        ):
            stages += [nn.Conv2d(in_channels, filters, kernel, stride, padding), nn.ReLU(inplace=True)]
            stages += [nn.MaxPool2d(3, 2)] if pools else []
            in_channels = filters
        self.features = nn.Sequential(*stages)
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(9216, hidden_features),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden_features, hidden_features),
            nn.ReLU(inplace=True),
            nn.Linear(hidden_features, num_classes),
        )

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class Fire(nn.Module):
    def __init__(self, in_channels, squeezed, expanded):
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x):
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], dim=1)


class SqueezeNet(nn.Module):
    def __init__(self, version, num_classes=1000, in_channels=3, dropout=0.5):
        super().__init__()
        filters, kernel, pools = {"1_0": (96, 7, (0, 3, 7)), "1_1": (64, 3, (0, 2, 4))}[version]
        layers = [nn.Conv2d(in_channels, filters, kernel, stride=2), nn.ReLU(inplace=True)]
        for number, eighth in enumerate((1, 1, 2, 2, 3, 3, 4, 4)):
            if number in pools:
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            layers.append(Fire(filters, 16 * eighth, 64 * eighth))
            filters = 128 * eighth
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Conv2d(512, num_classes, 1), nn.ReLU(inplace=True))

    def forward(self, x):
        return self.classifier(self.features(x)).mean(dim=(2, 3))


def normed(in_channels, out_channels, kernel, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    def __init__(self, before, after, stride, expansion):
        super().__init__()
        inside = before * expansion
        layers = [normed(before, inside, 1)] if expansion > 1 else []
        layers += [
            normed(inside, inside, 3, stride, inside),
            nn.Conv2d(inside, after, 1, bias=False),
            nn.BatchNorm2d(after),
        ]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and before == after

    def forward(self, x):
        return x + self.conv(x) if self.shortcut else self.conv(x)


class MobileNetV2(nn.Module):
    """``widths`` are the channels of the first convolution, of the seven stages and of the last convolution."""

    def __init__(self, num_classes=1000, in_channels=3, widths=(32, 16, 24, 32, 64, 96, 160, 320, 1280), dropout=0.2):
        super().__init__()
        first, *stages, last = widths
        layers = [normed(in_channels, first, 3, 2)]
        before = first
        repeats, strides = (1, 2, 3, 4, 3, 3, 1), (1, 2, 2, 2, 1, 2, 1)
        for stage, (after, repeat, stride) in enumerate(zip(stages, repeats, strides, strict=True)):
            for number in range(repeat):
                step = stride if number == 0 else 1
                layers.append(InvertedResidual(before, after, step, 1 if stage == 0 else 6))
                before = after
        layers.append(normed(before, last, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean(dim=(2, 3)))
