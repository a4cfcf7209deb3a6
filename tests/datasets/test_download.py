"""Downloads: from a server of this test, cut off and gone on with, checked, and never unasked."""

import base64
import bz2
import gzip
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile

import numpy as np
import pytest
import torchvision
from PIL import Image
from typer.testing import CliRunner

from bench.cli import app
from bench.datasets.shared import download
from bench.datasets.shared.download import Archive, Part, contents_md5, get
from bench.datasets.torchvision import Torchvision
from bench.errors import BenchError, UsageError


class Server(http.server.BaseHTTPRequestHandler):
    """Gives out ``files``; with ``cut`` it hangs up after so many bytes of a body."""

    files: dict = {}
    cut = None
    asked: list = []

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer()

    def answer(self, body=True):
        content, first = self.files.get(self.path.partition("?")[0]), 0
        Server.asked.append((self.command, self.headers.get("Range")))
        if content is None:
            self.send_error(404)
            return
        if asked := self.headers.get("Range"):
            first = int(asked.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        if body:
            self.wfile.write(content[first : None if Server.cut is None else first + Server.cut])

    def log_message(self, *_):
        """Nothing is printed."""


@pytest.fixture
def server():
    """Its address."""
    Server.files, Server.cut, Server.asked = {}, None, []
    held = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=held.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{held.server_port}"
    held.shutdown()
    held.server_close()


def zipped(names):
    """A zip of a folder ``set`` inside another one, with a few random bytes in each file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for number, name in enumerate(names):
            file.writestr(f"top/set/{name}", np.random.default_rng(number).bytes(3000))
    return made.getvalue()


def part(tmp_path, server, **archive):
    """The part that the server gives out as /a.zip."""
    given = Archive(f"{server}/a.zip", **archive)
    return Part("set", tmp_path / "data" / "set", "http://home.example", "free", given)


def test_an_archive_comes_to_its_place(tmp_path, server):
    """Unpacked, without what lies around it; nothing else is left, and nothing is got twice."""
    Server.files["/a.zip"] = content = zipped("abc")
    held = part(tmp_path, server, md5=hashlib.md5(content).hexdigest())
    get(held)
    assert sorted(p.name for p in held.place.iterdir()) == ["a", "b", "c"]
    assert [p.name for p in held.place.parent.iterdir()] == ["set"]
    count = len(Server.asked)
    get(held)
    assert len(Server.asked) == count


def test_a_download_is_gone_on_with(tmp_path, server, monkeypatch):
    """What came before the connection broke is kept; the rest alone is asked for."""
    monkeypatch.setattr(download, "CHUNK", 1000)
    Server.files["/a.zip"], Server.cut = zipped("abc"), 5000
    held = part(tmp_path, server)
    with pytest.raises(BenchError, match=r"a.zip cannot be downloaded .*gone on with"):
        get(held)
    assert (held.place.parent / "a.zip.part").stat().st_size == 5000
    assert not held.here
    Server.cut = None
    get(held)
    assert Server.asked[-1] == ("GET", "bytes=5000-")
    assert len(list(held.place.iterdir())) == 3


def test_torchvisions_downloads_are_gone_on_with(tmp_path, server, monkeypatch):
    """Its own function begins anew; ours asks for the rest, and its MD5 sums are still checked."""
    line = " ".join(["3", *(f"{n}:0.5" for n in range(1, 257))]) + "\n"
    packed = {name: bz2.compress(line.encode() * count) for name, count in (("train", 5), ("test", 2))}
    for name, content in packed.items():
        Server.files[f"/{name}.bz2"] = content
    sums = {name: hashlib.md5(content).hexdigest() for name, content in packed.items()}
    listed = {name: [f"{server}/{name}.bz2", f"{name}.bz2", sums[name]] for name in packed}
    monkeypatch.setattr(torchvision.datasets.USPS, "split_list", listed)
    theirs, asked = torchvision.datasets.utils._urlretrieve, Torchvision("USPS", str(tmp_path), download=True)
    monkeypatch.setattr(download, "CHUNK", 20)
    Server.cut = 60
    with pytest.raises(BenchError, match=r"could not be downloaded"):
        asked.load()
    assert (tmp_path / "train.bz2.part").stat().st_size == 60
    assert not (tmp_path / "train.bz2").exists()
    Server.cut = None
    splits = asked.load()
    assert ("GET", "bytes=60-") in Server.asked
    assert (len(splits.train), len(splits.test)) == (5, 2)
    assert torchvision.datasets.utils._urlretrieve is theirs
    assert not list(tmp_path.glob("*.part"))
    # What is here is read whatever becomes of that function, which is torchvision's own affair.
    monkeypatch.delattr(torchvision.datasets.utils, "_urlretrieve")
    assert len(Torchvision("USPS", str(tmp_path)).load().train) == 5


def test_a_damaged_rest(tmp_path, server, monkeypatch):
    """What was gone on with and is not the published file is refused by torchvision."""
    Server.files["/train.bz2"] = bz2.compress(b"other")
    listed = {"train": [f"{server}/train.bz2", "train.bz2", "0" * 32]}
    monkeypatch.setattr(torchvision.datasets.USPS, "split_list", listed)
    with pytest.raises(BenchError, match=r"corrupted"):
        Torchvision("USPS", str(tmp_path), download=True).load()


def test_a_packed_file(tmp_path, server, monkeypatch):
    """A single file comes unpacked, after a broken connection too; a damaged one is told and leaves none."""
    monkeypatch.setattr(download, "CHUNK", 1000)
    body = np.random.default_rng(0).bytes(9000)
    Server.files["/digits.gz"], Server.cut = gzip.compress(body), 4000
    held = Part("digits", tmp_path / "raw" / "digits", "h", archive=Archive(f"{server}/digits.gz"))
    with pytest.raises(BenchError, match=r"gone on with"):
        get(held)
    Server.cut = None
    get(held)
    assert Server.asked[-1] == ("GET", "bytes=4000-")
    assert held.place.read_bytes() == body
    assert [p.name for p in held.place.parent.iterdir()] == ["digits"]
    held.place.unlink()
    Server.files["/digits.gz"] = b"no gzip"
    with pytest.raises(BenchError, match=r"digits.gz cannot be unpacked for digits: Not a gzipped file"):
        get(held)
    assert not held.here


def test_another_file_than_the_published_one(tmp_path, server):
    """By the MD5 of the archive, or of what it holds: nothing is left that could be taken for it."""
    Server.files["/a.zip"] = zipped("abc")
    for wrong in ({"md5": "0" * 32}, {"contents_md5": "0" * 32}):
        held = part(tmp_path, server, **wrong)
        with pytest.raises(BenchError, match=r"published"):
            get(held)
        assert not held.here


def test_the_md5_of_contents(tmp_path):
    """MD5 over the files' MD5 as text, by name, as deepinv computes it."""
    (tmp_path / "b").write_bytes(b"2")
    (tmp_path / "a").write_bytes(b"1")
    digests = (hashlib.md5(b"1").hexdigest() + hashlib.md5(b"2").hexdigest()).encode()
    assert contents_md5(tmp_path) == hashlib.md5(digests).hexdigest()


#: A zip of ``set/1.tif``, which holds "tiff", locked by Info-ZIP with the password ``McM_CDM``.
LOCKED = (
    "UEsDBAoACQAAAHcYeV00EGkVEAAAAAQAAAAJABwAc2V0LzEudGlmVVQJAAMSUAZrElAGa3V4CwABBAAAAAAEAAAAAF"
    "XWByi1bBWCCF3hCYMLbexQSwcINBBpFRAAAAAEAAAAUEsBAh4DCgAJAAAAdxh5XTQQaRUQAAAABAAAAAkAGAAAAAAA"
    "AQAAAKSBAAAAAHNldC8xLnRpZlVUBQADElAGa3V4CwABBAAAAAAEAAAAAFBLBQYAAAAAAQABAE8AAABjAAAAAAA="
)


def test_a_locked_zip(tmp_path, server):
    """Opened with the password that its publisher names; another one is told and leaves nothing."""
    Server.files["/a.zip"] = base64.b64decode(LOCKED)
    with pytest.raises(BenchError, match=r"a.zip cannot be unpacked for set: .*password"):
        get(part(tmp_path, server, password="other"))
    held = part(tmp_path, server, password="McM_CDM")
    assert not held.here
    get(held)
    assert (held.place / "1.tif").read_bytes() == b"tiff"


def test_a_folder_of_another_name(tmp_path, server):
    """What an archive calls otherwise comes to the place under its own name."""
    Server.files["/a.zip"] = zipped("abc")
    held = Part("x", tmp_path / "data" / "x", "h", archive=Archive(f"{server}/a.zip", inside="set"))
    get(held)
    assert sorted(p.name for p in held.place.iterdir()) == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["../../evil", "link"])
@pytest.mark.parametrize("filtered", [True, False])
def test_no_way_out_of_the_folder(tmp_path, server, monkeypatch, name, filtered):
    """An archive cannot write beside its place, on a Python without filters (Debian 12's) neither."""
    if not filtered:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as file:
        info = tarfile.TarInfo(name)
        if name == "link":
            info.type, info.linkname = tarfile.SYMTYPE, "../../evil"
        info.size = 4
        file.addfile(info, io.BytesIO(b"evil"))
    Server.files["/a.tar.gz"] = made.getvalue()
    held = Part("set", tmp_path / "data" / "set", "h", archive=Archive(f"{server}/a.tar.gz"))
    with pytest.raises(BenchError, match="set"):
        get(held)
    assert not list(tmp_path.rglob("evil"))
    assert not held.here


def test_no_room_no_permission_no_server(tmp_path, server, monkeypatch):
    """Each is told in one message."""
    Server.files["/a.zip"] = zipped("abc")
    held = part(tmp_path, server)
    with monkeypatch.context() as patch:
        patch.setattr(download.shutil, "disk_usage", lambda folder: type("U", (), {"free": 10}))
        with pytest.raises(BenchError, match=r"set cannot be stored in .*data: 0.0 GB are needed"):
            get(held)
    (tmp_path / "file").write_text("")
    with pytest.raises(BenchError, match=r"set cannot be stored in .*file"):
        get(Part("set", tmp_path / "file" / "set", "h", archive=held.archive))
    lost = Archive("http://127.0.0.1:9/a.zip")
    with pytest.raises(BenchError, match=r"127.0.0.1:9/a.zip cannot be downloaded .*without a network"):
        get(Part("set", tmp_path / "new" / "set", "h", archive=lost))
    with pytest.raises(BenchError, match=r"b.zip cannot be downloaded .*404"):
        get(Part("set", tmp_path / "new" / "set", "h", archive=Archive(f"{server}/b.zip")))
    with pytest.raises(UsageError, match=r"set cannot be fetched; get it at http://h and put it at"):
        get(Part("set", tmp_path / "new" / "set", "http://h"))


@pytest.fixture
def flowers(tmp_path, server, monkeypatch):
    """MedMNIST's file on the server, in place of its own address."""
    from bench.datasets import medmnist

    made = io.BytesIO()
    np.savez(made, **{f"{p}_images": np.zeros((4, 28, 28), np.uint8) for p in ("train", "val", "test")})
    Server.files["/records/10519652/files/breastmnist.npz"] = made.getvalue()
    monkeypatch.setitem(medmnist.MD5, "breastmnist", [hashlib.md5(made.getvalue()).hexdigest()])
    own = medmnist.Archive

    def here(url, md5):
        return own(url.replace("https://zenodo.org", server), md5)

    monkeypatch.setattr(medmnist, "Archive", here)
    return f"medmnist:name=breastmnist,root={tmp_path / 'data'}"


def test_fetch_shows_before_it_downloads(tmp_path, flowers):
    """Size, licence and place; nothing is downloaded unless a person agrees."""
    shown = CliRunner().invoke(app, ["fetch", flowers], input="n\n")
    assert shown.exit_code == 1
    said = " ".join(shown.output.split())
    size = len(Server.files["/records/10519652/files/breastmnist.npz"]) / 1e6
    for text in (f"size {size:,.1f} MB", "licence CC BY 4.0", f"goes to {tmp_path}/data/breastmnist.npz"):
        assert text in said
    assert {command for command, _ in Server.asked} == {"HEAD"}
    done = CliRunner().invoke(app, ["fetch", flowers, "--yes"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "data" / "breastmnist.npz").is_file()
    assert "all of" in CliRunner().invoke(app, ["fetch", flowers]).output


def test_a_run_downloads_only_when_asked(tmp_path, flowers):
    """download=true, and never without."""
    from bench.datasets.medmnist import MedMnist

    with pytest.raises(UsageError, match=r"breastmnist.npz is not here.*bench fetch medmnist"):
        MedMnist("breastmnist", str(tmp_path / "data")).load()
    assert not Server.asked
    assert len(MedMnist("breastmnist", str(tmp_path / "data"), download=True).load().test) == 4


def test_by_hand(tmp_path, monkeypatch):
    """What no program may get is told with its home and place; exit code 1."""
    from bench import cli

    monkeypatch.setattr("sys.argv", ["bench", "fetch", f"fastmri:root={tmp_path}"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        ("lodopab:root={}", "LoDoPaB-CT, 114.7 GB unpacked at https://zenodo.org/records/3384092"),
        ("detect2d:root={}", "2DeteCT at https://zenodo.org/records/8014757"),
        ("ldct:root={},region=chest", "LDCT-and-Projection-data at https://doi.org/10.7937/9NPB-2637"),
        ("cc359:root={}", "Train (12 coils) at https://sites.google.com/view/calgary-campinas-dataset"),
    ],
)
def test_what_is_got_by_hand(tmp_path, server, monkeypatch, dataset, told):
    """Home, terms and place of what no program may or can get; what can be got is got all the same."""
    from bench.console.fetching import described, fetch, missing
    from bench.datasets import cc359

    monkeypatch.setattr(cc359, "PATTERNS", server)
    monkeypatch.setattr(cc359, "MD5", {"R5_218x170.npy": hashlib.md5(b"patterns").hexdigest()})
    Server.files["/R5_218x170.npy"] = b"patterns"
    parts = missing(dataset.format(tmp_path / "data"))
    assert "by hand" in " ".join(described(parts[0]))
    with pytest.raises(BenchError, match="to be got by hand: ") as error:
        list(fetch(parts))
    assert told in str(error.value)
    assert str(tmp_path / "data") in str(error.value)
    got = tmp_path / "data" / "poisson_sampling" / "R5_218x170.npy"
    assert not dataset.startswith("cc359") or got.read_bytes() == b"patterns"


def test_list_says_which_are_here(tmp_path, monkeypatch):
    """By what lies in the cache folder, which a variable moves."""
    monkeypatch.setenv("INVBENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    for folder, count in (("Kodak24", 24), ("DIV2K_train_HR", 2)):
        (tmp_path / "datasets" / folder).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (8, 8)).save(tmp_path / "datasets" / folder / f"{number}.png")
    output = CliRunner().invoke(app, ["list", "datasets"]).output
    lines = {line.split()[0]: line.rstrip() for line in output.splitlines() if line.strip()}
    assert lines["kodak"].endswith(" here")
    assert not lines["kodak"].endswith("not here")
    assert lines["urban100"].endswith("not here")
    assert lines["photos"].endswith(" here")
