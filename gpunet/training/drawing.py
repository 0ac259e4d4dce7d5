"""Pictures by matplotlib, in the same colours and with the same bytes whatever the user's own settings of it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from gpunet.errors import DataError
from gpunet.installation import install_command

Draw = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a picture.

    Attributes:
        ground: behind everything.
        text: of all that is to be read.
        grid: of lines in the background.
        quiet, accent, warm: of what is drawn: the second in rank, the first, and what calls for attention.
    """

    ground: str
    text: str
    grid: str
    quiet: str
    accent: str
    warm: str


LIGHT = Theme("#ffffff", "#1f2328", "#e6e6e6", "#9a9a9a", "#0072b2", "#d55e00")
DARK = Theme("#161b22", "#d8dee6", "#2b323b", "#87909b", "#57a9f2", "#f08b4b")


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def require_matplotlib(who: str) -> None:
    """Raise a DataError that begins with ``who`` and says how to install matplotlib, if it is not there."""
    if not can_draw():
        raise DataError(f"{who}: drawing needs matplotlib. Install it with: {install_command('plot')}")


def picture(draw: Draw, width: float, height: float, theme: Theme = LIGHT, dpi: int = 110) -> bytes:
    """A PNG of what ``draw(figure)`` draws; equal drawings give equal bytes.

    Args:
        draw: gets an empty figure.
        width, height: in inches.
        theme: the colours of frame, text and ticks.
        dpi: dots an inch.
    """
    # Not pyplot: it would open windows, and share its state with whoever plots in this process.
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    content = io.BytesIO()
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # not the user's style, which might even want a TeX
        mpl.rcParams.update(_settings(theme))
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # drawn as an empty box
        figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        # Without a date and the version of matplotlib, equal curves give equal files.
        figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def plain_axes(axes: Any) -> None:
    """Only the lines that are needed: a grid behind, no frame above and at the right."""
    axes.grid(visible=True, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _settings(theme: Theme) -> Any:
    return {
        "axes.edgecolor": theme.quiet,
        "axes.facecolor": theme.ground,
        "axes.labelcolor": theme.text,
        "axes.titlecolor": theme.text,
        "axes.titlesize": "medium",
        "figure.facecolor": theme.ground,
        "grid.color": theme.grid,
        "legend.frameon": False,
        "savefig.facecolor": theme.ground,
        "text.color": theme.text,
        "text.parse_math": False,  # names of classes may hold a dollar
        "xtick.color": theme.quiet,
        "xtick.labelcolor": theme.text,
        "ytick.color": theme.quiet,
        "ytick.labelcolor": theme.text,
    }
