"""Grids: a text for every combination of values, and messages that say what would be right."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.sweeps.grid import Asked, Grid, crossed, grids
from bench.sweeps.plan import plan, sweep
from bench.sweeps.suite import Suite, expand

ASKED = Asked(["ct", "denoising+noise"], ["unet", "tv"], ["ellipses"])
DATA = "ellipses:size=16,train=40,test=8"


def test_each_value_is_a_problem():
    """Operators inside chains, models and datasets; what does not have the component stays as it is."""
    wanted = grids(["ct.angles=15,30", "noise.sigma=0.1,0.2", "unet.width=4,8", "ellipses.size=16,32"])
    made = crossed(ASKED, wanted)
    assert made.operators == [
        "ct:angles=15", "ct:angles=30", "denoising+noise:sigma=0.1", "denoising+noise:sigma=0.2",
    ]  # fmt: skip
    assert made.models == ["unet:width=4", "unet:width=8", "tv"]
    assert made.datasets == ["ellipses:size=16", "ellipses:size=32"]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_several_cross(counts):
    """As many problems as the product of the numbers of values, all of them different."""
    names = ["angles", "arc", "sigma"][: len(counts)]
    wanted = [Grid.of(f"ct.{n}", range(1, 1 + k)) for n, k in zip(names, counts, strict=True)]
    made = crossed(Asked(["ct"], ["tv"], ["photos"]), wanted).operators
    assert len(set(made)) == len(made) == math.prod(counts)


def test_a_file_goes_by_its_stem():
    """And a member of a plug-in by its whole name, dots and all."""
    assert crossed(Asked(["./a/mine.py:k=1"], ["m"], ["d"]), grids(["mine.s=1,2"])).operators == [
        "./a/mine.py:k=1,s=1", "./a/mine.py:k=1,s=2",
    ]  # fmt: skip
    assert Grid.parse("deepinv.Blur.sigma=1,2") == Grid("deepinv.Blur", "sigma", ("1", "2"))


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ("ctt.angles=1,2", r"called 'ctt' \(did you mean ct\?\). There are: ct, denoising, noise, unet"),
        ("angles=1,2", "names no parameter of a component; write component.parameter=value,value"),
        ("./mine.py=1", "names no parameter of a component"),
        ("ct.=1", "names no parameter"),
        ("ct.angles", "has no value, or an empty one"),
        ("ct.angles=1,,2", "has no value, or an empty one"),
    ],
)
def test_a_grid_of_nothing(grid, said):
    """The message names what is near, what there is, and the form."""
    with pytest.raises(UsageError, match=said):
        crossed(ASKED, grids([grid]))


@pytest.mark.parametrize(
    ("operator", "model", "said"),
    [
        ("ct:angles=3", "unet", "ct:angles=3 gives angles, and so does the grid ct.angles=1,2"),
        ("ct+ct", "unet", "ct 2 times: the grid ct.angles=1,2 could mean any"),
        ("ct", "./ct.py", "could mean two things that are called ct"),
    ],
)
def test_a_grid_of_two_things(operator, model, said):
    """What could be meant in two ways is not guessed."""
    with pytest.raises(UsageError, match=said):
        crossed(Asked([operator], [model], ["photos"]), grids(["ct.angles=1,2"]))


@pytest.mark.parametrize("value", ["sigma=a", "sgima=0.1"])
def test_values_are_checked_before_the_data(value):
    """A wrong value, or parameter, is found although the dataset could not even be loaded."""
    asked = crossed(
        Asked(["denoising"], ["mean"], ["folder:path=nowhere"]), grids([f"denoising.{value},0.1"])
    )
    with pytest.raises(
        UsageError, match=r"denoising: .*(sigma=a: input should be a valid|did you mean sigma)"
    ):
        plan(*asked)


def test_train_sizes_and_datasets_are_problems():
    """One run each; methods without a training seed too; the whole set is named once, however it is asked."""
    small = "ellipses:size=16,train=20,test=8"
    sizes = [4, 38, None]
    runs = plan(["denoising"], ["mean"], [DATA], train_sizes=sizes, baselines=False, seeds=[0, 1])
    assert [(r.spec.train_size, len(r.images.train)) for r in runs] == [(4, 4), (None, 38)]
    runs = plan(["denoising"], ["mean"], [DATA, small], baselines=False)
    assert [len(r.images.train) for r in runs] == [38, 19]


def test_a_size_beyond_the_data():
    """Found before anything runs, with the number that there is."""
    with pytest.raises(UsageError, match=r"ellipses.*38 training images beside the 2 for"):
        plan(["denoising"], ["mean"], DATA, train_sizes=[39])
    with pytest.raises(UsageError, match="a train size is from 1"):
        plan(["denoising"], ["mean"], DATA, train_sizes=[0])


def test_sizes_are_scored_on_the_same_images(tmp_path):
    """Test measurements are the same, names and means of training images are not."""
    runs = plan(["denoising"], ["mean"], DATA, train_sizes=[1, 4, None], baselines=False)
    records = [record for _, record in sweep(runs, tmp_path)]
    assert [r.data.train for r in records] == [1, 4, 38]
    assert len({r.data.test_digest for r in records}) == 1
    assert len({r.fingerprint for r in records}) == len({r.scores["psnr"] for r in records}) == 3
    assert "(4 training images)" in records[1].problem


def test_a_suite_has_grids_and_sizes():
    """A block's own, and those of the command line where a block has the component."""
    block = {"operators": ["denoising"], "models": ["mean"], "grid": {"denoising.sigma": [0.1, 0.2]}}
    other = {"operators": ["inpainting"], "models": ["mean"]}
    suite = Suite.model_validate(
        {"title": "x", "dataset": DATA, "train_sizes": [4], "runs": [block, {**other, "train_sizes": [8, 9]}]}
    )
    runs, _ = expand(suite, baselines=False, wanted=grids(["inpainting.fraction=0.3,0.6"]))
    assert [(r.spec.operator_label, r.spec.train_size) for r in runs] == [
        ("denoising:sigma=0.1", 4), ("denoising:sigma=0.2", 4),
        ("inpainting:fraction=0.3", 8), ("inpainting:fraction=0.3", 9),
        ("inpainting:fraction=0.6", 8), ("inpainting:fraction=0.6", 9),
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"called 'ct'.*There are: denoising, inpainting, mean, ellipses"):
        expand(suite, wanted=grids(["ct.angles=1,2"]))


def test_a_table_takes_one_size():
    """Its rows are models: the mean over several sizes would say nothing."""
    table = {"columns": [{"title": "A", "operator": "denoising"}], "rows": [{"title": "M", "model": "mean"}]}
    runs = [{"operators": ["denoising"], "models": ["mean"], "train_sizes": [4, 8]}]
    suite = Suite.model_validate({"title": "x", "dataset": DATA, "runs": runs, "table": table})
    with pytest.raises(UsageError, match="no more than one train size"):
        expand(suite)
