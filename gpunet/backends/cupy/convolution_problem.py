"""One convolution's sizes, and which algorithm computes it."""

from __future__ import annotations

from dataclasses import dataclass

from gpunet.backends.cupy import windows
from gpunet.geometry import Pair, Window

_CUBLAS_LIMIT = 2**31 - 1  # rows or columns of a matrix
_WEIGHT_GRADIENT_BLOCKS = 2048  # enough to fill any GPU several times over
_OUTPUTS_OF_A_SHARE = 1024  # fewer are not worth a block and a partial sum


@dataclass(frozen=True)
class ConvolutionProblem:
    """Sizes of a convolution.

    Attributes:
        images, channels, height, width: of x.
        filters, groups: of the weight.
        window: the window.
        out_size: rows and columns of the output.
        itemsize: bytes of an element.
    """

    images: int
    channels: int
    height: int
    width: int
    filters: int
    groups: int
    window: Window
    out_size: Pair
    itemsize: int

    @property
    def places(self) -> int:
        """Windows on one image."""
        return self.out_size[0] * self.out_size[1]

    @property
    def rows(self) -> int:
        """Elements of the windows that lie at one place, over all channels: rows of the columns' matrix."""
        return self.channels * self.window.area

    @property
    def workspace_per_image(self) -> int:
        """Bytes of one image's columns and of their product."""
        return (self.rows + self.filters) * self.places * self.itemsize

    def images_at_once(self, workspace_bytes: int) -> int:
        """How many images' columns fit the workspace."""
        return min(workspace_bytes // self.workspace_per_image, _CUBLAS_LIMIT // self.places)

    def algorithm(self, workspace_bytes: int) -> str:
        """How the convolution and its gradient for x are computed; all have the error of a direct sum.

        | algorithm | when | why |
        |---|---|---|
        | "depthwise" | every channel has its own filters | a product of matrices with one row shares nothing |
        | "pointwise" | 1x1, stride 1, one group | the images are their own columns |
        | "columns" | the columns of one image fit the workspace | cuBLAS reuses what it has read, a sum does not |
        | "direct" | else | needs no memory |
        """
        if self.groups > 1 and self.groups == self.channels:
            return "depthwise"
        if self.window == Window((1, 1)) and self.groups == 1:
            return "pointwise"
        return "columns" if self.images_at_once(workspace_bytes) else "direct"

    def weight_gradient_algorithm(self, workspace_bytes: int) -> str:
        """How the gradient for the weight is computed.

        As `algorithm`, but a 1x1 window has columns too: the sum over images wants them as one matrix.
        """
        algorithm = self.algorithm(workspace_bytes)
        if algorithm != "pointwise":
            return algorithm
        return "columns" if self.images_at_once(workspace_bytes) else "direct"

    def weight_gradient_shares(self, sums: int) -> int:
        """Into how many partial sums the outputs are dealt when blocks of threads compute ``sums`` sums over them.

        A function of sizes alone, so that the order of summation is the same on every device.
        """
        wanted = -(-_WEIGHT_GRADIENT_BLOCKS // sums)
        return max(1, min(wanted, self.images * self.places // _OUTPUTS_OF_A_SHARE))

    def sizes(self) -> dict[str, int]:
        """The fields of ``struct Convolution`` in convolution.cu."""
        return {
            "images": self.images,
            "channels": self.channels,
            "filters": self.filters,
            "groups": self.groups,
        }

    def window_fields(self) -> dict[str, int]:
        """The fields of ``struct Window`` in common.cuh."""
        return windows.fields(self.window, self.height, self.width, self.out_size)
