"""PyTorch's forms of the models that make an image of an image."""

import torch
from torch import nn
from torch.nn import functional as F


class DoubleConv(nn.Module):
    def __init__(self, before, after, between=None):
        super().__init__()
        between = between or after
        self.double_conv = nn.Sequential(
            nn.Conv2d(before, between, 3, padding=1, bias=False),
            nn.BatchNorm2d(between),
            nn.ReLU(),
            nn.Conv2d(between, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        )

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(before, after))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, joined, after, bilinear):
        super().__init__()
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(joined, after, joined // 2)
        else:
            self.up = nn.ConvTranspose2d(joined, joined // 2, 2, 2)
            self.conv = DoubleConv(joined, after)

    def forward(self, below, beside):
        y = self.up(below)
        rows, columns = (beside.shape[axis] - y.shape[axis] for axis in (2, 3))
        return self.conv(torch.cat([beside, F.pad(y, (0, columns, 0, rows))], dim=1))


class Out(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.conv = nn.Conv2d(before, after, 1)

    def forward(self, x):
        return self.conv(x)


class UNet(nn.Module):
    def __init__(self, num_classes=2, in_channels=3, width=64, bilinear=False):
        super().__init__()
        w, half = width, 2 if bilinear else 1
        self.inc = DoubleConv(in_channels, w)
        self.down1, self.down2, self.down3 = Down(w, 2 * w), Down(2 * w, 4 * w), Down(4 * w, 8 * w)
        self.down4 = Down(8 * w, 16 * w // half)
        self.up1 = Up(16 * w, 8 * w // half, bilinear)
        self.up2 = Up(8 * w, 4 * w // half, bilinear)
        self.up3 = Up(4 * w, 2 * w // half, bilinear)
        self.up4 = Up(2 * w, w, bilinear)
        self.outc = Out(w, num_classes)

    def forward(self, x):
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        y = self.up1(self.down4(x4), x4)
        return self.outc(self.up4(self.up3(self.up2(y, x3), x2), x1))


class DenoisingAutoencoder(nn.Module):
    def __init__(self, in_channels=1, image_size=28, width=16, code_channels=8, corruption=0.3):
        super().__init__()
        self.size = image_size
        self.corrupt = nn.Dropout(corruption)
        self.encoder = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, 2, 1),
            nn.ReLU(),
            nn.Conv2d(2 * width, code_channels, 1),
        )
        half = (image_size + 1) // 2
        self.decoder = nn.Sequential(
            nn.Conv2d(code_channels, 2 * width, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 3, 2, 1, output_padding=1 - half % 2),
            nn.ReLU(),
            nn.ConvTranspose2d(width, in_channels, 3, 2, 1, output_padding=1 - image_size % 2),
        )

    def forward(self, x):
        y = self.decoder(self.encoder(self.corrupt(x)))
        assert y.shape == x.shape
        return y
