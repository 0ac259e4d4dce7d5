"""The loss of a classifier, together with its gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod

from gpunet.state import Array


class SoftmaxCrossEntropy(ABC):
    """The family's primitives; each docstring is the specification."""

    @abstractmethod
    def softmax_cross_entropy(
        self,
        logits: Array,
        labels: Array,
        class_weight: Array | None = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
    ) -> tuple[Array, Array]:
        """Negative log-likelihood of the labels under the softmax of the logits; stable for logits of any size.

        Args:
            logits: (N, C, d1, ...).
            labels: (N, d1, ...) integers in [0, C) or ``ignore_index``.
            class_weight: (C,) factor of each class, or None.
            ignore_index: samples with this label have loss 0 and gradient 0.
            label_smoothing: in [0, 1]: share of the target that is spread evenly over all classes.

        Returns:
            losses: (N, d1, ...), each already multiplied by its class weight.
            grad: like logits, the gradient of sum(losses) / sum of the class weights of the labels not ignored
                (their number without ``class_weight``); NaN if all are ignored.

        Raises:
            DataError: a label is out of range. Where looking at the labels would wait for a device, nothing is raised:
                such a label reads nothing, and makes its loss and the whole gradient NaN.
        """
