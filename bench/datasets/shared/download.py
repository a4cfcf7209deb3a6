"""What is published elsewhere: where it belongs, and how it gets there when it is asked for."""

import gzip
import hashlib
import os
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.datasets.shared.cache import cache_folder
from bench.errors import BenchError, UsageError

#: Bytes that are written at a time, and seconds without an answer before a server counts as unreachable.
CHUNK, PATIENCE = 2**20, 30


@dataclass(frozen=True)
class Archive:
    """A file on the net.

    Attributes:
        url: its address.
        md5: of the file, where its publisher or a library that fetches it names one.
        contents_md5: of the folder that it leaves, as deepinv computes it: over the MD5 of each file.
        inside: name of the folder in it that is wanted; default: that of the place it goes to, or all of it.
        password: that a zip is locked with, where its publisher names one.
    """

    url: str
    md5: str = ""
    contents_md5: str = ""
    inside: str = ""
    password: str = ""

    @property
    def name(self) -> str:
        """Its file's name."""
        return self.url.partition("?")[0].rpartition("/")[2]


@dataclass(frozen=True)
class Part:
    """A part of a published dataset: one folder or file.

    Attributes:
        name: as its publisher calls it.
        place: where it is looked for.
        home: where it is described, and got by hand.
        licence: its terms, where a source that was read states them; else it says to look at its home.
        archive: what to download and unpack beside ``place``; None: it is got by hand.
        fetch: how another library gets it, in place of an archive.
    """

    name: str
    place: Path
    home: str
    licence: str = "see its home"
    archive: Archive | None = None
    fetch: Callable[[], object] | None = None

    @property
    def here(self) -> bool:
        """Whether there is something at its place."""
        return self.place.is_file() or (self.place.is_dir() and any(self.place.iterdir()))

    def missing(self, dataset: str) -> UsageError:
        """The error for what is not here: what was expected, and how to get it."""
        how = f"; or bench fetch {dataset}" if self.archive or self.fetch else ""
        return UsageError(
            f"{dataset}: {self.name} is not here: {self.place} does not exist or is empty. It is given out "
            f"at {self.home}{how}. If it lies elsewhere: {dataset}:root=FOLDER"
        )


def default_root(root: str | None) -> Path:
    """``root``; None: ``datasets`` in the cache folder, which ``INVBENCH_CACHE`` moves."""
    return Path(root).expanduser() if root else cache_folder() / "datasets"


def size_of(archive: Archive) -> int | None:
    """Bytes of an archive, as its server says; None if it does not.

    Raises:
        BenchError: it cannot be reached.
    """
    import requests

    try:
        answer = requests.head(archive.url, allow_redirects=True, timeout=PATIENCE)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise _unreachable(archive, error) from error
    return int(answer.headers["Content-Length"]) if "Content-Length" in answer.headers else None


def get(part: Part) -> None:
    """Bring a part to its place: gone on with where a download was cut off, checked, then unpacked.

    Raises:
        UsageError: it can only be got by hand.
        BenchError: no network, no room, no permission, or a file that is not what was published.
    """
    if part.here:
        return
    if part.fetch is not None:
        part.fetch()
        return
    if part.archive is None:
        raise UsageError(
            f"{part.name} cannot be fetched; get it at {part.home} and put it at {part.place} "
            f"(licence: {part.licence})"
        )
    try:
        part.place.parent.mkdir(parents=True, exist_ok=True)
        file = _downloaded(part.archive, part.place.parent)
        _unpacked(file, part)
    except (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, RuntimeError) as error:
        raise BenchError(f"{part.archive.url} cannot be unpacked for {part.name}: {error}") from error
    except OSError as error:
        raise BenchError(f"{part.name} cannot be stored in {part.place.parent}: {error}") from error


def _downloaded(archive: Archive, folder: Path) -> Path:
    """The archive's file, by pooch, which checks it."""
    import pooch
    import requests

    known = f"md5:{archive.md5}" if archive.md5 else None
    try:
        return Path(pooch.retrieve(archive.url, known, archive.name, folder, downloader=_Resuming(folder)))
    except requests.RequestException as error:
        raise _unreachable(archive, error) from error
    except ValueError as error:
        raise BenchError(
            f"{archive.url} is not the file that was published: {error}; nothing was kept"
        ) from error


@dataclass(frozen=True)
class _Resuming:
    """A downloader for pooch that goes on where the last one was cut off."""

    folder: Path

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        gone_on_with(url, self.folder / f"{Archive(url).name}.part", output_file)


def gone_on_with(url: str, part: Path, file: str | Path) -> None:
    """Download into ``part`` what is missing of it, and call it ``file`` when it is whole."""
    import requests

    there = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={there}-"} if there else {}
    with requests.get(url, headers=headers, stream=True, timeout=PATIENCE) as answer:
        if answer.status_code != requests.codes.requested_range_not_satisfiable:  # 416: it is all there
            answer.raise_for_status()
            going_on = answer.status_code == requests.codes.partial_content
            _enough_room(part.parent, int(answer.headers.get("Content-Length", 0)))
            with part.open("ab" if going_on else "wb") as held:
                for chunk in answer.iter_content(CHUNK):
                    held.write(chunk)
    os.replace(part, file)


def _enough_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(f"{needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free")


def _unpacked(file: Path, part: Part) -> None:
    """Unpack an archive beside ``part.place``; a plain file is moved there."""
    if zipfile.is_zipfile(file) and file.suffix == ".zip":
        with zipfile.ZipFile(file) as zipped:
            zipped.setpassword(part.archive.password.encode() if part.archive else b"")
            _extract(zipped.extractall, part)  # which drops what would lead out of the folder
    elif tarfile.is_tarfile(file):
        with tarfile.open(file) as tarred:
            _extract(partial(_untar, tarred), part)
    elif file.suffix == ".gz":
        _gunzip(file, part.place)
    else:
        os.replace(file, part.place)
        return
    expected = part.archive.contents_md5 if part.archive else ""
    if expected and (found := contents_md5(part.place)) != expected:
        shutil.rmtree(part.place, ignore_errors=True)
        raise BenchError(f"{part.name}: the unpacked files have MD5 {found}, published is {expected}")
    file.unlink()


def _untar(tarred: tarfile.TarFile, folder: Path) -> None:
    """Files and folders that stay within; by the filter "data" where Python has it (since 3.11.4)."""
    if hasattr(tarfile, "data_filter"):
        tarred.extractall(folder, filter="data")
        return
    for member in tarred:
        stays = (folder / member.name).resolve().is_relative_to(folder.resolve())
        if not stays or not (member.isfile() or member.isdir()):
            raise tarfile.TarError(f"{member.name} leads out of the folder, or is neither file nor folder")
    tarred.extractall(folder)


def _gunzip(file: Path, place: Path) -> None:
    """Under another name first, like :func:`_extract`."""
    draft = place.with_name(f".{place.name}.unpacking")
    with gzip.open(file) as packed, draft.open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    os.replace(draft, place)


def _extract(extractall: Callable[[Path], None], part: Part) -> None:
    """Into a folder of its own first: what is cut off half-way is not taken for the whole."""
    draft = part.place.parent / f".{part.place.name}.unpacking"
    shutil.rmtree(draft, ignore_errors=True)
    extractall(draft)
    wanted = (part.archive and part.archive.inside) or part.place.name
    inside = next((path for path in sorted(draft.rglob(wanted)) if path.is_dir()), draft)
    shutil.rmtree(part.place, ignore_errors=True)
    os.replace(inside, part.place)
    shutil.rmtree(draft, ignore_errors=True)


def contents_md5(folder: Path) -> str:
    """MD5 over the MD5 (as text) of each file of a folder, in the order of their names."""
    whole = hashlib.md5(usedforsecurity=False)
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
        whole.update(digest.hexdigest().encode())
    return whole.hexdigest()


def _unreachable(archive: Archive, error: Exception) -> BenchError:
    return BenchError(
        f"{archive.url} cannot be downloaded ({type(error).__name__}: {error}); without a network, download "
        "it elsewhere and copy it here: what was downloaded so far is kept and gone on with"
    )
