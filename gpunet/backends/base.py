"""The contract that every backend fulfils. The primitives stand in `contract`, one file a family, each docstring the
specification of its primitive.

Images are (N, C, H, W) in logical order, whatever their strides. A primitive never writes to its arguments, except the
optimizer steps, which work in place. A batch of 0 images is legal: outputs are empty and sums over it are 0. Sizes are
checked by the callers (layers and `gpunet.functional`) through `gpunet.geometry.Window`, not here.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from gpunet.backends.contract.convolution import Convolution
from gpunet.backends.contract.elementwise import Elementwise
from gpunet.backends.contract.normalization import Normalization
from gpunet.backends.contract.optimizers import Optimizers
from gpunet.backends.contract.pooling import Pooling
from gpunet.backends.contract.softmax_cross_entropy import SoftmaxCrossEntropy
from gpunet.state import Array


class Backend(Convolution, Pooling, Normalization, SoftmaxCrossEntropy, Elementwise, Optimizers):
    """One place to compute: its arrays and the primitives that have an implementation of their own there.

    Elementwise work, plain reductions and matrix products are written once, in the layers, against `xp`.

    Attributes:
        name: "numpy" or "cupy".
        xp: the array module.
    """

    name: str
    xp: Any

    def __deepcopy__(self, memo: dict[int, Any]) -> Backend:
        return self  # a copied net computes in the same place

    @abstractmethod
    def asarray(self, array: Any, dtype: Any = None) -> Array:
        """``array`` as an array of this backend, copied only if it must be."""

    @abstractmethod
    def to_numpy(self, array: Array) -> Any:
        """``array`` as a NumPy array on the host; waits for the device."""

    @abstractmethod
    def owns(self, array: Any) -> bool:
        """Whether ``array`` is an array of this backend."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until everything asked of the device is done."""

    def device_memory(self) -> tuple[int, int] | None:
        """Bytes that this program holds of the device's memory, and all it has; None on the host."""
        return None

    def empty_like(self, x: Array) -> Array:
        """An array like x with anything in it, for ``out=``: quicker than a fresh one where memory is kept."""
        return self.xp.empty_like(x)

    def add(self, a: Array, b: Array) -> Array:
        """a + b of one shape and dtype, such as the gradients of what was used twice; a new array laid out as ``a``."""
        return self.xp.add(a, b, out=self.empty_like(a))

    def computing(self) -> AbstractContextManager[None]:
        """What must hold while a net computes; entered around each forward and each backward of every layer.

        It nests, since layers do. A failure that is the backend's own, such as a device out of memory, leaves it as a
        `BackendError`, to which the layer it came from adds its name.
        """
        return nullcontext()
