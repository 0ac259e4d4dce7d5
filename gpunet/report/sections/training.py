"""How the training went, and what stands out."""

from __future__ import annotations

import math
from typing import Any

from gpunet.report.contents import Contents
from gpunet.report.drawn import Drawn
from gpunet.report.findings import GOOD, NOTE, WARNING, findings, percent
from gpunet.report.markup import Markup, table, tag
from gpunet.report.sections.parts import absent, folded, lead, section

_COLUMNS = "epoch,learning rate,training loss,training accuracy,validation loss,validation accuracy".split(",")
_SIGNS = {GOOD: "good", NOTE: "to note", WARNING: "to mend"}


def facts(contents: Contents) -> Markup:
    """The figures at the top."""
    evaluation = contents.evaluation
    large = [
        ("test accuracy", percent(contents.accuracy)),
        ("test loss", f"{evaluation.loss:.4f}"),
        ("test images", f"{evaluation.samples:,}"),
        ("classes", f"{len(contents.table.names)}"),
    ]
    items = [tag("div", tag("dt", what), tag("dd", value)) for what, value in large]
    small = [tag("div", tag("dt", what), tag("dd", value)) for what, value in contents.facts]
    return tag("div", tag("dl", items, class_="large"), tag("dl", small, class_="small") if small else None)


def standing_out(contents: Contents) -> Markup:
    """The findings as a list, each with a link to what shows it."""
    items = [
        tag(
            "li",
            tag("span", _SIGNS[finding.kind], class_="sign"),
            tag("span", finding.text, " ", tag("a", "show", href=f"#{finding.section}")),
            class_=finding.kind,
        )
        for finding in findings(contents)
    ]
    return section("findings", "What stands out", tag("ul", items, class_="findings"))


def curves(contents: Contents, drawn: dict[str, Drawn]) -> Markup:
    """Learning curves, and the epochs as a table."""
    heading = "Learning curves"
    if "curves" not in drawn:
        return section("curves", heading, absent("The run has no metrics: no epoch has ended, or they are not kept."))
    records = contents.history.records
    last = records[-1]
    alt = f"Loss and accuracy over {len(records)} epochs. At the end: training loss {last['train_loss']:.3f}"
    if "validation_loss" in last:
        alt += f", validation loss {last['validation_loss']:.3f}"
    if "validation_accuracy" in last:
        alt += f", validation accuracy {percent(last['validation_accuracy'])}"
    return section(
        "curves",
        heading,
        lead(
            "Both losses should fall and stay close. Training far below validation is overfitting; both high is a "
            "net too small or trained too briefly. The training figures are means over an epoch, of a net that still "
            "changes, augmented images and dropout included: they may lie on the worse side of the validation's."
        ),
        tag("figure", drawn["curves"].shown(alt + ".")),
        folded(
            "The epochs as a table",
            table(
                "Each epoch",
                _COLUMNS,
                [_epoch(record) for record in records],
                numbers=range(1, 6),
            ),
        ),
    )


def _epoch(record: dict[str, Any]) -> list[str]:
    def shown(key: str, pattern: str) -> str:
        return pattern.format(record[key]) if key in record else "–"

    def share(key: str) -> str:
        return percent(record.get(key, math.nan), 2)

    return [
        shown("epoch", "{}"),
        shown("lr", "{:.3g}"),
        shown("train_loss", "{:.4f}"),
        share("train_accuracy"),
        shown("validation_loss", "{:.4f}"),
        share("validation_accuracy"),
    ]
