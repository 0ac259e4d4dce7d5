"""Schedules: how the learning rate of an optimizer changes from batch to batch or from epoch to epoch."""

from gpunet.schedules.base import Schedule
from gpunet.schedules.cosine import CosineAnnealingLR
from gpunet.schedules.linear import LinearLR
from gpunet.schedules.one_cycle import OneCycleLR
from gpunet.schedules.sequential import SequentialLR
from gpunet.schedules.steps import MultiStepLR, StepLR

__all__ = ["CosineAnnealingLR", "LinearLR", "MultiStepLR", "OneCycleLR", "Schedule", "SequentialLR", "StepLR"]
