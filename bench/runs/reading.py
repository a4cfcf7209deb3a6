"""Files from strangers: sizes before contents; no link is followed, no pipe waited for, nothing unpickled."""

import hashlib
import io
import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json
from safetensors import SafetensorError
from safetensors.numpy import load

from bench.errors import BenchError
from bench.runs.pages import Table, table
from bench.text import printable

Array = npt.NDArray[Any]

#: The largest record.json, table, picture and file of a record that are read, in bytes.
MOST_JSON, MOST_TABLE, MOST_PICTURES, MOST_FILE = 2**20, 2**26, 2**26, 2**36
#: The most rows and columns of a table, and bytes of a table once it is decompressed.
MOST_ROWS, MOST_COLUMNS, MOST_DECOMPRESSED = 10**6, 64, 2**28
#: The longest name of a column.
LONGEST_NAME = 100


def opened(path: Path, most: int) -> io.BufferedReader:
    """A regular file of at most ``most`` bytes, opened: no link, no device, no pipe.

    Raises:
        BenchError: it is missing, something else than a file, or larger; the message begins with its name.
    """
    return os.fdopen(_descriptor(path, most)[0], "rb")


def _descriptor(path: Path, most: int) -> tuple[int, int]:
    """That file's descriptor, to be closed, and its size."""
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # which no system has all of
        flags |= getattr(os, name, 0)
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            raise BenchError(f"{path.name} is a link, which is not followed")
        # Looked at before it is opened, as opening a device can have effects, and after, as it may change.
        _check(path, found, most)
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise BenchError(f"{path.name} is missing") from None
    except (OSError, ValueError) as error:
        raise BenchError(f"{path.name} cannot be read ({error})") from error
    try:
        found = os.fstat(descriptor)
        _check(path, found, most)
    except BenchError:
        os.close(descriptor)
        raise
    return descriptor, found.st_size


def _check(path: Path, found: os.stat_result, most: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise BenchError(f"{path.name} is not a regular file")
    if found.st_size > most:
        raise BenchError(f"{path.name} has {found.st_size:,} bytes; at most {most:,} are read")


def contents(path: Path, most: int) -> bytes:
    """The bytes of a regular file; see :func:`opened`."""
    # A file object around the descriptor takes longer than a small file's content.
    descriptor, left = _descriptor(path, most)
    parts = []
    try:
        while left > 0 and (part := os.read(descriptor, left)):
            parts.append(part)
            left -= len(part)
    except OSError as error:
        raise BenchError(f"{path.name} cannot be read ({error})") from error
    finally:
        os.close(descriptor)
    return b"".join(parts)


def sha256(path: Path) -> str:
    """SHA-256 of a regular file of at most 64 GiB; see :func:`opened`."""
    with opened(path, MOST_FILE) as file:
        try:
            return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BenchError(f"{path.name} cannot be read ({error})") from error


def json_of(path: Path) -> Any:
    """The content of a strict JSON file of at most 1 MiB; control characters in its texts become escapes.

    Raises:
        BenchError: it cannot be read, is no JSON, has lone surrogates, or is nested over 200 deep.
    """
    return json_in(path.name, contents(path, MOST_JSON))


def json_in(name: str, text: bytes) -> Any:
    """The same of a file that is read already."""
    try:
        content = from_json(text, allow_inf_nan=False, cache_strings=False)
        return content if shows_itself(text) else _printable(content)
    except ValueError as error:
        raise BenchError(f"{name} is not JSON ({error})") from error


#: Every character of ASCII that shows itself, and the end of a line.
_PLAIN = bytes(range(32, 127)) + b"\n"


def shows_itself(text: bytes) -> bool:
    """Whether no text of a JSON file can hold a control character: none stands in it, none is escaped.

    Raises:
        ValueError: it is no UTF-8.
    """
    if b"\\" in text:
        return False
    return not text.translate(None, _PLAIN) or text.decode().replace("\n", "").isprintable()


def _printable(value: Any, lines: bool = False) -> Any:
    """All texts of a JSON value with escapes for control characters; tracebacks keep their lines."""
    if isinstance(value, str):
        return printable(value, lines)
    if isinstance(value, dict):
        return {printable(k): _printable(v, k == "traceback") for k, v in value.items()}
    return [_printable(v) for v in value] if isinstance(value, list) else value


def columns(path: Path, wanted: Collection[str] | None = None, text: str | None = None) -> dict[str, Array]:
    """Columns of a Parquet file: numbers as float64, and at most one of texts.

    Args:
        path: of the file.
        wanted: names of columns that must be there, of numbers; all are read if None.
        text: name of a column of texts that must be there too.

    Raises:
        BenchError: it cannot be read, is too large, or a column is missing, twice there, or of another type.
    """
    content = contents(path, MOST_TABLE)
    sized(path.name, content)
    return parsed(path.name, content, wanted, text)


def sized(name: str, content: bytes) -> Table:
    """What a Parquet file says of itself, before pyarrow reserves memory for it.

    Raises:
        BenchError: it is damaged, or too large.
    """
    try:
        found = table(content)
    except BenchError as error:
        raise BenchError(f"{name}: {error}") from error
    if found.rows > MOST_ROWS:
        raise BenchError(f"{name} has {found.rows:,} rows; at most {MOST_ROWS:,} are read")
    if found.size > MOST_DECOMPRESSED:
        size = f"{found.size:,} bytes; at most {MOST_DECOMPRESSED:,} are read"
        raise BenchError(f"{name} decompresses to {size}")
    return found


def parsed(
    name: str, content: bytes, wanted: Collection[str] | None, text: str | None = None
) -> dict[str, Array]:
    """Columns of a file that is :func:`sized`; see :func:`columns`."""
    try:
        # Small files: threads and the file system's own caches cost more than they bring.
        with pq.ParquetFile(pa.BufferReader(content), read_dictionary=[text] if text else None) as file:
            names = _checked_names(name, file, wanted, text)
            found = file.read(columns=names, use_threads=False)
            return {n: (_texts if n == text else _numbers)(found.column(n)) for n in names}
    except (pa.ArrowException, OSError, ValueError, LookupError, TypeError, OverflowError) as error:
        raise BenchError(f"{name} cannot be read ({str(error)[:200]})") from error


def _checked_names(
    name: str, file: pq.ParquetFile, wanted: Collection[str] | None, text: str | None
) -> list[str]:
    """Names of the columns to read, once their number and types are sound."""
    schema = file.schema_arrow
    if len(schema.names) > MOST_COLUMNS:
        raise BenchError(f"{name} has {len(schema.names):,} columns; at most {MOST_COLUMNS} are read")
    found = [n for n in schema.names if n != "__index_level_0__"] if wanted is None else [*wanted]
    found += [text] if text and text not in found else []
    for column in found:
        if schema.names.count(column) != 1:
            raise BenchError(f"{name} has the column {column[:LONGEST_NAME]!r} not once")
        kind = schema.field(column).type
        sound = _is_text(kind) if column == text else _is_number(kind)
        if len(column) > LONGEST_NAME or not sound:
            raise BenchError(f"{name} has a column {column[:LONGEST_NAME]!r} of {str(kind)[:LONGEST_NAME]}")
    return found


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _is_text(kind: pa.DataType) -> bool:
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def _numbers(column: pa.ChunkedArray) -> Array:
    numbers: Array = column.to_numpy().astype(np.float64, copy=False)
    return numbers


def _texts(column: pa.ChunkedArray) -> Array:
    """Texts as objects; equal ones are one object, however long the column is."""
    if column.null_count:
        raise ValueError("a text is missing")
    parts = []
    for chunk in column.chunks:
        known = chunk.dictionary.to_pylist()
        # One look at all of them: there may be thousands of files of one text an image.
        if not "".join(known).isprintable() or max(map(len, known), default=0) > 10 * LONGEST_NAME:
            known = [printable(text[: 10 * LONGEST_NAME]) for text in known]
        parts.append(np.array([*known, None], object)[chunk.indices.to_numpy()])
    return np.concatenate(parts) if parts else np.array([], object)


def tensors(path: Path, most: int = MOST_PICTURES) -> dict[str, Array]:
    """The arrays of a safetensors file.

    Raises:
        BenchError: it cannot be read or is too large.
    """
    try:
        return load(contents(path, most))
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise BenchError(f"{path.name} cannot be read ({str(error)[:200]})") from error
