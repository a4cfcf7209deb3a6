"""Folder: a person's own images, in whatever form they come."""

import struct
import zlib

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from bench.datasets.folder import Folder, Pictures
from bench.datasets.shared.split import size_of_each
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


def test_sixteen_bits_need_a_range(tmp_path):
    """Levels of 1000 to 2900 of 65535 would be black: the file is named, with what to say."""
    for number, level in enumerate((1000, 1001, 2900)):
        Image.fromarray(np.full((4, 4), level, np.uint16)).save(tmp_path / f"{number}.png")
    with pytest.raises(UsageError, match=r"0\.png: uint16 numbers from 1000 to 1000; .*range=LOWEST,HIGHEST"):
        loaded(tmp_path)
    values = loaded(tmp_path, range="1000,2900")[:, 0, 0, 0]
    torch.testing.assert_close(values, torch.tensor([0, 1 / 1900, 1]))
    with pytest.raises(UsageError, match=r"2\.png: uint16 numbers .* not inside 0 to 2000"):
        loaded(tmp_path, range="0,2000")
    assert loaded(tmp_path, window="1000,2")[:, 0, 0, 0].tolist() == [0.5, 1, 1]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)])
def test_tiff_of_many_bits(tmp_path, dtype, shape):
    """Grey and colour, 16 bits and floats, to their last bit; Pillow would drop half of the colour's bits."""
    held = np.random.default_rng(0).integers(1000, 2900, (3, *shape)).astype(dtype)
    for number, pixels in enumerate(held):
        pixels[0, 0] = 1000 + number
        path = tmp_path / f"{number}.tif"
        tifffile.imwrite(path, pixels, photometric="rgb" if len(shape) == 3 else "minisblack")
    expected = torch.from_numpy(held.astype(np.float32) - 1000) / 2000
    expected = expected[:, None] if len(shape) == 2 else expected.permute(0, 3, 1, 2)
    torch.testing.assert_close(loaded(tmp_path, range="1000,3000"), expected)


def test_sixteen_bit_colour_elsewhere_is_refused(tmp_path):
    """Pillow reads 8 of the 16 bits of a colour PNG, and does not say so."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + np.full((4, 3), 1000, ">u2").tobytes() for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    png = b"\x89PNG\r\n\x1a\n" + chunks
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(png)
    with pytest.raises(UsageError, match=r"0\.png \(colour of 16 bits is read from TIFF, not from PNG"):
        loaded(tmp_path)


def test_floats_in_0_to_1_need_no_range(tmp_path):
    """They say themselves what they are; beyond that a range has to be declared."""
    for number in range(3):
        Image.fromarray(np.full((4, 4), number / 2, np.float32)).save(tmp_path / f"{number}.tif")
    assert loaded(tmp_path)[:, 0, 0, 0].tolist() == [0, 0.5, 1]
    Image.fromarray(np.full((4, 4), 700, np.float32)).save(tmp_path / "3.tif")
    with pytest.raises(
        UsageError, match=r"3\.tif: float32 numbers from 700 to 700, .* not inside 0 to 1; .*range"
    ):
        loaded(tmp_path)


def test_colour_or_grey_as_asked(ten):
    """Colour becomes grey by BT.601, grey is repeated."""
    Image.new("RGB", (10, 12), (200, 100, 50)).save(ten / "z.png")
    grey = loaded(ten, colour=False)
    assert grey.shape == (11, 1, 12, 10)
    assert int(grey[-1, 0, 0, 0]) == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert loaded(ten, colour=True).shape[1] == 3


def test_windows_at_random(ten):
    """Training takes windows at full resolution, test images come whole; sizes may differ."""
    save(ten / "other.png", 3, (9, 30, 3))
    splits = Folder(str(ten), size=8, crop="random").load()
    assert splits.image_shape == (3, 8, 8)
    assert {tuple(size) for size in size_of_each(splits.train)} <= {(12, 10), (9, 30)}
    assert Folder(str(ten)).load().image_shape == (3, 9, 10)


def test_large_folders_are_read_as_needed(ten, monkeypatch):
    """The same images, splits and sizes, one by one from their files."""
    kept = Folder(str(ten), size=6).load()
    monkeypatch.setattr("bench.datasets.shared.folders.KEPT", 0)
    lazy = Folder(str(ten), size=6).load()
    assert isinstance(lazy.train, Pictures)
    for one, two in zip(kept.named().values(), lazy.named().values(), strict=True):
        assert torch.equal(one.read(range(len(one))), two.read(range(len(two))))
    assert lazy.digest() == Folder(str(ten), size=6).load().digest()


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


@pytest.mark.parametrize("params", [{"size": 0}, {"test_share": 0}, {"test_share": 1}, {"test_share": -0.1}])
def test_bad_parameters(params):
    """The message names the parameter and the value."""
    ((name, value),) = params.items()
    with pytest.raises(ValueError, match=f"{name} .*not {value}"):
        Folder("anywhere", **params)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"crop": "random"}, "crop=random needs a size"),
        ({"crop": "none", "size": 8}, "size=8 has no effect with crop=none"),
        ({"range": "0"}, "range must be two numbers"),
    ],
)
def test_parameters_that_do_not_go_together(params, message):
    """Told when the dataset is named."""
    with pytest.raises(ValueError, match=message):
        Folder("anywhere", **params)
