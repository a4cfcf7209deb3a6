"""Files and folders that are replaced in one step: nothing is truncated, nothing is opened to others."""

import multiprocessing
import os
import resource
import signal
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bench.files import put_in_place, replace, replacing, replacing_folder


@contextmanager
def umask(mask):
    """The block under another umask."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path):
    """The permissions of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


def replaced_on_a_full_disk(path, content):
    """In a process that may write no more than 1000 bytes to a file: its exit code."""

    def work():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            replace(path, content)
        except OSError:
            os._exit(7)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join()
    return process.exitcode


def test_a_full_disk_leaves_what_was_there(tmp_path):
    """A file that could not be written whole is not written at all, and nothing is left beside it."""
    path = tmp_path / "README.md"
    path.write_text("mine")
    assert replaced_on_a_full_disk(path, "x" * 5000) == 7
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_what_was_there(tmp_path):
    """The same for whatever else goes wrong while it is written."""
    path = tmp_path / "table.csv"
    path.write_text("old")

    def die():
        with replacing(path) as draft:
            draft.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mask", [0o077, 0o022, 0o002])
def test_the_umask_decides_who_may_read(tmp_path, mask):
    """New files and folders are as open as the umask lets them, those of safetensors too."""
    with umask(mask):
        replace(tmp_path / "a.txt", "a")
        with replacing(tmp_path / "b.safetensors") as draft:
            save_file({"x": torch.zeros(1)}, draft)
        with replacing_folder(tmp_path / "c") as folder:
            save_file({"x": torch.zeros(1)}, folder / "x.safetensors")
            os.close(tempfile.mkstemp(dir=folder)[0])
    files = [tmp_path / "a.txt", tmp_path / "b.safetensors", *(tmp_path / "c").iterdir()]
    assert {mode(path) for path in files} == {0o666 & ~mask}
    assert mode(tmp_path / "c") == 0o777 & ~mask


def test_a_file_keeps_its_mode(tmp_path):
    """What its owner made private, or a program, stays so when its content changes."""
    for kept in (0o600, 0o644, 0o755):
        path = tmp_path / "README.md"
        path.write_text("old")
        path.chmod(kept)
        replace(path, "new")
        assert (path.read_text(), mode(path)) == ("new", kept)


def test_a_link_stays_a_link(tmp_path):
    """A README that is a link elsewhere is changed where it lies."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "README.md").write_text("old")
    (tmp_path / "README.md").symlink_to(Path("docs", "README.md"))
    replace(tmp_path / "README.md", "new")
    assert (tmp_path / "README.md").is_symlink()
    assert (tmp_path / "docs" / "README.md").read_text() == "new"


def test_a_long_name(tmp_path):
    """A name as long as the file system allows can be replaced too."""
    path = tmp_path / ("x" * 251 + ".txt")
    replace(path, "new")
    assert path.read_text() == "new"


def test_what_a_library_leaves_beside_its_file_goes_with_it(tmp_path):
    """Some write to a name of their own first, which is left behind when they are killed."""
    with replacing(tmp_path / "b.safetensors") as draft:
        draft.write_text("whole")
        draft.with_name(".tmp1234").touch()
    assert {path.name for path in tmp_path.iterdir()} == {"b.safetensors"}


@pytest.mark.parametrize("old", ["folder", "file", "link"])
def test_a_folder_takes_the_place_of_what_was_there(tmp_path, old):
    """Files of before do not mix with the new ones, and what a link pointed to is left alone."""
    target, other = tmp_path / "page", tmp_path / "other"
    other.mkdir()
    (other / "kept.txt").write_text("kept")
    if old == "folder":
        target.mkdir()
        (target / "old.txt").write_text("old")
    elif old == "file":
        target.write_text("old")
    else:
        target.symlink_to(other)
    with replacing_folder(target) as draft:
        (draft / "new.txt").write_text("new")
    assert [path.name for path in target.iterdir()] == ["new.txt"]
    assert (other / "kept.txt").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "page"]


def _replace_often(target, number):
    for turn in range(30):
        draft = target.with_name(f"draft-{number}-{turn}")
        draft.mkdir()
        (draft / "mark").write_text(draft.name)
        put_in_place(draft, target)


def test_many_writers_of_one_folder(tmp_path):
    """All succeed, and one of theirs is there, alone and whole."""
    context = multiprocessing.get_context("fork")
    target = tmp_path / "page"
    writers = [context.Process(target=_replace_often, args=(target, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
    assert (target / "mark").read_text().startswith("draft-")
