"""What a Parquet file says of itself, read before any library acts on it.

A reader reserves the memory that a page's own header asks for, whatever the footer says of it: 15 kB may
ask for 2 GB. And some words of a footer end the process in which pyarrow is asked for them. Footer and
headers are structs of Thrift's compact protocol
(https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
"""

from collections.abc import Iterator
from typing import Any

from bench.errors import BenchError

#: Pages of a table, bytes of its footer, and structs within structs at most.
MOST_PAGES, MOST_FOOTER, DEEPEST = 10_000, 2**17, 12
#: PLAIN, PLAIN_DICTIONARY, RLE and RLE_DICTIONARY: others can ask for memory that their bytes do not need.
ENCODINGS = {0, 2, 3, 8}
#: Places in the footer, in a group of rows, and in what is said of a column.
ROWS, GROUPS = 3, 4
COLUMNS, GROUP_ROWS, ABOUT = 1, 3, 3
LENGTH, DATA, DICTIONARY = 7, 9, 11
#: In a page's header: bytes in memory, bytes in the file, and the headers of its kinds with their encoding.
IN_MEMORY, IN_FILE, KINDS = 2, 3, {5: 2, 7: 2, 8: 4}
#: Kinds of values.
TRUE, FALSE, BYTE, I16, I32, I64, BINARY, LIST, STRUCT = 1, 2, 3, 4, 5, 6, 8, 9, 12

Struct = dict[int, Any]


def size_in_memory(content: bytes) -> tuple[int, int]:
    """Rows of a file, and bytes that all its pages take when they are decompressed, as their headers say.

    Raises:
        BenchError: the parts belie one another or are damaged, or there are too many, or a page has an
            encoding that is not read.
    """
    try:
        footer = _footer(content)
        groups = footer.get(GROUPS, [])
        rows = sum(group[GROUP_ROWS] for group in groups)
        columns = [column[ABOUT] for group in groups for column in group[COLUMNS]]
        if rows != footer[ROWS]:
            raise BenchError(f"its groups have {rows:,} rows, it says {footer[ROWS]:,}")
        size = 0
        for number, header in enumerate(_headers(content, columns)):
            if number >= MOST_PAGES:
                raise BenchError(f"it has more than {MOST_PAGES:,} pages")
            if any(header[kind][place] not in ENCODINGS for kind, place in KINDS.items() if kind in header):
                raise BenchError("it has a page of an encoding that is not read")
            size += _count(header[IN_MEMORY])
    except (LookupError, TypeError, AttributeError) as error:  # beyond the end, or of another kind
        raise _damaged() from error
    return rows, size


def _footer(content: bytes) -> Struct:
    length = int.from_bytes(content[-8:-4], "little")
    if content[:4] != b"PAR1" or content[-4:] != b"PAR1" or length > len(content) - 12:
        raise BenchError("it is no Parquet file")
    if length > MOST_FOOTER:
        raise BenchError(f"its footer has {length:,} bytes; at most {MOST_FOOTER:,} are read")
    return _struct(content, len(content) - 8 - length)[0]


def _headers(content: bytes, columns: list[Struct]) -> Iterator[Struct]:
    """The header of every page of every column, dictionaries included."""
    for column in columns:
        at = _count(min(column[DATA], column.get(DICTIONARY, column[DATA])))
        end = at + column[LENGTH]
        while at < end:
            header, at = _struct(content, at)
            yield header
            at += _count(header[IN_FILE])


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
    """A whole number, a struct or a list; None for what is of no interest here; and where it ends."""
    if kind == BINARY:
        length, at = _varint(content, at)
        return None, at + length
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
