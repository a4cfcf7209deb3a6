"""What a Parquet file says of itself, read before any library acts on it.

A reader reserves the memory that a page's own header asks for, whatever the footer says of it: 15 kB may
ask for 2 GB. And some words of a footer end the process in which pyarrow is asked for them. Footer and
headers are structs of Thrift's compact protocol
(https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.errors import BenchError

#: Pages of a table, bytes of its footer, and structs within structs at most.
MOST_PAGES, MOST_FOOTER, DEEPEST = 10_000, 2**17, 12
#: PLAIN, PLAIN_DICTIONARY, RLE and RLE_DICTIONARY: others can ask for memory that their bytes do not need.
PLAIN, ENCODINGS = 0, {0, 2, 3, 8}
#: Places in the footer, in what it says of a column's type, in a group of rows, and in a column of that.
SCHEMA, ROWS, GROUPS = 2, 3, 4
REPETITION, NAME = 3, 4
COLUMNS, GROUP_ROWS, ABOUT = 1, 3, 3
TYPE, PATH, CODEC, LENGTH, DATA, DICTIONARY = 1, 3, 4, 7, 9, 11
#: In a page's header: bytes in memory, bytes in the file, and the headers of its kinds with their encoding.
IN_MEMORY, IN_FILE, KINDS = 2, 3, {5: 2, 7: 2, 8: 4}
#: The header of a page of data of the first kind, its number of values, and how they are encoded.
DATA_PAGE, VALUES, ENCODING = 5, 1, 2
#: What a type, a codec and a repetition are called: float64, as it is, and a value in every row.
DOUBLE, UNCOMPRESSED, REQUIRED = 5, 0, 0
#: Kinds of values.
TRUE, FALSE, BYTE, I16, I32, I64, BINARY, LIST, STRUCT = 1, 2, 3, 4, 5, 6, 8, 9, 12

Struct = dict[int, Any]


class Page(NamedTuple):
    """A page: its header, where that begins, and where what the page holds begins."""

    header: Struct
    place: int
    start: int


@dataclass(frozen=True)
class Chunk:
    """A column within a group of rows.

    Attributes:
        name: of the column, as bytes; of one within others theirs before it, with dots.
        kind: number of its type.
        codec: number of what it is compressed with.
        required: whether every row has a value.
        start: where its pages begin.
        end: where they end.
        pages: its pages, dictionaries included.
    """

    name: bytes
    kind: int
    codec: int
    required: bool
    start: int
    end: int
    pages: tuple[Page, ...]

    def doubles(self, content: bytes) -> npt.NDArray[np.float64] | None:
        """Its values, where they stand in one page as they are in memory; else None."""
        header = self.pages[0].header.get(DATA_PAGE) if len(self.pages) == 1 else None
        plain = self.required and (self.kind, self.codec) == (DOUBLE, UNCOMPRESSED)
        if header is None or not plain or header[ENCODING] != PLAIN:
            return None
        start, count = self.pages[0].start, header.get(VALUES)
        room = min(self.end, len(content)) - start
        if not isinstance(count, int) or not 0 <= 8 * count <= room:
            return None
        # A copy, as a file's numbers may begin at any byte: numpy takes twice as long over such.
        return np.frombuffer(content, "<f8", count, start).copy()


@dataclass(frozen=True)
class Table:
    """What a file says of itself.

    Attributes:
        rows: their number.
        size: bytes that all pages take when they are decompressed, as their headers say.
        groups: the columns of each group of rows.
    """

    rows: int
    size: int
    groups: tuple[tuple[Chunk, ...], ...]


#: What files say of themselves, by their footers, with the headers of their pages and where these stand:
#: runs on the same images have files of one form, in which the numbers alone differ.
_known: dict[bytes, tuple[Table, tuple[tuple[int, bytes], ...]]] = {}
#: How many are kept, and the most bytes that footer and headers of one may have.
MOST_KNOWN, LONGEST_KNOWN = 256, 2**12


def table(content: bytes) -> Table:
    """What a file and all its pages say of themselves.

    Raises:
        BenchError: the parts belie one another or are damaged, or there are too many, or a page has an
            encoding that is not read.
    """
    words = _footer(content)
    known, headers = _known.get(words, (None, ()))
    if known is not None and all(content[at : at + len(said)] == said for at, said in headers):
        return known
    found = _table(content, len(content) - 8 - len(words))
    pages = [page for chunks in found.groups for chunk in chunks for page in chunk.pages]
    if len(words) + sum(page.start - page.place for page in pages) <= LONGEST_KNOWN:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[words] = found, tuple((p.place, content[p.place : p.start]) for p in pages)
    return found


def _table(content: bytes, at: int) -> Table:
    try:
        footer = _struct(content, at)[0]
        rows = sum(group[GROUP_ROWS] for group in footer.get(GROUPS, []))
        if rows != footer[ROWS]:
            raise BenchError(f"its groups have {rows:,} rows, it says {footer[ROWS]:,}")
        required = {part.get(NAME): part.get(REPETITION) == REQUIRED for part in footer[SCHEMA][1:]}
        left, groups = MOST_PAGES, []
        for group in footer.get(GROUPS, []):
            chunks = []
            for column in group[COLUMNS]:
                chunks.append(_chunk(content, column[ABOUT], required, left))
                left -= len(chunks[-1].pages)
            groups.append(tuple(chunks))
        size = sum(_count(p.header[IN_MEMORY]) for chunks in groups for c in chunks for p in c.pages)
    except (LookupError, TypeError, AttributeError) as error:  # beyond the end, or of another kind
        raise _damaged() from error
    return Table(rows, size, tuple(groups))


def _chunk(content: bytes, about: Struct, required: dict[bytes, bool], most: int) -> Chunk:
    start = _count(min(about[DATA], about.get(DICTIONARY, about[DATA])))
    end, name = start + about[LENGTH], b".".join(about[PATH])
    pages: list[Page] = []
    for page in _pages(content, start, end):
        if len(pages) >= most:
            raise BenchError(f"it has more than {MOST_PAGES:,} pages")
        header = page.header
        if any(header[kind][place] not in ENCODINGS for kind, place in KINDS.items() if kind in header):
            raise BenchError("it has a page of an encoding that is not read")
        pages.append(page)
    return Chunk(name, about[TYPE], about[CODEC], required.get(name, False), start, end, tuple(pages))


def _pages(content: bytes, at: int, end: int) -> Iterator[Page]:
    while at < end:
        header, start = _struct(content, at)
        yield Page(header, at, start)
        at = start + _count(header[IN_FILE])


def _footer(content: bytes) -> bytes:
    length = int.from_bytes(content[-8:-4], "little")
    if content[:4] != b"PAR1" or content[-4:] != b"PAR1" or length > len(content) - 12:
        raise BenchError("it is no Parquet file")
    if length > MOST_FOOTER:
        raise BenchError(f"its footer has {length:,} bytes; at most {MOST_FOOTER:,} are read")
    return content[len(content) - 8 - length : -8]


def _count(value: int) -> int:
    if value < 0:
        raise _damaged()
    return value


def _struct(content: bytes, at: int, depth: int = 0) -> tuple[Struct, int]:
    """A struct's values by field, and where it ends; fields must be in order."""
    found: Struct = {}
    field = 0
    while head := content[at]:
        step, kind, at = head >> 4, head & 15, at + 1
        if not step:
            number, at = _number(content, at)
            step = number - field
        if step <= 0 or depth > DEEPEST:
            raise _damaged()
        field += step
        # Nearly all values are numbers of one byte: a table has hundreds, a leaderboard thousands of tables.
        if kind in (I16, I32, I64) and (byte := content[at]) < 128:
            found[field], at = (byte >> 1) ^ -(byte & 1), at + 1
        else:
            found[field], at = _value(content, at, kind, depth)
    return found, at + 1


def _value(content: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    """A whole number, bytes, a struct or a list; None for what is of no interest here; and where it ends."""
    if kind == BINARY:
        length, at = _varint(content, at)
        return content[at : at + length], at + length
    if kind == STRUCT:
        return _struct(content, at, depth + 1)
    if kind == LIST:
        return _list(content, at, depth + 1)
    if kind in (I16, I32, I64):
        return _number(content, at)
    if kind in (TRUE, FALSE, BYTE):
        return None, at + (kind == BYTE)
    raise _damaged()


def _list(content: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    head, at = content[at], at + 1
    length, kind = head >> 4, head & 15
    if length == 15:
        length, at = _varint(content, at)
    if kind in (TRUE, FALSE):  # no file of ours has any
        raise _damaged()
    values = []
    for _ in range(length):
        value, at = _value(content, at, kind, depth)
        values.append(value)
    return values, at


def _number(content: bytes, at: int) -> tuple[int, int]:
    """A signed whole number: the lowest bit is its sign."""
    value, at = _varint(content, at)
    return (value >> 1) ^ -(value & 1), at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A whole number in groups of seven bits, the lowest first."""
    value = 0
    for shift in range(0, 70, 7):
        byte, at = content[at], at + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise _damaged()


def _damaged() -> BenchError:
    return BenchError("its footer or the header of a page is damaged")
