"""Learning curves as a picture."""

from __future__ import annotations

from typing import Any

from gpunet.training.drawing import LIGHT, Theme, can_draw, picture, plain_axes
from gpunet.training.history import History


def draw_curves(history: History, theme: Theme = LIGHT, dpi: int = 110) -> bytes | None:
    """Loss and accuracy over the epochs, as a PNG; None without matplotlib or before the first epoch has ended."""
    if not history.records or not can_draw():
        return None
    with_accuracy = any("train_accuracy" in record for record in history)

    def draw(figure: Any) -> None:
        axes = figure.subplots(1, 2 if with_accuracy else 1, squeeze=False)[0]
        _plot(axes[0], history, "loss", 1.0, "loss", theme)
        if with_accuracy:
            _plot(axes[1], history, "accuracy", 100.0, "accuracy (%)", theme)

    return picture(draw, 9.0 if with_accuracy else 5.0, 3.6, theme, dpi)


def _plot(axes: Any, history: History, what: str, scale: float, label: str, theme: Theme) -> None:
    from matplotlib.ticker import MaxNLocator

    epochs = history["epoch"]
    marker = "o" if len(epochs) <= 30 else None
    for part, colour in (("train", theme.quiet), ("validation", theme.accent)):
        key = f"{part}_{what}"
        values = [scale * record.get(key, float("nan")) for record in history]  # not every epoch need have it
        if any(key in record for record in history):
            axes.plot(epochs, values, label=part, color=colour, marker=marker, markersize=3.5, linewidth=1.6)
    axes.set_xlabel("epoch")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    plain_axes(axes)
    axes.legend()
