"""Verification: stored weights score what the record says; whatever is edited is found, nobody is let in."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image

import bench
from bench import tensors
from bench.errors import UsageError
from bench.runs.reading import sha256
from bench.runs.record import Record
from bench.runs.verify import verify

DATASET = "photos:train=40,test=8,size=16"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One tiny real run each of a network and of a statistic, by model."""
    results = tmp_path_factory.mktemp("results")
    return {
        model.partition(":")[0]: bench.run("noise", model, DATASET, epochs=2, device="cpu", results=results)
        for model in ("unet:width=2", "mean", "inverse")
    }


@pytest.fixture
def copy(made, tmp_path):
    """A run's folder that a test may spoil."""

    def copied(model: str = "unet") -> Path:
        source = made[model].folder
        return Path(shutil.copytree(source, tmp_path / "runs" / source.name))

    return copied


def edit(folder: Path, change) -> None:
    """Change record.json, and let it vouch for the files as they are now."""
    path = folder / "record.json"
    content = json.loads(path.read_text())
    change(content)
    content["files"] = {name: sha256(folder / name) for name in content["files"]}
    path.write_text(json.dumps(content))


def rewrite(folder: Path, change) -> None:
    """Change the scores, and let the record vouch for them: means too."""
    scores = change(Record.read(folder).per_unit)
    scores.to_parquet(folder / "scores.parquet")
    edit(folder, lambda c: c["scores"].update(psnr=float(scores["psnr"].mean())))


@pytest.mark.parametrize("model", ["unet", "mean"])
def test_an_honest_record_is_verified(made, model):
    """On the machine that made it the scores come out the same to the last bit."""
    found = verify(Record.read(made[model].folder))
    assert found.verified, found.text()
    assert found.drift == {"psnr": 0, "ssim": 0}
    assert found.largest == {"psnr": 0, "ssim": 0}
    assert found.text().startswith("verified")
    assert "not checked: speeds" in found.text()


CLAIMS = {
    "seed": (lambda c: c["spec"].update(seed=5), "its name is"),
    "recipe": (lambda c: c["spec"]["recipe"].update(lr=0.5), "its name is"),
    "operator": (lambda c: c["spec"]["operator"][0].update(params={"sigma": 0.3}), "test_digest"),
    "training images": (lambda c: c["data"].update(train=4000), "train is 40, not 4000"),
    "validation images": (lambda c: c["data"].update(validation=4), "validation is 2, not 4"),
    "digest of the images": (lambda c: c["data"].update(digest="0" * 64), "digest is"),
    "digest of the measurements": (lambda c: c["data"].update(test_digest="0" * 64), "test_digest is"),
    "groups": (lambda c: c["data"].update(groups=2), "groups is"),
    "duplicates": (lambda c: c["data"].update(duplicates={"exact": 3}), "duplicates is"),
    "parameters": (lambda c: c.update(parameters=12), "parameters is"),
    "role": (lambda c: c.update(role="floor"), "role is model, not floor"),
    "settings": (lambda c: c["settings"].update(key="00"), "settings is"),
    "epochs": (lambda c: c["budget"].update(epochs=1), "its history has 2"),
    "time of training": (lambda c: c["budget"].update(seconds=1e-3), "budget.seconds is"),
    "exact images": (lambda c: c.update(exact=1), "exact is 0, not 1"),
    "failed images": (lambda c: c.update(failed=1), "failed is 0, not 1"),
    "code": (lambda c: c["sources"].update({"model unet": "0" * 64}), "the code of model unet"),
    "version of the numbers": (lambda c: c.update(numbers=1), "version 1 of the numbers"),
    "mean": (lambda c: c["scores"].update(psnr=c["scores"]["psnr"] + 1), "the mean psnr is"),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_an_edited_claim_is_found(copy, claim):
    """Every field that a second run can tell of, with file digests that fit what was edited."""
    folder = copy()
    change, message = CLAIMS[claim]
    edit(folder, change)
    found = verify(Record.read(folder))
    assert not found.verified
    assert message in found.text()


def test_what_a_method_uses_cannot_be_left_out(copy):
    """A ceiling that hides what it was told is found."""
    folder = copy("inverse")
    edit(folder, lambda c: c.update(uses=[]))
    assert "it uses inverse, which is not recorded" in verify(Record.read(folder)).text()


TABLES = {
    "permuted": (lambda t: t.assign(psnr=[*t["psnr"][::-1]]), "of 8 units is another"),
    "raised": (lambda t: t.assign(psnr=t["psnr"] + 1), "the mean psnr is"),
    "grouped": (lambda t: t.assign(group="one"), "the units' groups are others"),
}


@pytest.mark.parametrize("case", TABLES)
def test_edited_scores_are_found(copy, case):
    """Unit by unit, though the mean and the digests were edited to fit."""
    folder = copy()
    change, message = TABLES[case]
    rewrite(folder, change)
    found = verify(Record.read(folder))
    assert not found.verified
    assert message in found.text()


def test_files_are_those_that_were_written(copy):
    """Each changed, lost or added file is named."""
    folder = copy()
    (folder / "samples.png").write_bytes(b"other")
    (folder / "samples.safetensors").unlink()
    (folder / "more.txt").write_text("added")
    text = verify(Record.read(folder)).text()
    for name in ("samples.png is missing or", "samples.safetensors is missing or", "more.txt is not named"):
        assert name in text


def test_changed_weights_are_found(copy):
    """Weights that are not those that were scored give other scores, with a digest that fits."""
    folder = copy()
    state, text = tensors.load(folder / "model.safetensors")
    tensors.save(folder / "model.safetensors", {k: torch.zeros_like(v) for k, v in state.items()}, text)
    edit(folder, lambda content: None)
    found = verify(Record.read(folder))
    assert not found.verified
    assert found.drift["psnr"] != 0


def test_weights_that_are_missing_or_foreign_are_named(copy):
    """What cannot be made again says why, as a usage error."""
    folder = copy()
    path = folder / "model.safetensors"
    kept = path.read_bytes()
    tensors.save(path, {"other": torch.zeros(1)})
    with pytest.raises(UsageError, match="do not fit"):
        verify(Record.read(folder))
    path.write_bytes(kept[:100])
    with pytest.raises(UsageError, match="do not fit"):
        verify(Record.read(folder))
    path.unlink()
    with pytest.raises(UsageError, match=r"model\.safetensors is missing"):
        verify(Record.read(folder))
    path.symlink_to(folder / "samples.safetensors")
    with pytest.raises(UsageError, match="is a link"):
        verify(Record.read(folder))


EVIL = """import pathlib
pathlib.Path(__file__).with_name("ran").touch()
"""
OPERATOR = (
    EVIL
    + '''
from bench import Operator


class Half(Operator):
    """y = x / 2."""

    def forward(self, x, generator):
        return x / 2
'''
)
PLACES = {
    "operator": lambda c, path: c["spec"]["operator"][0].update(name=path),
    "later operator": lambda c, path: c["spec"]["operator"].append({"name": path, "params": {}}),
    "model": lambda c, path: c["spec"]["model"].update(name=path),
    "dataset": lambda c, path: c["spec"]["dataset"].update(name=path),
    "metric": lambda c, path: c["spec"].update(metrics=[{"name": path, "params": {}}]),
    "loss": lambda c, path: c["spec"]["recipe"].update(loss=path),
    "protocol": lambda c, path: c["spec"].update(protocol=path),
    "parameter": lambda c, path: c["spec"]["model"].update(params={"width": path}),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("relative", [False, True])
def test_no_code_of_a_record_runs(copy, place, relative, monkeypatch):
    """A file that only the record names is not imported, wherever it stands; the error says what to give."""
    folder = copy()
    (folder / "evil.py").write_text(EVIL)
    monkeypatch.chdir(folder)
    name = "./evil.py" if relative else str(folder / "evil.py")
    edit(folder, lambda c: PLACES[place](c, name))
    with pytest.raises(UsageError, match=r"--trust \S*evil\.py"):
        verify(Record.read(folder))
    assert not (folder / "ran").exists()


def test_another_file_of_the_same_name_is_not_enough(copy, tmp_path):
    """Trust is in a content: a file with other code does not stand for the recorded one."""
    folder = copy()
    (folder / "evil.py").write_text(EVIL)
    edit(folder, lambda c: c["spec"]["operator"][0].update(name=str(folder / "evil.py")))
    mine = tmp_path / "evil.py"
    mine.write_text(OPERATOR)
    with pytest.raises(UsageError, match=r"--trust \S*evil\.py"):
        verify(Record.read(folder), [str(mine)])
    assert not (folder / "ran").exists()
    assert not (tmp_path / "ran").exists()


def test_a_trusted_file_is_used_from_where_it_lies(tmp_path, plugin):
    """The reader's own copy of the recorded operator verifies the run; the record's path is not touched."""
    path = Path(plugin("half", OPERATOR))
    record = bench.run(str(path), "mean", DATASET, device="cpu", results=tmp_path / "results")
    (tmp_path / "own").mkdir()
    mine = Path(shutil.move(path, tmp_path / "own" / "half.py"))
    with pytest.raises(UsageError, match="--trust"):
        verify(Record.read(record.folder))
    found = verify(Record.read(record.folder), [str(mine)])
    assert found.verified, found.text()


def _named(content, dataset, **params):
    content["spec"]["dataset"].update(name=dataset, params=params)


DATA = {
    "a folder": (lambda c: _named(c, "folder", path="/etc"), "--trust /etc"),
    "a folder here": (lambda c: _named(c, "folder", path="images"), "--trust images"),
    "a folder at home": (lambda c: _named(c, "folder", path="~"), "--trust ~"),
    "data in a known place": (lambda c: _named(c, "mnist"), "--trust mnist"),
    "data to fetch": (lambda c: _named(c, "stl10", download=True), "--trust stl10"),
    "a plug-in": (lambda c: c["spec"]["operator"][0].update(name="somebodys"), "--trust somebodys"),
    "one of a family": (lambda c: c["spec"]["model"].update(name="deepinv.DPIR"), "--trust deepinv.DPIR"),
    "an address": (lambda c: c["spec"]["model"].update(params={"encoder": "hf-hub:a"}), "--trust hf-hub:a"),
}


@pytest.mark.parametrize("case", DATA)
def test_no_data_and_no_plugin_of_a_record_is_opened(copy, case, tmp_path, monkeypatch):
    """Folders, downloads, plug-ins and addresses that only a record names have to be named by the reader."""
    folder = copy()
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    change, message = DATA[case]
    edit(folder, change)
    monkeypatch.setattr("bench.runs.verify.Run", None)
    with pytest.raises(UsageError, match=message):
        verify(Record.read(folder))


def test_nothing_is_fetched_because_a_record_says_so(copy, monkeypatch):
    """A record's ``download=true`` is not carried out, though its dataset is trusted."""
    folder = copy()
    edit(folder, lambda c: _named(c, "mnist", download=True, root=str(folder)))

    def fetch(*_, **__):
        raise AssertionError("something is fetched")

    monkeypatch.setattr("bench.datasets.shared.download.get", fetch)
    with pytest.raises(UsageError, match="download"):
        verify(Record.read(folder), ["mnist", str(folder)])


@pytest.mark.parametrize("metric", ["lpips", "dists"])
def test_no_weights_of_a_metric_are_fetched(copy, metric, monkeypatch):
    """A metric whose network torchvision would download is named by the reader, or is not made at all."""
    monkeypatch.setattr("bench.metrics._perceptual.library", lambda *names: pytest.fail("it was made"))
    folder = copy()
    edit(folder, lambda c: c["spec"].update(metrics=[{"name": metric, "params": {}}]))
    with pytest.raises(UsageError, match=f"--trust {metric}"):
        verify(Record.read(folder))


def test_a_trusted_folder_is_used(tmp_path):
    """The reader's own images verify a run on them."""
    (tmp_path / "images").mkdir()
    for number in range(30):
        noise = torch.randint(0, 256, (16, 16, 3), generator=torch.Generator().manual_seed(number))
        Image.fromarray(noise.byte().numpy()).save(tmp_path / "images" / f"{number}.png")
    images = str(tmp_path / "images")
    dataset = f"folder:path={images},size=16"
    record = bench.run("noise", "mean", dataset, device="cpu", results=tmp_path / "results")
    found = verify(Record.read(record.folder), [images])
    assert found.verified, found.text()


def test_history_is_the_one_that_was_counted(copy):
    """A longer history with a digest that fits contradicts the recipe."""
    folder = copy()
    history = Record.read(folder).history
    longer = pd.concat([history, history.assign(epoch=history["epoch"] + 2)])
    longer.to_parquet(folder / "history.parquet")
    edit(folder, lambda c: c["budget"].update(epochs=4))
    assert "4 epochs were counted, its recipe has 2" in verify(Record.read(folder)).text()
