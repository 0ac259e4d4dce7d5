"""Learning curves as a picture."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import Any

from gpunet.training.history import History


def draw_curves(history: History) -> bytes | None:
    """Loss and accuracy over the epochs, as a PNG; None without matplotlib or before the first epoch has ended."""
    if not history.records or find_spec("matplotlib") is None:
        return None
    # Not pyplot: it would open windows, and share its state with whoever plots in this process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with_accuracy = "train_accuracy" in history.last
    figure = Figure(figsize=(9.0 if with_accuracy else 5.0, 3.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2 if with_accuracy else 1, squeeze=False)[0]
    _plot(axes[0], history, "loss", 1.0, "loss")
    if with_accuracy:
        _plot(axes[1], history, "accuracy", 100.0, "accuracy (%)")
    content = io.BytesIO()
    # Without a date and the version of matplotlib, equal curves give equal files.
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _plot(axes: Any, history: History, what: str, scale: float, label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = history["epoch"]
    marker = "o" if len(epochs) <= 30 else None
    for part, colour in (("train", "#9a9a9a"), ("validation", "#0072b2")):
        key = f"{part}_{what}"
        if key in history.last:
            values = [scale * value for value in history[key]]
            axes.plot(epochs, values, label=part, color=colour, marker=marker, markersize=3.5, linewidth=1.6)
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(visible=True, color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(frameon=False)
