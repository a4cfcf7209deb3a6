"""Parquet files whose parts belie one another: what is read is bounded by what the pages themselves say."""

import os
import resource
import struct

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.runs import pages
from bench.runs.pages import table
from bench.runs.reading import columns
from bench.runs.units import Units, write

EXAMPLES = 5000 if os.environ.get("BENCH_HOSTILE") == "large" else 100
ROWS = 4 * 10**7


def written(path, rows, dictionary=False, groups=1, **options):
    """A file with one column of zeros in pages as large as can be."""
    schema = pa.schema([pa.field("psnr", pa.float64(), nullable=False)])
    pq.write_table(
        pa.table({"psnr": np.zeros(rows)}, schema), path, compression="zstd", use_dictionary=dictionary,
        data_page_size=2**31 - 1, max_rows_per_page=rows, write_batch_size=rows,
        row_group_size=rows // groups, write_statistics=False, **options,
    )  # fmt: skip
    return path


def varint(number, width=0):
    """A whole number as Thrift's compact protocol has it, made longer without a change of its value."""
    groups = [(2 * number >> shift) & 127 for shift in range(0, 63, 7) if 2 * number >> shift or not shift]
    groups += [0] * (width - len(groups))
    return bytes([*(g | 128 for g in groups[:-1]), groups[-1]])


def belied(path, *pairs):
    """Other numbers in the file's footer, of the same length."""
    content = path.read_bytes()
    length = struct.unpack("<I", content[-8:-4])[0]
    footer = content[-8 - length : -8]
    for said, lie in pairs:
        assert varint(said) in footer
        footer = footer.replace(varint(said), varint(lie, len(varint(said))))
    path.write_bytes(content[: -8 - length] + footer + content[-8:])


def test_what_honest_pages_say(tmp_path):
    """Numbers that must be there take eight bytes each, by the format."""
    path = written(tmp_path / "a.parquet", 1000)
    found = table(path.read_bytes())
    assert (found.rows, found.size) == (1000, 8000)
    path = written(tmp_path / "b.parquet", 1000, groups=4)
    found = table(path.read_bytes())
    assert (found.rows, found.size) == (1000, 8000)
    # A dictionary of one number, and one run of indices: its bit width, its length in two bytes, a byte.
    path = written(tmp_path / "c.parquet", 1000, dictionary=True)
    found = table(path.read_bytes())
    assert (found.rows, found.size) == (1000, 8 + 4)


def test_a_form_that_is_known(tmp_path):
    """Of two files with one footer, the second is not taken for the first where a page says otherwise."""
    path = written(tmp_path / "scores.parquet", 1000)
    content = path.read_bytes()
    assert table(content) is table(bytes(content))
    (page,) = table(content).groups[0][0].pages
    header = content[page.place : page.start]
    assert varint(8000) in header
    lie = header.replace(varint(8000), varint(9000, len(varint(8000))))
    assert table(content.replace(header, lie)).size == 9000
    assert table(content).size == 8000


@pytest.mark.parametrize(("rows", "letters"), [(1000, 1), (2, 3000)], ids=["many pages", "long words"])
def test_forms_of_many_words_are_not_kept(tmp_path, rows, letters):
    """Headers of a thousand pages, or one of thousands of letters, are forgotten when the file is read."""
    path, words = tmp_path / "scores.parquet", [f"{number:{letters}}" for number in range(rows)]
    pq.write_table(
        pa.table({"group": words}), path, use_dictionary=False, compression="none", data_page_size=8,
        write_batch_size=1, write_statistics=["group"] if letters > 1 else False,
    )  # fmt: skip
    before = len(pages._known)
    found = pages.table(path.read_bytes())
    assert sum(page.start - page.place for page in found.groups[0][0].pages) > pages.LONGEST_KNOWN
    assert len(pages._known) == before


def test_pages_larger_than_the_footer_says(tmp_path):
    """15 kB that ask for 320 MB, in the words of the footer for 8 MB."""
    path = written(tmp_path / "scores.parquet", ROWS)
    size = pq.read_metadata(path).row_group(0).column(0).total_uncompressed_size
    belied(path, (ROWS, 10**6), (size, 8 * 10**6))
    assert pq.read_metadata(path).num_rows == 10**6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BenchError, match="decompresses to 320,000,000 bytes; at most"):
        columns(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_more_rows_in_groups_than_the_file_says(tmp_path):
    """Equal numbers take no room in the file, and eight bytes each in memory."""
    path = written(tmp_path / "scores.parquet", ROWS, dictionary=True, groups=2)
    belied(path, (ROWS, 1000))
    with pytest.raises(BenchError, match="its groups have 40,000,000 rows, it says 1,000"):
        columns(path)


def test_an_encoding_that_asks_for_what_it_does_not_need(tmp_path):
    """Differences of equal numbers take no room at all."""
    path = tmp_path / "scores.parquet"
    pq.write_table(
        pa.table({"psnr": np.zeros(100, np.int64)}), path, use_dictionary=False,
        column_encoding={"psnr": "DELTA_BINARY_PACKED"},
    )  # fmt: skip
    with pytest.raises(BenchError, match="an encoding that is not read"):
        columns(path)


def test_a_footer_of_many_megabytes(tmp_path):
    """It is not read into objects."""
    path = tmp_path / "scores.parquet"
    pq.write_table(pa.table({f"c{i}": [0.0] for i in range(20_000)}), path)
    with pytest.raises(BenchError, match=r"its footer has [\d,]+ bytes; at most"):
        columns(path)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A small honest file."""
    path = tmp_path_factory.mktemp("pages") / "sound.parquet"
    table = pa.table({"psnr": np.arange(40.0), "group": [f"g{i // 4}" for i in range(40)]})
    pq.write_table(table, path, row_group_size=20)
    return path.read_bytes()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), min_size=1, max_size=6))
@example([])
def test_any_bytes(tmp_path_factory, sound, changes):
    """Whatever stands in pages and footer: columns of at most the rows there may be, or one error."""
    content = bytearray(sound)
    for place, byte in changes:
        content[place % len(content)] = byte
    path = tmp_path_factory.getbasetemp() / "changed.parquet"
    path.write_bytes(content)
    try:
        found = columns(path, ["psnr"], "group")
    except BenchError:
        assert changes
        return
    assert {len(column) for column in found.values()} <= set(range(10**6))


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """Such a file as runs write."""
    folder = tmp_path_factory.mktemp("scores")
    write(folder, pd.DataFrame({"psnr": np.arange(40.0), "group": [f"g{i // 4}" for i in range(40)]}))
    return (folder / "scores.parquet").read_bytes()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), min_size=1, max_size=6))
def test_any_bytes_of_scores(tmp_path_factory, scores, changes):
    """Numbers that are taken as they lie in the file never come from beyond its end, or of another type."""
    content = bytearray(scores)
    for place, byte in changes:
        content[place % len(content)] = byte
    folder = tmp_path_factory.getbasetemp()
    (folder / "scores.parquet").write_bytes(content)
    try:
        read = Units.read(folder, ["psnr"])
    except BenchError:
        return
    assert read.scores["psnr"].dtype == np.float64
    assert len(read.scores["psnr"]) == len(read.groups) < 10**6
