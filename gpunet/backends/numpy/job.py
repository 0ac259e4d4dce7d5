"""What is done to the pieces of a primitive's work, in this process or a helper."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Job(ABC):
    """A piece of work that is called with each piece in turn; subclasses are dataclasses of arrays and sizes.

    A helper process gets a copy of the job, whose arrays stand in shared memory. It does not share the attributes, nor
    any variable of a module.

    Attributes:
        outputs: names of the attributes that are written to. What they hold comes from `memory`.
    """

    outputs: ClassVar[tuple[str, ...]]

    @abstractmethod
    def __call__(self, piece: Any) -> None:
        """Do the part of the work that ``piece`` stands for: no other piece writes what this one does."""
