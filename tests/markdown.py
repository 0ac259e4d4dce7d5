"""What the documentation tests need of Markdown: fenced blocks, links, headings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>[\w+-]*)[^`]*$")
_COMMENT = re.compile(r"^<!--\s*(?P<text>.*?)\s*-->$")
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)(?:\s+\"[^\"]*\")?\)|(?:src|href)=\"(?P<attribute>[^\"]+)\"")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: word after the fence, "" without one.
        text: what is inside.
        line: line of the file on which the text begins.
        comment: text of an HTML comment on the last line before the fence that is not blank, or "".
    """

    language: str
    text: str
    line: int
    comment: str


def blocks(document: str) -> list[Block]:
    """The fenced blocks of a document, in order; a fence that is never closed raises ValueError."""
    found = []
    comment = ""
    lines = iter(enumerate(document.splitlines(), start=1))
    for number, line in lines:
        opening = _FENCE.match(line)
        if opening:
            inside = []
            for _, text in lines:
                if text.strip() == opening["fence"]:
                    break
                inside.append(text.removeprefix(opening["indent"]))
            else:
                raise ValueError(f"the block that opens on line {number} is never closed")
            found.append(Block(opening["language"], "\n".join(inside) + "\n", number + 1, comment))
        if line.strip():
            remark = _COMMENT.match(line.strip())
            comment = remark["text"] if remark else ""
    return found


def prose(document: str) -> str:
    """The document without its fenced blocks and code spans."""
    fenced = {
        line for block in blocks(document) for line in range(block.line - 1, block.line + block.text.count("\n") + 1)
    }
    kept = (text for number, text in enumerate(document.splitlines(), start=1) if number not in fenced)
    return re.sub(r"`[^`\n]*`", "", "\n".join(kept))


def links(document: str) -> list[str]:
    """Targets of links and images."""
    return [match["target"] or match["attribute"] for match in _LINK.finditer(prose(document))]


def anchors(document: str) -> set[str]:
    """The fragments by which GitHub's rendering makes the headings of a document reachable."""
    kept = re.sub(r"^```.*?^```", "", document, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#{1,6} +(.+?) *$", kept, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(block: Block) -> list[str]:
    """The commands of a console block (its lines after ``$ ``) or of a shell block (all its lines), one line each."""
    text = re.sub(r" *\\\n *(> )?", " ", block.text)
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if block.language == "console":
        return [line[2:] for line in lines if line.startswith("$ ")]
    return [line.removeprefix("$ ") for line in lines] if block.language in {"sh", "bash", "shell"} else []


def documents(root: Path) -> list[Path]:
    """The Markdown files that people are meant to read."""
    return sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "benchmarks").rglob("*.md")])
