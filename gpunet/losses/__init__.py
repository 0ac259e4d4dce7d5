"""Losses: called as ``loss(predictions, targets) -> (value, gradient)``."""

from gpunet.losses.binary_cross_entropy import BCEWithLogitsLoss
from gpunet.losses.cross_entropy import CrossEntropyLoss
from gpunet.losses.huber import HuberLoss
from gpunet.losses.loss import Loss
from gpunet.losses.mean_squared_error import MSELoss

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "HuberLoss", "Loss", "MSELoss"]
