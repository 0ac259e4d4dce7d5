"""The parts of the page, each a function from what was measured to HTML."""

from gpunet.report.sections.answers import classes, explanation, mistakes
from gpunet.report.sections.insides import filters, layers, times
from gpunet.report.sections.training import curves, facts, standing_out

__all__ = ["classes", "curves", "explanation", "facts", "filters", "layers", "mistakes", "standing_out", "times"]
