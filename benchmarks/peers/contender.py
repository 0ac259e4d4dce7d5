"""What every framework's module provides: `open_contender`, which prepares the framework, and one object per net.

This file needs nothing but Python.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from benchmarks.peers.architectures import Net

LEARNING_RATE, MOMENTUM, EPS = 1e-3, 0.9, 1e-5
RUNNING_SHARE = 0.1  # of a batch in the running statistics of batch normalisation


@dataclass(frozen=True)
class Task:
    """What is to be trained.

    Attributes:
        net: the architecture.
        batch_size: images of a step.
        variant: of the framework, such as "channels_last"; "" for its default.
        threads: how many the framework may use.
    """

    net: Net
    batch_size: int
    variant: str
    threads: int


class Contender(ABC):
    """A framework that is ready to train.

    The constructor imports the framework, sets its threads and makes the batch: random images, random labels. `build`
    makes net and optimizer; what it and `step` allocate is the memory of training.

    Attributes:
        packages: whose versions a result names.
    """

    packages: tuple[str, ...] = ()

    @abstractmethod
    def __init__(self, task: Task) -> None: ...

    @abstractmethod
    def build(self) -> None:
        """Make the net, with whatever weights the framework gives it, and SGD with momentum."""

    @abstractmethod
    def parameters(self) -> int:
        """How many numbers the net learns."""

    @abstractmethod
    def step(self) -> float:
        """One training step: zero the gradients, forward, loss, backward, update; the loss of the batch."""

    def about(self) -> dict[str, Any]:
        """What else a result should say of this framework."""
        return {}

    def versions(self) -> dict[str, str]:
        """Versions that the framework itself knows better than its installation."""
        return {}


def batch(task: Task) -> tuple[Any, Any]:
    """Images (N, C, H, W) in float32 and labels (N,) as NumPy arrays, the same for all."""
    import numpy as np

    generator = np.random.default_rng(0)
    images = generator.standard_normal((task.batch_size, *task.net.image), dtype=np.float32)
    return images, generator.integers(0, task.net.classes, task.batch_size)
