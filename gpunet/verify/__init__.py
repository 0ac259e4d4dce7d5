"""Checks for users: is a gradient right, do two backends agree?"""

from gpunet.verify.gradient_check import GradientCheck, GradientCheckError, GradientComparison, gradient_check

__all__ = ["GradientCheck", "GradientCheckError", "GradientComparison", "gradient_check"]
