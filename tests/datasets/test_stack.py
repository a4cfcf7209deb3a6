"""Stacks: every container that images of the field come in, one slice at a time."""

import h5py
import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
import torch
import zarr
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

import bench
from bench.datasets.shared.split import one_size
from bench.datasets.stack import Stack
from bench.errors import UsageError

COUNT, HEIGHT, WIDTH = 20, 12, 15


@pytest.fixture(scope="module")
def slices():
    """CT slices in Hounsfield units, ``(N, H, W)`` int16; the first pixel tells the number."""
    held = np.random.default_rng(0).integers(-1000, 2000, (COUNT, HEIGHT, WIDTH)).astype(np.int16)
    held[:, 0, 0] = np.arange(COUNT)
    return held


def write_npy(path, slices):
    """NumPy's own."""
    np.save(path / "a.npy", slices)
    return f"path={path / 'a.npy'}"


def write_npz(path, slices):
    """One array of two."""
    np.savez(path / "a.npz", ct=slices, other=np.zeros(3))
    return f"path={path / 'a.npz'},key=ct"


def write_hdf5(path, slices):
    """Chunks, compressed, in a group, beside another array."""
    with h5py.File(path / "a.h5", "w") as file:
        file.create_dataset("scans/ct", data=slices, chunks=(1, HEIGHT, WIDTH), compression="gzip")
        file["labels"] = np.zeros(COUNT)
    return f"path={path / 'a.h5'},key=scans/ct"


def write_zarr(path, slices):
    """An array without a group."""
    zarr.save(str(path / "a.zarr"), slices)
    return f"path={path / 'a.zarr'}"


def write_tiff(path, slices):
    """A page per slice."""
    tifffile.imwrite(path / "a.tif", slices, photometric="minisblack")
    return f"path={path / 'a.tif'}"


def write_nifti(path, slices):
    """Slices along the third axis, compressed."""
    volume = nibabel.Nifti1Image(slices.transpose(1, 2, 0), np.eye(4))
    volume.to_filename(path / "a.nii.gz")
    return f"path={path / 'a.nii.gz'}"


def write_dicom(path, slices):
    """One file a slice, named against their order, with an intercept as scanners write it."""
    for number, pixels in enumerate(slices):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = generate_uid(), generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file = pydicom.Dataset()
        file.file_meta = meta
        file.PatientID, file.SeriesInstanceUID, file.InstanceNumber = "anna", "1.2", number + 1
        file.Rows, file.Columns, file.SamplesPerPixel = HEIGHT, WIDTH, 1
        file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 0
        file.PhotometricInterpretation, file.RescaleSlope, file.RescaleIntercept = "MONOCHROME2", 1, -1024
        file.PixelData = (pixels.astype(np.int32) + 1024).astype(np.uint16).tobytes()
        file.save_as(path / f"{COUNT - number:03d}.dcm", enforce_file_format=True)
    return f"path={path}"


WRITERS = [write_npy, write_npz, write_hdf5, write_zarr, write_tiff, write_nifti, write_dicom]


def loaded(text, **params):
    """The splits of a stack from ``path=...,key=...``."""
    return Stack(**dict(item.split("=", 1) for item in text.split(",")), **params).load()


def in_order(splits):
    """All images, in the order of the file."""
    parts = [splits.train, *([splits.validation] if splits.validation else []), splits.test]
    return torch.cat([part.read(range(len(part))) for part in parts])


@pytest.mark.parametrize("write", WRITERS)
def test_every_container_gives_the_same_images(tmp_path, slices, write):
    """HU of -1000 to 2000 as 0 to 1, in the order of the slices, the last tenth for testing."""
    text = write(tmp_path, slices)
    splits = loaded(text, range="-1000,2000")
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (17, 1, 2)
    expected = (torch.from_numpy(slices.astype(np.float32))[:, None] + 1000) / 3000
    torch.testing.assert_close(in_order(splits), expected)
    assert one_size(splits.train) == (HEIGHT, WIDTH)
    assert splits.digest() == loaded(text, range="-1000,2000").digest()
    assert splits.digest() != loaded(text, range="-1000,2001").digest()


@pytest.mark.parametrize("write", WRITERS)
def test_what_scanners_write_are_reconstructions(tmp_path, slices, write):
    """DICOM and NIfTI slices: what is simulated from them is labelled so."""
    splits = loaded(write(tmp_path, slices), range="-1000,2000")
    assert splits.reconstructions is (write in (write_dicom, write_nifti))


@pytest.mark.parametrize("write", WRITERS)
def test_numbers_without_a_range_are_refused(tmp_path, slices, write):
    """The message names the file, what is in it, and what to say."""
    splits = loaded(write(tmp_path, slices))
    with pytest.raises(UsageError, match=rf"{tmp_path}.*image 0: .* numbers from -?\d+ to \d+.*range=LOWEST"):
        splits.train[0]


def test_a_window_cuts_off(tmp_path, slices):
    """Width 400 about 40: below -160 is black, above 240 white."""
    splits = loaded(write_npy(tmp_path, slices), window="40,400")
    expected = ((torch.from_numpy(slices.astype(np.float32))[:, None] + 160) / 400).clamp(0, 1)
    torch.testing.assert_close(in_order(splits), expected)


def test_a_number_outside_the_range_is_named(tmp_path, slices):
    """A range that is too small is not a window: nothing is cut off unasked."""
    splits = loaded(write_npy(tmp_path, slices), range="-1000,1500")
    with pytest.raises(UsageError, match=r"int16 numbers from .* not inside -1000 to 1500"):
        in_order(splits)


def test_patients_are_in_one_split_only(tmp_path, slices):
    """Groups are an array beside the images: bytes or text."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["ct"] = slices
        file["patient"] = [f"p{i // 4}".encode() for i in range(COUNT)]
    splits = loaded(f"path={tmp_path / 'a.h5'},key=ct,groups=patient", range="-1000,2000").with_validation()
    groups = [set(split.groups or ()) for split in splits.named().values()]
    assert sum(len(split) for split in splits.named().values()) == COUNT
    assert not groups[0] & groups[1] | groups[1] & groups[2] | groups[0] & groups[2]
    first = round(float(splits.test[0][0, 0, 0]) * 3000 - 1000)
    assert set(splits.test.groups or [f"p{first // 4}"]) == {f"p{first // 4}"}


def test_files_of_a_folder_are_groups(tmp_path, slices):
    """Each volume is in one split; they may differ in size."""
    for number in range(4):
        np.save(tmp_path / f"v{number}.npy", slices[: 3 + number, : 11 + number])
    splits = loaded(f"path={tmp_path}", range="-1000,2000", crop=10).with_validation()
    assert splits.image_shape == (1, 10, 10)
    assert sum(len(split) for split in splits.named().values()) == 3 + 4 + 5 + 6
    assert len({group for split in splits.named().values() for group in split.groups or ["one"]}) >= 3
    np.save(tmp_path / "v0.npy", slices[:3, :11])
    for number in (2, 3):
        (tmp_path / f"v{number}.npy").unlink()
    with pytest.raises(UsageError, match=r"has 2 groups \(v0.npy, v1.npy\), at least 3"):
        loaded(f"path={tmp_path}", range="-1000,2000")


def test_arrays_of_each_split(tmp_path):
    """MedMNIST's layout: training, validation and test images are arrays of one file, 8-bit levels."""
    rng = np.random.default_rng(0)
    held = {
        f"{name}_images": rng.integers(0, 256, (5, 28, 28), np.uint8) for name in ("train", "val", "test")
    }
    np.savez(tmp_path / "m.npz", **held)
    splits = loaded(f"path={tmp_path / 'm.npz'},key=train_images,validation=val_images,test=test_images")
    for name, split in zip(
        ("train", "val", "test"), (splits.train, splits.validation, splits.test), strict=True
    ):
        assert np.array_equal(split.read(range(5)).numpy()[:, 0], held[f"{name}_images"])


def test_complex_images_stay_complex(tmp_path):
    """Complex MR images, by their magnitude."""
    held = np.random.default_rng(0).normal(size=(6, 8, 8, 2)).view(np.complex128)[..., 0]
    np.save(tmp_path / "c.npy", held)
    splits = loaded(f"path={tmp_path / 'c.npy'}", range="0,10")
    assert splits.train[0].dtype == torch.complex64
    np.testing.assert_allclose(in_order(splits).numpy()[:, 0], held / 10, rtol=1e-6)


def test_what_cannot_be_read(tmp_path, slices):
    """Each message names the file, and says what was expected."""
    with pytest.raises(UsageError, match=r"none.h5 does not exist"):
        loaded(f"path={tmp_path / 'none.h5'}")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UsageError, match=r"a.txt ends in none of .npy"):
        loaded(f"path={tmp_path / 'a.txt'}")
    (tmp_path / "b.h5").write_bytes(b"no hdf5")
    with pytest.raises(UsageError, match=r"b.h5 cannot be read: OSError"):
        loaded(f"path={tmp_path / 'b.h5'}")
    text = write_hdf5(tmp_path, slices)
    with pytest.raises(
        UsageError, match=r"a.h5 holds several arrays; say which: key=NAME. There are: labels, scans/ct"
    ):
        loaded(text.partition(",")[0])
    with pytest.raises(UsageError, match=r"a.h5 has no 'ct'. There are: labels, scans/ct"):
        loaded(text.replace("scans/ct", "ct"))
    with pytest.raises(UsageError, match=r"\(labels\) is of shape \(20,\); images are \(N, H, W\)"):
        loaded(text.replace("scans/ct", "labels"))
    np.save(tmp_path / "o.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(UsageError, match=r"o.npy cannot be read: ValueError.*objects"):
        loaded(f"path={tmp_path / 'o.npy'}")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"range": "1"}, "range must be two numbers, as range=0,4095, not '1'"),
        ({"range": "5,5"}, "range must be lowest,highest"),
        ({"window": "40,0"}, "positive width"),
        ({"window": "40,nan"}, "finite"),
        ({"range": "0,1", "window": "0,1"}, "not both"),
        ({"test_share": 1.0}, "test_share"),
        ({"crop": 0}, "crop must be at least 1"),
    ],
)
def test_wrong_parameters(params, message):
    """Told when the dataset is named, not when it is read."""
    with pytest.raises(ValueError, match=message):
        Stack("a.npy", **params)


def test_a_whole_run_on_hdf5(tmp_path, slices):
    """From the command line's text form to scores."""
    text = write_hdf5(tmp_path, np.repeat(np.repeat(slices, 2, 1), 2, 2))
    record = bench.run("noise:sigma=0.05", "mean", f"stack:{text},range=-1000,2000", results=tmp_path)
    assert record.status == "ok", record.error
    assert record.scores["psnr"] > 5


def test_a_damaged_chunk_is_named_when_it_is_read(tmp_path):
    """HDF5's checksum tells; the message names file and image, and the others can be read."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        held = np.random.default_rng(0).random((9, 8, 8), np.float32)
        made = file.create_dataset("ct", data=held, chunks=(1, 8, 8), fletcher32=True)
        place = made.id.get_chunk_info(5)
    with path.open("r+b") as file:
        file.seek(place.byte_offset)
        file.write(b"\xff\x01\xff")
    whole = Stack(str(path))._images(None)
    assert whole[4].shape == (1, 8, 8)
    with pytest.raises(UsageError, match=r"stack: .*a.h5 is damaged: image 5 cannot be read"):
        whole[5]
