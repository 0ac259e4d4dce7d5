"""The reader of Markdown that the documentation tests stand on."""

import markdown
import pytest

DOCUMENT = """\
# A title: *with* `code`

See [the guide](docs/guide.md#first-step "a hint") and ![curves](docs/curves.png), not `[this](nowhere.md)`.

<!-- not run: needs a GPU -->

```python
x = "[no link](absent.md)"
# not a heading
```

```console
$ gpunet train --epochs 2 \\
    --seed 1
test accuracy 99.0 %
# a comment
$ make test
```

  ```sh
  pip install gpunet
  ```
<img src="logo.png">
"""


def test_blocks_with_their_language_line_and_comment() -> None:
    found = markdown.blocks(DOCUMENT)
    assert [(block.language, block.line, block.comment) for block in found] == [
        ("python", 8, "not run: needs a GPU"),
        ("console", 13, ""),
        ("sh", 21, ""),
    ]
    assert DOCUMENT.splitlines()[7] == found[0].text.splitlines()[0]


def test_a_block_that_is_never_closed_is_named() -> None:
    with pytest.raises(ValueError, match="line 3"):
        markdown.blocks("text\n\n```python\nx = 1\n")


def test_links_stand_in_prose_only() -> None:
    assert markdown.links(DOCUMENT) == ["docs/guide.md#first-step", "docs/curves.png", "logo.png"]


def test_anchors_are_those_of_github() -> None:
    assert markdown.anchors(DOCUMENT) == {"a-title-with-code"}


def test_commands_are_joined_and_stripped_of_prompt_and_output() -> None:
    _, console, shell = markdown.blocks(DOCUMENT)
    assert markdown.commands(console) == ["gpunet train --epochs 2 --seed 1", "make test"]
    assert markdown.commands(shell) == ["pip install gpunet"]
