"""Result files: all numbers as JSON, and beside them a table in Markdown and a plot."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import in_words
from benchmarks.workers import FOLDER, IN_CHECKOUT

RESULTS = FOLDER / "results"
Plot = Callable[[Any, dict[str, Any]], None]


def default_path(name: str) -> Path:
    """Where a benchmark of a checkout leaves its results; for an installed package, the current folder."""
    return (RESULTS if IN_CHECKOUT else Path.cwd() / "gpunet-bench") / f"{name}.json"


def write(record: dict[str, Any], path: Path, markdown: str, plot: Plot | None = None) -> list[Path]:
    """Write ``path`` (JSON), and ``.md`` and ``.png`` beside it.

    Args:
        record: everything measured.
        path: ends in .json.
        markdown: the tables, under a head that says where the numbers come from.
        plot: draws on a matplotlib figure; left out where matplotlib is not installed, and said so.

    Returns:
        the files that were written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    table = path.with_suffix(".md")
    table.write_text(f"{head(record)}\n\n{markdown.strip()}\n", encoding="utf-8")
    written = [path, table]
    if plot is not None and (picture := draw(record, path.with_suffix(".png"), plot)):
        written.append(picture)
    print("written: " + ", ".join(map(str, written)))
    return written


def draw(record: dict[str, Any], path: Path, plot: Plot) -> Path | None:
    """Draw the picture, or say that there is no matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        print("no plot: matplotlib is not installed. Try: pip install 'gpunet[plot]'")
        return None
    figure = Figure(layout="constrained")
    FigureCanvasAgg(figure)
    plot(figure, record)
    figure.savefig(path, dpi=110)
    return path


def head(record: dict[str, Any]) -> str:
    """What stands above the tables: title, machine, date, commit and command."""
    run = record["run"]
    lines = [f"# {record['title']}", "", f"{in_words(run['machine'])}. {run['date']}, commit {run['commit']}.", ""]
    return "\n".join([*lines, f"    {run['command']}"])


def markdown_table(titles: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table; all columns but the first ``left`` ones are numbers."""
    rule = ["---" if place < left else "---:" for place in range(len(titles))]
    return "\n".join("| " + " | ".join(row) + " |" for row in (titles, rule, *rows))


def counted(threads: int) -> str:
    """In words; one thread is pinned wherever there is more than one processor."""
    return "1 pinned thread" if threads == 1 else f"{threads} threads"


def milliseconds(seconds: float) -> str:
    """Three digits."""
    return digits(1e3 * seconds)


def digits(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3g}"
