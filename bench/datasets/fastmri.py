"""fastMRI: k-space as scanners recorded it."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.datasets import Dataset, Splits
from bench.datasets.shared.cache import Patience
from bench.datasets.shared.download import Part, default_root
from bench.datasets.shared.kspace import ROUNDING, KSpace, Sampling, Volume, stored
from bench.datasets.shared.layout import Layout
from bench.datasets.shared.masks import Kind
from bench.datasets.shared.volumes import opened
from bench.errors import UsageError, at_least

HOME = "https://fastmri.med.nyu.edu"
LAYOUT = Layout(
    "fastmri",
    "fastMRI",
    "singlecoil_train and singlecoil_val, or multicoil_..., with file1000001.h5 and the like",
    f"{HOME} (after its agreement is signed)",
)


class FastMRI(Dataset):
    """fastMRI: undersampled k-space of knees, one coil or many, with the fully sampled images.

    ``root`` holds ``singlecoil_train`` and ``singlecoil_val`` (or ``multicoil_...``), one HDF5 file a volume:
    ``kspace``, and ``reconstruction_esc`` (``reconstruction_rss``) of 320x320. Training volumes are learned
    from, whole volumes of them chosen by, and the validation part is for tests, as in papers: the test part
    has no truth. Measurements are recorded: the dataset brings its operator. Masks are fastMRI's for the
    file's name; every volume has one (the reference code draws new ones for training, here they stay).

    Images are magnitudes, as fastMRI's references, and networks see the zero-filled magnitude; with
    ``phase=true`` they are complex: networks see and give real and imaginary part, and the protocol compares
    magnitudes. Each volume is divided by the root mean square of the lines in the middle of its middle slice,
    which is measured: k-space and images alike, so that fastMRI's scores stay what they are.

    Args:
        root: folder that holds the parts; default: ``datasets`` in the cache folder.
        acceleration: all columns over measured ones.
        centre_fraction: share of the columns that is measured in the middle; default: 0.32 / acceleration
            (8 % at 4x, 4 % at 8x).
        mask: how the others are drawn; ``equispaced_fraction`` is what early papers call equispaced.
        coils: ``single`` or ``multi``.
        phase: whether images are complex.
        maps: with ``coils=multi,phase=true``: folder of files of the volumes' names with sensitivities,
            ``sensitivities`` (slices, coils, 320, 320); default: estimated from the lines in the middle.
        acquisition: only volumes of this one, ``CORPD_FBK`` or ``CORPDFS_FBK``.
        volumes: at most this many training volumes, the first by name.

    Raises:
        ValueError: a value outside its range, or one without effect.

    References:
        Zbontar et al.: fastMRI: an open dataset and benchmarks for accelerated MRI, arXiv 1811.08839.
        Knoll et al.: fastMRI, Radiology: Artificial Intelligence 2(1), 2020.
        Home: https://fastmri.med.nyu.edu
    """

    protocol = "fastmri"
    brings_operator = True

    def __init__(
        self,
        root: str | None = None,
        acceleration: int = 4,
        centre_fraction: float | None = None,
        mask: Kind = "random",
        coils: Literal["single", "multi"] = "single",
        phase: bool = False,
        maps: str | None = None,
        acquisition: str | None = None,
        volumes: int | None = None,
    ):
        at_least(2, acceleration=acceleration)
        share = 0.32 / acceleration if centre_fraction is None else centre_fraction
        if not 0 < share < 1 / acceleration:
            raise ValueError(
                f"centre_fraction must lie between 0 and 1 / acceleration, {1 / acceleration:g}, "
                f"not {share:g}"
            )
        if maps is not None and not (coils == "multi" and phase):
            raise ValueError("maps has an effect with coils=multi,phase=true alone")
        if volumes is not None:
            at_least(2, volumes=volumes)
        self.root, self.acquisition, self.volumes = default_root(root), acquisition, volumes
        given = Path(maps).expanduser() if maps else None
        self.sampling = Sampling(mask, acceleration, share, phase=phase, maps=given)
        self.coils = coils

    def parts(self) -> list[Part]:
        names = [f"{self.coils}coil_{part}" for part in ("train", "val")]
        return [Part(name, self.root / name, HOME) for name in names]

    def load(self) -> Splits:
        parts = self.parts()
        for part in parts:
            if not part.here:
                raise part.missing("fastmri")
        train, test = (self._volumes(part) for part in parts)
        train = train[: self.volumes]
        coils, rows, columns = (max(n) for n in zip(*((v.coils, *v.grid) for v in train + test), strict=True))
        most = max(volume.largest / volume.level for volume in train + test)
        held = [Slices(part, self.sampling, (coils, rows, columns)) for part in (train, test)]
        return Splits(*held, value_range=(0.0, most * (1 + ROUNDING)), group_kind="volume")

    def _volumes(self, part: Part) -> list[Volume]:
        LAYOUT.check_root(part.place, "*.h5")
        found = sorted(part.place.glob("*.h5"))
        patience = Patience(f"fastmri: looking through {part.name}", len(found))
        volumes = []
        for file in found:
            volume = _looked_at(file, self.coils)
            if self.acquisition in (None, volume.acquisition):
                volumes.append(Slices.levelled(volume, self.sampling))
            patience.step(1)
        if len(volumes) < 1 + (part.name.endswith("train")):
            of = f" of acquisition {self.acquisition}" if self.acquisition else ""
            raise UsageError(
                f"fastmri: {len(volumes)} volumes{of} in {part.place}, which is too few; its files "
                f"(file1000001.h5, ...) are given out at {HOME}"
            )
        return volumes


def _looked_at(file: Path, coils: Literal["single", "multi"]) -> Volume:
    """What a file says of itself.

    Raises:
        UsageError: it is damaged, or of another layout.
    """
    axes, target = (3, "reconstruction_esc") if coils == "single" else (4, "reconstruction_rss")
    with LAYOUT.naming(file):
        spectra, images = opened(file, "kspace"), opened(file, target)
    if spectra.ndim != axes or spectra.dtype.kind != "c" or images.ndim != 3:
        raise LAYOUT.error(
            file,
            f"holds kspace {spectra.shape} {spectra.dtype} and images {images.shape}; {coils}-coil volumes "
            f"are complex with {axes} axes and images with 3: another part (say coils=...), or another "
            "version of the layout",
        )
    grid, size = spectra.shape[-2:], images.shape[-2:]
    if len(images) != len(spectra) or grid[0] < size[0] or grid[1] < size[1]:
        raise LAYOUT.error(
            file,
            f"is inconsistent: {len(spectra)} slices of k-space {grid[0]}x{grid[1]} do not belong to "
            f"{len(images)} images of {size[0]}x{size[1]}; get it again",
        )
    attributes = spectra.file.attrs
    if "max" not in attributes:
        raise LAYOUT.error(file, "has no attribute max: another version of the layout")
    held = 1 if axes == 3 else spectra.shape[1]
    said = float(attributes["max"]), str(attributes.get("acquisition", ""))
    return Volume(file, range(len(spectra)), held, (grid[0], grid[1]), (size[0], size[1]), *said)


class Slices(KSpace):
    """Slices as NYU gives them out: k-space with its origin in the middle, and the images beside it."""

    layout = LAYOUT

    @classmethod
    def spectrum(cls, volume: Volume, number: int) -> Any:
        held = np.asarray(cls.slice(volume.file, "kspace", number), np.complex64)
        return held.reshape(volume.coils, *volume.grid)

    @classmethod
    def magnitude(cls, volume: Volume, number: int) -> Any:
        single = len(stored(volume.file, "kspace").shape) == 3
        key = "reconstruction_esc" if single else "reconstruction_rss"
        return np.asarray(cls.slice(volume.file, key, number), np.float32)
