import io
import re
import sys

import numpy as np
import pytest

from gpunet.data import folder, read_image
from gpunet.data.folder import read
from gpunet.errors import DataError
from gpunet.installation import install_command

Image = pytest.importorskip("PIL.Image", reason="reading folders of images needs Pillow: pip install 'gpunet[data]'")


def picture(number, height=5, width=7, grey=False):
    shape = (height, width) if grey else (height, width, 3)
    return ((np.arange(np.prod(shape)) * 3 + 40 * number) % 256).astype(np.uint8).reshape(shape)


def write(path, pixels, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)


def write_classes(place, classes=("cat", "dog"), count=5, **settings):
    for label, name in enumerate(classes):
        for number in range(count):
            write(place / name / f"{number}.png", picture(10 * label + number, **settings))


def test_train_and_test_folders(tmp_path):
    write_classes(tmp_path / "train", ("dog", "cat", "ant"), 3)
    write_classes(tmp_path / "test", ("dog", "cat"), 2)
    train, test = read(tmp_path, "pets")
    assert train.class_names == test.class_names == ("ant", "cat", "dog")
    assert train.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert test.labels.tolist() == [1, 1, 2, 2]
    assert train.sample_shape == test.sample_shape == (3, 5, 7)
    assert train.images.dtype == np.uint8
    expected = [picture(10 * label + number) for label in (2, 1, 0) for number in range(3)]
    assert np.array_equal(train.images, np.stack(expected).transpose(0, 3, 1, 2))
    assert np.array_equal(test.images[2], picture(0).transpose(2, 0, 1))
    assert train.name == "pets"
    assert np.array_equal(test.mean, train.mean)


def test_val_serves_as_test(tmp_path):
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "val", count=1)
    train, test = read(tmp_path, "pets")
    assert (len(train), len(test)) == (10, 2)


@pytest.mark.parametrize("inside", ["", "train"])
def test_classes_without_a_test_folder_are_split(tmp_path, inside):
    write_classes(tmp_path / inside, count=10)
    train, test = read(tmp_path, "pets")
    assert np.bincount(train.labels).tolist() == [8, 8]
    assert np.bincount(test.labels).tolist() == [2, 2]
    again = read(tmp_path, "pets")
    assert np.array_equal(again[1].images, test.images)
    seen = {image.tobytes() for image in (*train.images, *test.images)}
    assert seen == {picture(10 * k + n).transpose(2, 0, 1).tobytes() for k in range(2) for n in range(10)}


def test_the_order_is_that_of_the_names_at_any_depth(tmp_path):
    for number, name in enumerate(["b/1.png", "a.png", "b/0.PNG", "c.bmp"]):
        write(tmp_path / "train" / "x" / name, picture(number))
    write(tmp_path / "train" / "y" / "only.png", picture(9))
    write(tmp_path / "train" / ".hidden" / "1.png", picture(9))
    write(tmp_path / "train" / "x" / ".git" / "1.png", picture(9))
    write(tmp_path / "train" / "x" / ".1.png", picture(9))
    (tmp_path / "train" / "x" / "notes.txt").write_text("no image")
    write_classes(tmp_path / "test", ("x",), 1)
    train, _ = read(tmp_path, "")
    assert train.class_names == ("x", "y")
    assert [image.tobytes() for image in train.images] == [
        picture(number).transpose(2, 0, 1).tobytes() for number in (1, 2, 0, 3, 9)
    ]


def test_grey_images_have_one_channel(tmp_path):
    write_classes(tmp_path, grey=True, count=5)
    train, test = read(tmp_path, "")
    assert train.sample_shape == (1, 5, 7)
    assert read(tmp_path, "", channels=3)[0].sample_shape == (3, 5, 7)
    write(tmp_path / "cat" / "9.png", picture(0))
    assert read(tmp_path, "")[0].sample_shape == (3, 5, 7)
    assert read(tmp_path, "", channels=1)[1].sample_shape == (1, 5, 7)
    assert test.images.shape[1] == 1


def test_the_test_images_follow_the_training_images(tmp_path):
    write_classes(tmp_path / "train", grey=True)
    write_classes(tmp_path / "test")
    assert read(tmp_path, "")[1].sample_shape == (1, 5, 7)
    write(tmp_path / "test" / "cat" / "0.png", picture(0, 6, 7))
    with pytest.raises(DataError, match=r"0.png: is 6x7 but the images before it are 5x7.*Give image_size"):
        read(tmp_path, "")


@pytest.mark.parametrize(("image_size", "shape"), [(4, (3, 4, 4)), ((3, 8), (3, 3, 8)), ([5, 7], (3, 5, 7))])
def test_resizing(tmp_path, image_size, shape):
    write_classes(tmp_path / "train", ("a",), 1)
    write_classes(tmp_path / "train", ("b",), 1, height=20, width=10)
    write_classes(tmp_path / "test", ("b",), 1, height=2, width=2)
    train, test = read(tmp_path, "", image_size)
    assert train.sample_shape == test.sample_shape == shape
    expected = Image.fromarray(picture(0)).resize((shape[2], shape[1]), Image.Resampling.BILINEAR)
    assert np.array_equal(train.images[0], np.asarray(expected).transpose(2, 0, 1))


def test_images_of_several_sizes_need_one(tmp_path):
    write_classes(tmp_path)
    write(tmp_path / "dog" / "3.png", picture(0, 5, 8))
    with pytest.raises(DataError, match=r"dog/3.png: is 5x8 but the images before it are 5x7, wanted one size"):
        read(tmp_path, "")


@pytest.mark.parametrize("mode", ["P", "RGBA", "LA", "1", "CMYK"])
def test_modes_become_rgb_or_grey(tmp_path, mode):
    path = tmp_path / ("x.tiff" if mode == "CMYK" else "x.png")
    write(path, picture(0), mode)
    with Image.open(path) as image:
        assert image.mode == mode
        assert np.array_equal(read_image(path), np.asarray(image.convert("RGB")).transpose(2, 0, 1))
        assert np.array_equal(read_image(path, channels=1), np.asarray(image.convert("L"))[None])


def test_a_photo_is_turned_upright(tmp_path):
    image = Image.fromarray(picture(0, 4, 6))
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was held on its side
    image.save(tmp_path / "photo.png", exif=exif)
    got = read_image(tmp_path / "photo.png")
    assert got.shape == (3, 6, 4)
    assert np.array_equal(got, np.rot90(picture(0, 4, 6), -1).transpose(2, 0, 1))
    assert read_image(str(tmp_path / "photo.png"), 3, 1).shape == (1, 3, 3)


def test_deep_images_are_refused_rather_than_clipped(tmp_path):
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 900).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match=r"deep.png: has more than 8 bits a channel"):
        read_image(tmp_path / "deep.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tif", "webp", "ppm"])
def test_damaged_images_are_named(tmp_path, suffix):
    raw = io.BytesIO()
    kind = {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper())
    Image.fromarray(picture(0, 40, 40)).save(raw, kind)
    content = raw.getvalue()
    path = tmp_path / f"x.{suffix}"
    for damaged in (b"", b"no image", content[:5], content[: len(content) // 3], content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(DataError) as caught:
            read_image(path)
        assert str(caught.value).startswith(f"{path}: cannot be read as an image (")
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on damaged metadata of images it can read
def test_random_damage_gives_an_image_or_an_error_of_ours(tmp_path):
    random = np.random.default_rng(0)
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        raw = io.BytesIO()
        Image.fromarray(picture(0, 12, 12)).save(raw, kind)
        path = tmp_path / f"x.{kind.lower()}"
        for _ in range(60):
            content = np.frombuffer(raw.getvalue(), np.uint8).copy()
            where = random.integers(0, len(content), 4)
            content[where] = random.integers(0, 256, 4)
            path.write_bytes(content.tobytes())
            said, channels = f"{path}: ", 3
            try:
                channels = read_image(path).shape[0]
            except DataError as error:
                said = str(error)
            assert channels == 3
            assert said.startswith(f"{path}: ")


def test_a_corrupt_image_in_a_folder_is_named(tmp_path):
    write_classes(tmp_path)
    (tmp_path / "dog" / "2.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(DataError, match=r"dog/2.png: cannot be read as an image"):
        read(tmp_path, "")


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    write(tmp_path / "x.png", picture(0, 30, 30))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match=r"x.png: Image size \(900 pixels\) exceeds limit .* Make it smaller"):
        read_image(tmp_path / "x.png")


def test_no_such_image(tmp_path):
    with pytest.raises(DataError, match=r"absent.png: no such file"):
        read_image(tmp_path / "absent.png")


def test_folders_that_are_none(tmp_path):
    with pytest.raises(DataError, match=r"at least two, found none\. Point at"):
        read(tmp_path, "")
    write_classes(tmp_path, ("only",))
    with pytest.raises(DataError, match=r"at least two, found only\. "):
        read(tmp_path, "")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: holds no images \(.png, .jpg"):
        read(tmp_path, "")


def test_a_test_folder_that_does_not_fit(tmp_path):
    write_classes(tmp_path / "train")
    (tmp_path / "test").mkdir()
    with pytest.raises(DataError, match=r"test: holds no images, wanted at least one\. Remove it"):
        read(tmp_path, "")
    with pytest.raises(DataError, match=r"test: holds no images"):
        read(tmp_path, "", image_size=4)
    write_classes(tmp_path / "test", ("cow",), 1)
    with pytest.raises(DataError, match=r"test/cow: a class that .*train does not have"):
        read(tmp_path, "")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"image_size": 0}, r"image_size must be at least 1"),
        ({"image_size": (3, 4, 5)}, r"image_size must be an integer or \(rows, columns\)"),
        ({"image_size": "28"}, r"image_size must be an integer, got '28'"),
        ({"channels": 2}, r"channels must be 1 \(grey\), 3 \(RGB\) or None, got 2"),
    ],
)
def test_wrong_settings(tmp_path, settings, said):
    write_classes(tmp_path)
    with pytest.raises(DataError, match=said):
        read(tmp_path, "", **settings)


def test_without_pillow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    for attempt in (lambda: read(tmp_path, ""), lambda: read_image(tmp_path / "x.png")):
        with pytest.raises(DataError, match=re.escape(f"needs Pillow. Install it with: {install_command('data')}")):
            attempt()


def test_every_suffix_is_one_that_pillow_reads():
    assert set(folder.SUFFIXES) <= set(Image.registered_extensions())
