from __future__ import annotations

import base64
import io

import numpy as np
import pytest

from gpunet.report.pictures import as_png, as_rgb, data_uri, displayed_size, overlaid, resized

Image = pytest.importorskip("PIL.Image", reason="Pillow, which comes with matplotlib, is not installed")
pytest.importorskip("matplotlib", reason="matplotlib, of the extra [plot], is not installed")


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((28, 28), (112, 112)), ((8, 10), (88, 110)), ((64, 64), (128, 128)), ((120, 160), (120, 160)),
     ((224, 224), (160, 160)), ((100, 400), (40, 160)), ((1, 2000), (1, 160)), ((1, 1), (112, 112))],
)  # fmt: skip
def test_small_images_are_enlarged_and_large_ones_shrunk(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert displayed_size(*size) == wanted


def test_images_of_any_kind_as_colours() -> None:
    grey = np.array([[[0, 255]]], np.uint8)
    np.testing.assert_array_equal(as_rgb(grey), [[[0, 0, 0], [255, 255, 255]]])
    colour = np.arange(6, dtype=np.uint8).reshape(3, 1, 2)
    np.testing.assert_array_equal(as_rgb(colour), [[[0, 2, 4], [1, 3, 5]]])
    np.testing.assert_array_equal(as_rgb(np.array([[[-1.0, 0.5, 9.0]]], np.float32))[0, :, 0], [0, 128, 255])
    np.testing.assert_array_equal(as_rgb(np.array([[[10]], [[30]]], np.uint8)), [[[20, 20, 20]]])


def test_enlarging_repeats_pixels_and_shrinking_takes_means() -> None:
    image = as_rgb(np.array([[[0, 100], [200, 60]]], np.uint8))
    np.testing.assert_array_equal(resized(image, (4, 4))[..., 0], np.kron([[0, 100], [200, 60]], np.ones((2, 2))))
    assert resized(image, (1, 1)).tolist() == [[[90, 90, 90]]]
    assert resized(image, (2, 2)) is image


def test_an_overlay_leaves_what_has_no_weight_and_tints_the_rest() -> None:
    image = as_rgb(np.array([[[0, 90, 255, 90]]], np.uint8))
    laid = overlaid(image, np.array([[0.0, 0.0, 0.0, 1.0]]))
    np.testing.assert_array_equal(laid[0, :3], image[0, :3])
    assert len(set(laid[0, 3].tolist())) > 1
    colours = np.array([[[200, 0, 0]]], np.uint8)
    assert len(set(overlaid(colours, np.zeros((1, 1)))[0, 0].tolist())) == 1  # grey: colour means the map alone


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_holds_what_was_given(channels: int) -> None:
    image = as_rgb(np.arange(channels * 12, dtype=np.uint8).reshape(channels, 3, 4))
    content = as_png(image)
    with Image.open(io.BytesIO(content)) as read:
        assert read.mode == ("L" if channels == 1 else "RGB")
        np.testing.assert_array_equal(np.asarray(read.convert("RGB")), image)
    assert base64.b64decode(data_uri(content).removeprefix("data:image/png;base64,")) == content
