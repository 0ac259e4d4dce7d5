"""The tables and the plot of bench_training.py."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from benchmarks import timing
from benchmarks.contenders import ENTRANTS, TORCH_LAYOUTS
from benchmarks.peers.architectures import NETS
from benchmarks.results import counted, digits, markdown_table, milliseconds

OWN = ("gpunet-numpy", "gpunet-cupy")
_TITLES = ("contender", "ms a step", "quartiles", "images/s", "peak MB", "quiet samples", "time over gpunet's")


def markdown(record: dict[str, Any], notes: bool = True) -> str:
    """One table for each net, batch size and number of threads, and what must be known to read it."""
    parts = []
    for (net, batch_size, threads), group in groupby(record["rows"], _group):
        rows = list(group)
        parts += [f"## {NETS[net].title}, batch {batch_size}, {counted(threads)}", _table(rows)]
        parts += [f"{ENTRANTS[row['contender']].title} failed: {row['error']}" for row in rows if "error" in row]
        if line := against_torch(rows):
            parts.append(line)
    if notes:
        parts += _notes(record)
    return "\n\n".join(parts)


def against_torch(rows: list[dict[str, Any]]) -> str:
    """gpunet's NumPy backend against the faster of PyTorch's two layouts, in words; empty if one is missing."""
    done = {row["contender"]: row for row in rows if "summary" in row}
    layouts = [done[name] for name in TORCH_LAYOUTS if name in done]
    if OWN[0] not in done or not layouts:
        return ""
    faster = min(layouts, key=lambda row: timing.best_median(row["summary"]))
    found = paired_ratio(faster, done[OWN[0]])
    kind = "undisturbed" if found["quiet"] else "partly disturbed"
    text = f"gpunet's NumPy backend is **{found['median']:.2f}** times as fast as {ENTRANTS[faster['contender']].title}"
    text += f" (quartiles {found['lower']:.2f}–{found['upper']:.2f} of {found['pairs']} {kind} pairs)"
    own, other = (row.get("memory", {}).get("peak_bytes") for row in (done[OWN[0]], faster))
    return text + (f", with {own / other:.2f} of its memory." if own and other else ".")


def paired_ratio(slower: dict[str, Any], faster: dict[str, Any]) -> dict[str, Any]:
    """`timing.ratio` of two rows."""
    return timing.ratio(*(samples(row) for row in (slower, faster)))


def samples(row: dict[str, Any]) -> list[timing.Sample]:
    """The samples that a row of a result file holds."""
    kept = ("seconds", "steps", "others", "turn")
    return [timing.Sample(**{name: sample[name] for name in kept}) for sample in row["samples"]]


def plot(figure: Any, record: dict[str, Any]) -> None:
    """Images a second as bars: one group of axes for each net, batch size and number of threads."""
    groups = [(key, [row for row in rows if "summary" in row]) for key, rows in groupby(record["rows"], _group)]
    groups = [(key, rows) for key, rows in groups if rows]
    figure.set_size_inches(9, 1 + sum(0.6 + 0.3 * len(rows) for _, rows in groups))
    axes = figure.subplots(len(groups), 1, squeeze=False, height_ratios=[1 + len(rows) for _, rows in groups])[:, 0]
    for ax, ((net, batch_size, threads), rows) in zip(axes, groups, strict=True):
        rows = sorted(rows, key=lambda row: row["images_per_second"])
        names = [ENTRANTS[row["contender"]].title for row in rows]
        colours = ["tab:green" if row["contender"] in OWN else "tab:gray" for row in rows]
        bars = ax.barh(names, [row["images_per_second"] for row in rows], color=colours)
        ax.bar_label(bars, [f" {digits(row['images_per_second'])}" for row in rows])
        ax.margins(x=0.12)
        ax.set_title(f"{NETS[net].title}, batch {batch_size}, {counted(threads)}", loc="left", fontsize="medium")
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("images trained on a second")


def _table(rows: list[dict[str, Any]]) -> str:
    done = sorted((row for row in rows if "summary" in row), key=lambda row: timing.best_median(row["summary"]))
    own = next((row for row in done if row["contender"] in OWN), None)
    lines = []
    for row in done:
        found = row["summary"]["quiet"] or row["summary"]["all"]
        count = f"{row['summary']['quiet_samples']} of {row['summary']['samples']}"
        lines.append([
            ENTRANTS[row["contender"]].title,
            milliseconds(found["median"]),
            f"{milliseconds(found['lower'])}–{milliseconds(found['upper'])}",
            digits(row["images_per_second"]),
            _megabytes(row.get("memory")),
            count if row["summary"]["quiet"] else f"{count} (!)",
            "" if own is None or row is own else f"{paired_ratio(row, own)['median']:.2f}",
        ])  # fmt: skip
    return markdown_table(_TITLES, lines)


def _notes(record: dict[str, Any]) -> list[str]:
    share = record["settings"]["quiet_share"]
    method = (
        "Medians over the samples during which other processes had at most "
        f"{share:.0%} of the processors; where there were fewer than {timing.FEWEST_QUIET} of them, over all samples, "
        "marked (!). Ratios are medians over pairs of samples from the same round. Peak memory: the highest resident "
        "size while the net is made and trained for ten steps, in a fresh process, less what was resident before."
    )
    lines = [
        method,
        "Versions: " + "; ".join(f"{ENTRANTS[name].title}: {_versions(a)}" for name, a in record["contenders"].items()),
    ]
    if record["absent"]:
        lines.append("Absent: " + "; ".join(f"{ENTRANTS[name].title}, {why}" for name, why in record["absent"].items()))
    return lines


def _versions(about: dict[str, Any]) -> str:
    words = [f"{name} {version}" for name, version in about["versions"].items()]
    libraries = [library for library in about["blas"] if library.get("user_api") == "blas"]
    parts = ("internal_api", "version", "architecture")
    return ", ".join(words + [" ".join(library.get(part, "") for part in parts).strip() for library in libraries])


def _megabytes(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    return "failed" if "error" in found else digits(found["peak_bytes"] / 1e6)


def _group(row: dict[str, Any]) -> tuple[str, int, int]:
    return row["net"], row["batch_size"], row["threads"]
