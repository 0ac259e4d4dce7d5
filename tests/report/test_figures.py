"""Pictures: what they show, read from their pixels, and that nothing in a name or a number breaks them."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from gpunet.report.contents import Contents
from gpunet.report.drawn import NAMES, Drawn, draw_all
from gpunet.report.figures import draw_confusion, draw_filters, draw_layers, draw_times
from gpunet.report.figures.layers import drawn_layers
from gpunet.report.figures.text import shortened
from gpunet.report.figures.times import drawn_rows
from gpunet.report.layer_statistics import LayerStatistics
from gpunet.training.drawing import DARK, LIGHT, picture
from gpunet.training.layer_times import LayerTime, LayerTimes

Image = pytest.importorskip("PIL.Image", reason="Pillow, which comes with matplotlib, is not installed")
colors = pytest.importorskip("matplotlib.colors", reason="matplotlib, of the extra [plot], is not installed")

LAYER = LayerStatistics("fc", "Linear", (3,), 0.0, 1.0, 2.0, 0.0, 3, None, 1.0, 1.0, 1.0, 0.1)


def pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def share_of(content: bytes, colour: str) -> float:
    """Of the pixels, those that are nearly of this colour."""
    wanted = 255 * np.array(colors.to_rgb(colour))
    return float((np.abs(pixels(content).astype(float) - wanted).max(axis=2) < 12).mean())


def test_all_are_drawn_in_light_and_in_dark(drawn: dict[str, Drawn]) -> None:
    assert tuple(drawn) == NAMES
    for name, one in drawn.items():
        assert one.light.startswith(b"\x89PNG")
        assert tuple(pixels(one.light)[0, 0]) == (255, 255, 255), name
        if name not in {"mistakes", "grad_cam"}:
            assert one.dark is not None
            assert tuple(pixels(one.dark)[0, 0]) == tuple(bytes.fromhex(DARK.ground[1:])), name
            assert pixels(one.dark).shape == pixels(one.light).shape


def test_equal_contents_give_equal_pictures(contents: Contents, drawn: dict[str, Drawn]) -> None:
    assert draw_all(contents) == drawn


def test_what_is_not_there_is_not_drawn(contents: Contents) -> None:
    bare = replace(contents, mistakes=(), explanation=None, filters=None, history=type(contents.history)())
    assert tuple(draw_all(bare)) == ("confusion", "layers", "times")


def test_right_answers_and_mistakes_have_colours_of_their_own() -> None:
    names = ["a", "b", "c"]
    right = draw_confusion(np.diag([5, 5, 5]), names)
    assert share_of(right, LIGHT.accent) > 0.1
    assert share_of(right, LIGHT.warm) == 0
    wrong = draw_confusion(np.array([[5, 0, 0], [0, 5, 0], [1, 0, 4]]), names)  # the most frequent one is the strongest
    assert share_of(wrong, LIGHT.warm) > 0.02
    assert share_of(draw_confusion(np.zeros((3, 3), np.int64), names), LIGHT.accent) == 0


@pytest.mark.parametrize("count", [1, 2, 15, 30, 100])
def test_any_number_of_classes(count: int) -> None:
    confusion = np.random.default_rng(0).integers(0, 50, (count, count))
    names = [f"class {number} $\\frac{{{number}}}$ of a long name" for number in range(count)]
    assert pixels(draw_confusion(confusion, names)).shape[0] > 300


def test_names_are_drawn_as_they_are_whatever_they_hold() -> None:
    plain, dollars = (draw_confusion(np.eye(2, dtype=np.int64), [name, "b"]) for name in ("ab", "$\\alpha$"))
    assert plain != dollars
    for name in ("$", "a\nb", "\\", "%s", "日本語", "\x00", "", "🐱", "_^{}", "\u202eabc"):
        draw_confusion(np.eye(2, dtype=np.int64), [name, name])


def test_long_names_are_cut() -> None:
    assert shortened("a b\n c") == "a b c"
    assert shortened("x" * 18) == "x" * 18
    assert shortened("x" * 19) == "x" * 17 + "…"


@pytest.mark.parametrize(
    "shape", [(6, 1, 5, 5), (64, 3, 7, 7), (4, 2, 3, 3), (20, 1, 1, 1), (1, 1, 3, 1), (64, 40, 3, 3)]
)
def test_filters_of_any_shape(shape: tuple[int, int, int, int]) -> None:
    weights = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    image = pixels(draw_filters(weights))
    assert max(image.shape) < 2500
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 3


def test_filters_of_one_scale_with_their_sign_as_colour() -> None:
    weights = np.zeros((2, 1, 2, 2), np.float32)
    weights[0], weights[1] = 1, -1
    image = draw_filters(weights).strip()
    assert share_of(image, "#67001f") > 0.05  # the ends of the scale: red above 0, blue below
    assert share_of(image, "#053061") > 0.05
    colour = np.zeros((1, 3, 2, 2), np.float32)
    colour[0, 0] = 1
    assert share_of(draw_filters(colour), "#ff8080") > 0.1  # red alone, the others at 0, which is grey
    draw_filters(np.full((2, 1, 3, 3), np.nan, np.float32))
    draw_filters(np.zeros((2, 1, 3, 3), np.float32))


def test_layers_with_problems_are_marked() -> None:
    good = draw_layers([LAYER, replace(LAYER, name="b")])
    assert share_of(good, LIGHT.accent) > 0.05
    ill = draw_layers([LAYER, replace(LAYER, name="b", relative_gradient=1e-5)])
    assert share_of(ill, LIGHT.warm) > share_of(good, LIGHT.warm) + 0.02


def test_layers_with_numbers_that_have_no_place_on_a_scale() -> None:
    values = (None, 0.0, np.nan, np.inf, 1e-300, 1e300)
    draw_layers([replace(LAYER, relative_gradient=value, std=value or 0.0, largest=1.0) for value in values])
    draw_layers([replace(LAYER, relative_gradient=None)])


def test_of_many_layers_those_with_weights_or_problems_are_drawn() -> None:
    plain = replace(LAYER, weight=None)
    many = [LAYER, plain, replace(plain, relative_gradient=0.0)] * 20
    assert len(drawn_layers(many)) == 40
    assert len(drawn_layers(many[:30])) == 30
    assert pixels(draw_layers(many)).shape[0] > pixels(draw_layers(many[:3])).shape[0]


def test_of_many_times_the_slowest_are_drawn_in_their_order() -> None:
    rows = tuple(LayerTime(f"l{number}", "Linear", True, number % 50, 0.0) for number in range(100))
    shown = drawn_rows(LayerTimes(rows, 1, "numpy"))
    assert len(shown) == 40
    assert min(row.total for row in shown) == 30
    assert [row.name for row in shown] == sorted((row.name for row in shown), key=lambda name: int(name[1:]))
    draw_times(LayerTimes(rows, 1, "numpy"))
    draw_times(LayerTimes((LayerTime("l", "Linear", True, 0.0, 0.0),), 1, "numpy"))


def test_the_users_own_settings_of_matplotlib_change_nothing() -> None:
    import matplotlib as mpl

    def draw(figure) -> None:
        figure.subplots().set_title("$x$ %")

    before = picture(draw, 2, 2)
    with mpl.rc_context({"text.usetex": True, "axes.facecolor": "red", "font.size": 30, "figure.dpi": 300}):
        assert picture(draw, 2, 2) == before
        assert mpl.rcParams["font.size"] == 30
