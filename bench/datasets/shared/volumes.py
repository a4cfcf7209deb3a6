"""Files that hold many images, read slice by slice through the field's own readers."""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import UsageError

#: What each kind of file is read by, and the extra that installs it.
EXTRAS = {"h5py": "hdf5", "zarr": "zarr", "pydicom": "medical", "nibabel": "medical"}


def opened(path: Path, key: str | None) -> Any:
    """An array-like of images, ``(N, H, W)`` or ``(N, C, H, W)``: ``shape``, ``dtype`` and ``[i]``.

    Handles are kept for each process by itself: what is open before a fork must not be read after it.

    Raises:
        UsageError: the file cannot be read, or holds no such array; the message names both.
    """
    open_, keep = OPENERS[kind(path)]
    try:
        if not keep:
            return open_(path, key)
        process = 0 if kind(path) == ".npz" else os.getpid()  # what lies in memory is shared by a fork
        return _kept(path, key, process, path.stat().st_mtime_ns)
    except UsageError:
        raise
    except ModuleNotFoundError as error:
        package = error.name or ""
        raise UsageError(
            f"{path} is read by {package}, which is not installed: pip install "
            f"'invbench[{EXTRAS.get(package, 'medical')}]'"
        ) from error
    except Exception as error:
        raise UsageError(f"{path} cannot be read: {type(error).__name__}: {error}") from error


def kind(path: Path) -> str:
    """The ending that says what a file is: ``.nii.gz`` counts as one."""
    name = path.name.lower()
    return next((ending for ending in OPENERS if name.endswith(ending)), "")


@lru_cache(maxsize=8)
def _kept(path: Path, key: str | None, process: int, changed: int) -> Any:
    return OPENERS[kind(path)][0](path, key)


def _npy(path: Path, key: str | None) -> Any:
    # Mapped anew for each image: pages of a mapping that stays count as memory of the process.
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _npz(path: Path, key: str | None) -> Any:
    with np.load(path, allow_pickle=False) as file:
        return file[_only(path, key, file.files)]


def _hdf5(path: Path, key: str | None) -> Any:
    import h5py

    file = h5py.File(path, "r", locking=False)
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return file[_only(path, key, names)]


def _zarr(path: Path, key: str | None) -> Any:
    import zarr

    found = zarr.open(str(path), mode="r")
    return found if isinstance(found, zarr.Array) else found[_only(path, key, list(found.array_keys()))]


def _tiff(path: Path, key: str | None) -> Any:
    import tifffile

    return _Pages(tifffile.TiffFile(path))


class _Pages:
    """The pages of a TIFF stack; of colour ones the channels come first."""

    def __init__(self, file: Any):
        self.file, first = file, file.pages[0]
        self.last = first.ndim == 3 and first.shape[-1] in (3, 4)
        self.dtype = first.dtype
        shape = first.shape[-1:] + first.shape[:-1] if self.last else first.shape
        self.shape = (len(file.pages), *shape)

    def __getitem__(self, index: int) -> Any:
        page = self.file.pages[index].asarray()
        return np.moveaxis(page, -1, 0) if self.last else page


def _nifti(path: Path, key: str | None) -> Any:
    import nibabel

    return _Slices(nibabel.load(path))


class _Slices:
    """The slices of a NIfTI volume along its third axis, its scale factors applied."""

    def __init__(self, image: Any):
        if len(image.shape) != 3:
            raise UsageError(f"{image.get_filename()}: a volume of three axes is expected, not {image.shape}")
        self.data = image.dataobj
        self.dtype = np.dtype(np.float32)
        self.shape = (image.shape[2], *image.shape[:2])

    def __getitem__(self, index: int) -> Any:
        return np.asarray(self.data[..., index], np.float32)


def _dicom(path: Path, key: str | None) -> Any:
    return _Dicom(path)


class _Dicom:
    """The slices of one DICOM file, rescaled as it says: of CT, Hounsfield units."""

    def __init__(self, path: Path):
        import pydicom

        self.path, header = path, pydicom.dcmread(path, stop_before_pixels=True)
        self.dtype = np.dtype(np.float32)
        self.shape = (int(header.get("NumberOfFrames") or 1), int(header.Rows), int(header.Columns))

    def __getitem__(self, index: int) -> Any:
        import pydicom

        file = pydicom.dcmread(self.path)
        frame = file.pixel_array.reshape(self.shape)[index].astype(np.float32)
        return frame * float(file.get("RescaleSlope", 1)) + float(file.get("RescaleIntercept", 0))


def dicom_place(path: Path) -> tuple[str, str, float]:
    """Patient, series and number of one DICOM file: what its slices are grouped and ordered by."""
    import pydicom

    file = pydicom.dcmread(path, stop_before_pixels=True)
    return (
        str(file.get("PatientID", "")),
        str(file.get("SeriesInstanceUID", "")),
        float(file.get("InstanceNumber") or 0),
    )


def _only(path: Path, key: str | None, names: list[str]) -> str:
    """The array that is meant: the one named, or the only one there is."""
    if key is None and len(names) == 1:
        return names[0]
    if key is None or key not in names:
        said = f"has no {key!r}" if key is not None else "holds several arrays; say which: key=NAME"
        raise UsageError(f"{path} {said}. There are: {', '.join(sorted(names)) or 'none'}.")
    return key


#: How each kind of file is opened, and whether it stays open.
OPENERS: dict[str, tuple[Callable[[Path, str | None], Any], bool]] = {
    ".npy": (_npy, False),
    ".npz": (_npz, True),
    ".h5": (_hdf5, True),
    ".hdf5": (_hdf5, True),
    ".zarr": (_zarr, True),
    ".tif": (_tiff, True),
    ".tiff": (_tiff, True),
    ".nii": (_nifti, True),
    ".nii.gz": (_nifti, True),
    ".dcm": (_dicom, False),
}
