"""Checks for users: is a gradient right, do two backends agree?"""

from gpunet.verify.compare import compare
from gpunet.verify.comparison import Comparison, LayerComparison, PassComparison
from gpunet.verify.gradient_check import GradientCheck, GradientCheckError, GradientComparison, gradient_check

__all__ = [
    "Comparison",
    "GradientCheck",
    "GradientCheckError",
    "GradientComparison",
    "LayerComparison",
    "PassComparison",
    "compare",
    "gradient_check",
]
