"""A trained net as a page that shows what it learned, and the measurements behind it."""

from gpunet.report.grad_cam import GradCam, grad_cam, last_feature_layer
from gpunet.report.layer_statistics import LayerStatistics, layer_statistics
from gpunet.report.page import make_report

__all__ = [
    "GradCam",
    "LayerStatistics",
    "grad_cam",
    "last_feature_layer",
    "layer_statistics",
    "make_report",
]
