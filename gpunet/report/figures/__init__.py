"""The pictures of a report, one file each: what is measured goes in, a PNG comes out."""

from gpunet.report.figures.confusion import draw_confusion
from gpunet.report.figures.filters import draw_filters
from gpunet.report.figures.layers import draw_layers
from gpunet.report.figures.sheets import draw_explanation, draw_mistakes
from gpunet.report.figures.times import draw_times

__all__ = ["draw_confusion", "draw_explanation", "draw_filters", "draw_layers", "draw_mistakes", "draw_times"]
