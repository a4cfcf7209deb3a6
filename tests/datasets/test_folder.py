"""Folder: a person's own images, in whatever form they come."""

import numpy as np
import pytest
import torch
from PIL import Image

from bench.datasets.folder import Folder
from bench.errors import UsageError


def save(path, number, shape=(12, 10, 3)):
    """Write an image whose pixels all tell its number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, number, np.uint8)).save(path)


def loaded(path, **params):
    """All images of a folder in order of their first pixel."""
    splits = Folder(str(path), **params).load()
    images = torch.cat([splits.train.images, splits.test.images])
    return images[images[:, 0, 0, 0].argsort()]


@pytest.fixture
def ten(tmp_path):
    """Ten colour images, some in subfolders, all of one size."""
    for number in range(10):
        save(tmp_path / ("a/b" if number % 2 else ".") / f"{number}.png", number)
    return tmp_path


def test_every_file_is_in_one_split(ten):
    """The split is by file: nothing lost, nothing twice, subfolders included."""
    splits = Folder(str(ten), test_share=0.3).load()
    assert splits.train.images.shape == (7, 3, 12, 10)
    assert splits.test.images.shape == (3, 3, 12, 10)
    assert loaded(ten)[:, 0, 0, 0].tolist() == list(range(10))


def test_the_split_depends_on_names_only(ten, tmp_path_factory):
    """A copy of the folder elsewhere gives the same splits."""
    copy = tmp_path_factory.mktemp("copy")
    for file in sorted(ten.rglob("*.png"), reverse=True):
        target = copy / file.relative_to(ten)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    assert Folder(str(ten)).load().digest() == Folder(str(copy)).load().digest()


def test_grey_files_give_one_channel(tmp_path):
    """Grey, with transparency or black and white, is one channel; pixel values are kept."""
    save(tmp_path / "0.png", 7, (5, 4))
    Image.new("LA", (4, 5), (100, 30)).save(tmp_path / "1.png")
    Image.new("1", (4, 5), 1).save(tmp_path / "2.png")
    images = loaded(tmp_path)
    assert images.shape == (3, 1, 5, 4)
    assert images[:, 0, 0, 0].tolist() == [7, 100, 255]


def test_one_colour_file_makes_all_colour(tmp_path):
    """Grey among colour is repeated in three channels."""
    save(tmp_path / "0.png", 7, (5, 4))
    save(tmp_path / "1.png", 8, (5, 4))
    Image.new("RGB", (4, 5), (10, 20, 30)).save(tmp_path / "2.png")
    images = loaded(tmp_path)
    assert images[0].unique().tolist() == [7]
    assert images[2, :, 0, 0].tolist() == [10, 20, 30]


def test_sixteen_bit_grey_is_reduced_not_clipped(tmp_path):
    """65535 levels to 255: v / 257, the exact inverse of v * 257."""
    for number, level in enumerate((0, 100, 255)):
        Image.fromarray(np.full((4, 4), level * 257, np.uint16)).save(tmp_path / f"{number}.png")
    assert loaded(tmp_path)[:, 0, 0, 0].tolist() == [0, 100, 255]


def test_photographs_are_turned_upright(tmp_path):
    """An image with an EXIF orientation of 6 is turned a quarter clockwise, as viewers show it."""
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    exif = Image.Exif()
    exif[0x0112] = 6
    for number in range(3):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png", exif=exif)
    np.testing.assert_array_equal(loaded(tmp_path)[0, 0].numpy(), np.rot90(pixels, -1))


def test_size_crops_the_centre_and_reduces(tmp_path):
    """With size set, images of any size and shape become squares; the middle is what is kept."""
    wide = np.zeros((8, 60), np.uint8)
    wide[:, 20:40] = 200
    Image.fromarray(wide).save(tmp_path / "0.png")
    save(tmp_path / "1.png", 201, (30, 16))
    save(tmp_path / "2.png", 202, (2, 2))
    images = loaded(tmp_path, size=4)
    assert images.shape == (3, 1, 4, 4)
    assert [image.unique().tolist() for image in images] == [[200], [201], [202]]


def test_other_and_hidden_files_are_passed_over(ten):
    """Notes, hidden files and folders do not count as images."""
    (ten / "notes.txt").write_text("mine")
    (ten / "._0.png").write_bytes(b"a file system's leftovers")
    save(ten / ".thumbnails" / "0.png", 99)
    assert len(loaded(ten)) == 10


def test_three_files_are_enough(tmp_path):
    """The least that can be split in three."""
    for number in range(3):
        save(tmp_path / f"{number}.jpg", number)
    splits = Folder(str(tmp_path), test_share=0.99).load().with_validation()
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (1, 1, 1)


def test_too_few_images(tmp_path):
    """An empty folder says how many are needed and what counts as an image."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"0 images in .*at least 3 are needed.*\.png"):
        Folder(str(tmp_path)).load()


def test_no_such_folder(tmp_path):
    """A missing folder and a file in its place are named."""
    with pytest.raises(UsageError, match="none does not exist"):
        Folder(str(tmp_path / "none")).load()
    save(tmp_path / "0.png", 0)
    with pytest.raises(UsageError, match=r"0\.png is a file, not a folder"):
        Folder(str(tmp_path / "0.png")).load()


def test_images_of_different_sizes(ten):
    """Without size set, two files of different sizes are named, with what to do."""
    save(ten / "other.png", 3, (9, 9, 3))
    with pytest.raises(UsageError, match=r"12x10 and 9x9 .*other\.png\); set size"):
        Folder(str(ten)).load()


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n broken"])
def test_a_file_that_is_no_image(ten, content):
    """It is named before anything is read; nothing is left out silently."""
    (ten / "bad.png").write_bytes(content)
    with pytest.raises(UsageError, match=r"unreadable: .*bad\.png .*repair"):
        Folder(str(ten)).load()


def test_a_truncated_image(ten):
    """A file whose header is whole and whose pixels are not is named too."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 10, 3), np.uint8)
    Image.fromarray(noise).save(ten / "cut.png")
    (ten / "cut.png").write_bytes((ten / "cut.png").read_bytes()[:200])
    with pytest.raises(UsageError, match=r"unreadable: .*cut\.png"):
        Folder(str(ten)).load()


def test_floating_point_images_are_refused(ten):
    """Their range is not known, and clipping them to 8 bits would ruin them silently."""
    Image.fromarray(np.full((12, 10), 0.5, np.float32)).save(ten / "float.tif")
    with pytest.raises(UsageError, match=r"float\.tif \(floating-point"):
        Folder(str(ten)).load()


@pytest.mark.parametrize("params", [{"size": 0}, {"test_share": 0}, {"test_share": 1}, {"test_share": -0.1}])
def test_bad_parameters(params):
    """The message names the parameter and the value."""
    ((name, value),) = params.items()
    with pytest.raises(ValueError, match=f"{name} .*not {value}"):
        Folder("anywhere", **params)
