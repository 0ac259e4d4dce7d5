"""Batch normalisation, with what may follow it in the same pass."""

from __future__ import annotations

from abc import ABC, abstractmethod

from gpunet.state import Array


class Normalization(ABC):
    """The family's primitives; each docstring is the specification."""

    @abstractmethod
    def batch_norm(
        self,
        x: Array,
        weight: Array | None,
        bias: Array | None,
        eps: float,
        residual: Array | None = None,
        relu: bool = False,
    ) -> tuple[Array, Array, Array]:
        """Normalise each channel by this batch's mean and variance, then scale and shift.

        Args:
            x: (N, C, ...), at least one value a channel.
            weight, bias: (C,); None means 1 and 0.
            eps: added to the variance; above 0.
            residual: like x, added to what has been normalised; None adds nothing.
            relu: y is the larger of that and 0. Both give the bits that the same operations give one after the other.

        Returns:
            y like x; mean (C,); inv_std (C,) = 1 / sqrt(variance + eps), the variance biased (over N * ...).

        Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1.
        """

    @abstractmethod
    def batch_norm_backward(
        self,
        grad_y: Array,
        x: Array,
        weight: Array | None,
        mean: Array,
        inv_std: Array,
        y: Array | None = None,
    ) -> tuple[Array, Array, Array]:
        """Gradients of `batch_norm`; mean and variance are functions of x.

        Args:
            grad_y, x: (N, C, ...).
            weight: (C,) or None.
            mean, inv_std: (C,) as `batch_norm` returned them.
            y: like x, if `batch_norm` with ``relu`` and without ``residual`` returned it: grad_y is first stopped where
                y is not above 0, as `relu_backward` would; None stops nothing.

        Returns:
            grad_x like x; grad_weight (C,); grad_bias (C,).
        """

    @abstractmethod
    def batch_norm_inference(
        self,
        x: Array,
        weight: Array | None,
        bias: Array | None,
        mean: Array,
        inv_std: Array,
        residual: Array | None = None,
        relu: bool = False,
    ) -> Array:
        """Normalise each channel by given statistics: (x - mean) * inv_std * weight + bias.

        Args:
            x: (N, C, ...).
            weight, bias: (C,) or None.
            mean, inv_std: (C,).
            residual, relu: as in `batch_norm`.

        Returns:
            y like x.
        """
