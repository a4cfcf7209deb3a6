"""Splits: every type that images come in, what their numbers stand for, and what is refused."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.datasets import InMemory, Split, Splits, Values
from bench.datasets.shared.reading import Reader, Wanted
from bench.datasets.shared.split import Subset, cut, nested, one_size
from bench.errors import UsageError
from bench.metrics.psnr import psnr
from bench.operators import Operator
from bench.problem import Problem


class Same(Operator):
    """The image itself."""

    def forward(self, x, generator):
        return x.clone()


class Numbered(Split):
    """Images that are made as they are read; all pixels tell the number."""

    def __init__(self, count, size=(12, 14), groups=None):
        self.count, self.size, self.groups = count, size, groups

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return torch.full((1, *self.size), index, dtype=torch.uint8)


def test_windowed_hounsfield_units_are_not_black():
    """Float images of -1000 to 2000 are kept as they are; once they became black pictures of 63.8 dB."""
    slices = torch.rand(6, 1, 12, 12) * 3000 - 1000
    problem = Problem(
        Same((1, 12, 12)), Splits(slices[:4], slices[4:], slices[:2], value_range=(-1000, 2000), unit="HU")
    )
    _, x, _ = next(problem.test_batches())
    assert torch.equal(x, slices[4:])
    assert problem.value_range == problem.training().value_range == (-1000, 2000)
    batch = next(problem.training().training_batches(4, shuffle=False))
    assert torch.equal(batch.x, slices[:4])


def test_floats_outside_their_range_are_refused():
    """Without a declaration the range is [0, 1]; the error names the value, and what to declare."""
    with pytest.raises(UsageError, match=r"train: the value 1000 lies outside .*\[0, 1\].*value_range=\("):
        Splits(torch.full((4, 1, 3, 3), 1000.0), torch.zeros(2, 1, 3, 3))
    with pytest.raises(UsageError, match="test: the value nan"):
        Splits(torch.zeros(4, 1, 3, 3), torch.full((2, 1, 3, 3), float("nan")))


def test_sixteen_bits_have_to_say_their_levels():
    """Levels of 1000 to 2900 of 65536 would be black pictures: a declaration is asked for, not guessed."""
    levels = torch.randint(1000, 2901, (6, 1, 3, 3), generator=torch.Generator().manual_seed(0))
    levels[0, 0, 0] = torch.tensor([1000, 2900, 1950])
    stored = levels.to(torch.uint16)
    with pytest.raises(UsageError, match=r"train: uint16 images \(here 1000 to 2900\).*levels=\("):
        Splits(stored, stored)
    splits = Splits(stored, stored, stored, levels=(1000, 2900))
    _, x, _ = next(Problem(Same((1, 3, 3)), splits).test_batches())
    torch.testing.assert_close(x, (levels.float() - 1000) / 1900)
    assert x[0, 0, 0].tolist() == [0, 1, 0.5]
    with pytest.raises(UsageError, match=r"the level 2900 lies outside .*\[0, 2800\]"):
        Splits(stored, stored, levels=(0, 2800))


@given(st.floats(-1e4, 1e4), st.floats(1e-2, 1e4), st.integers(0, 254), st.integers(0, 255))
def test_integers_are_scaled_to_the_range(low, width, black, level):
    """A straight line through black and white, whatever the two stand for."""
    values = Values((low, low + width), (black, 255))
    found = float(values(torch.tensor([level], dtype=torch.uint8)))
    expected = np.interp(level, [black, 255], [low, low + width]) if level >= black else None
    if expected is not None:
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-3 * width)


def test_eight_bits_are_v_over_255():
    """To the last bit: the published scores rest on it."""
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(Values()(levels), levels.float() / 255)


def test_complex_images_are_checked_by_their_magnitude():
    """They are kept as they are; a magnitude above the range is refused."""
    images = torch.polar(torch.rand(4, 1, 5, 5), 6 * torch.rand(4, 1, 5, 5))
    _, x, _ = next(Problem(Same((1, 5, 5)), Splits(images, images, images)).test_batches())
    assert x.dtype == torch.complex64
    assert torch.equal(x, images)
    with pytest.raises(UsageError, match="the value 2 lies outside"):
        Splits(images, torch.full((1, 1, 5, 5), 2j, dtype=torch.complex64))


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64, torch.int16, torch.bool, torch.float16])
def test_other_types_are_refused(dtype):
    """With the types that there are; nothing is converted behind one's back."""
    images = torch.zeros(4, 1, 3, 3, dtype=dtype)
    with pytest.raises(UsageError, match=rf"{str(dtype)[6:]}; convert them to uint8, uint16, float32"):
        Splits(images, images)


@pytest.mark.parametrize("pair", [(1, 0), (0, 0), (0, float("inf")), (float("nan"), 1)])
def test_ranges_that_are_none(pair):
    """Empty, turned round, or without end."""
    with pytest.raises(UsageError, match="value_range must be two finite numbers"):
        Values(pair)


def test_arrays_and_lists_are_taken():
    """NumPy's arrays too; a list where sizes differ."""
    assert InMemory(np.zeros((2, 1, 4, 5), np.uint8)).sizes == (4, 5)
    mixed = InMemory([np.zeros((3, 4, 5), np.uint8), torch.zeros(3, 7, 6, dtype=torch.uint8)])
    assert mixed.sizes == [(4, 5), (7, 6)]
    assert one_size(mixed) is None
    assert one_size(InMemory([torch.zeros(1, 4, 5), torch.zeros(1, 4, 5)])) == (4, 5)
    with pytest.raises(UsageError, match=r"\(channels, height, width\), not \(4, 5\)"):
        InMemory(torch.zeros(2, 4, 5))


def test_groups_are_one_per_image():
    """Fewer would give statistics of the wrong patients."""
    with pytest.raises(UsageError, match="train: 2 groups for 3 images"):
        Splits(InMemory(torch.zeros(3, 1, 4, 4), ["a", "b"]), torch.zeros(1, 1, 4, 4))


@given(st.integers(2, 40), st.integers(1, 10), st.integers(0, 5))
def test_no_group_is_on_both_sides_of_a_cut(count, patients, seed):
    """Slices of one patient are nearly alike: one side would know the other. Nothing is lost or twice."""
    groups = [f"patient {i % patients}" for i in range(count)]
    split = Numbered(count, groups=groups)
    if len(set(groups)) == 1:
        with pytest.raises(UsageError, match=r"1 group \(patient 0\) is too few"):
            cut(split, 3, seed)
        return
    rest, away = cut(split, 3, seed)
    assert not set(rest.groups) & set(away.groups)
    assert len(rest) > 0
    assert len(away) >= min(3, count - max(groups.count(g) for g in groups))
    seen = [int(part[i][0, 0, 0]) for part in (rest, away) for i in range(len(part))]
    assert sorted(seen) == list(range(count))
    assert [groups[int(away[i][0, 0, 0])] for i in range(len(away))] == away.groups


def test_validation_takes_whole_groups():
    """Patients to choose by are not those to learn from."""
    groups = [f"p{i // 4}" for i in range(40)]
    splits = Splits(Numbered(40, groups=groups), Numbered(2)).with_validation()
    assert len(splits.validation) == 4
    assert len(set(splits.validation.groups)) == 1
    assert not set(splits.validation.groups) & set(splits.train.groups)


def test_the_digest_is_that_of_the_content():
    """The same for the same images however they are held; another for other pixels, ranges or groups."""
    lazy, other = Splits(Numbered(5), Numbered(3)), Numbered(5).read(range(5))
    held = Splits(other, Numbered(3).read(range(3)))
    assert lazy.digest() == held.digest() == Splits(list(other), Numbered(3)).digest()
    other[4, 0, 3, 3] = 9
    assert Splits(other, Numbered(3)).digest() != lazy.digest()
    assert Splits(Numbered(5), Numbered(3), levels=(0, 10)).digest() != lazy.digest()
    assert Splits(Numbered(5, groups=list("aabbc")), Numbered(3)).digest() != lazy.digest()


def test_a_subset_reads_what_it_names():
    """Its numbers count within it, whatever is asked for."""
    subset = Subset(Numbered(9, groups=list("abcdefghi")), [7, 2, 5])
    assert [int(subset[i][0, 0, 0]) for i in range(3)] == [7, 2, 5]
    assert subset.read([2, 0])[:, 0, 0, 0].tolist() == [5, 7]
    assert list(subset.groups) == ["h", "c", "f"]
    assert subset.sizes == (12, 14)


def test_the_window_fits_all_training_images():
    """Where sizes differ and none is declared; a declared one that does not fit is refused with the sizes."""
    images = [torch.zeros(3, 48, 32, dtype=torch.uint8), torch.zeros(3, 32, 48, dtype=torch.uint8)]
    assert Splits(images, images).image_shape == (3, 32, 32)
    assert Splits(images, images, crop=(16, 20)).image_shape == (3, 16, 20)
    with pytest.raises(UsageError, match=r"40x16 pixels do not fit .*least height is 32, the least width 32"):
        Splits(images, images, crop=(40, 16)).image_shape  # noqa: B018


def test_a_stored_float_scores_by_its_own_range():
    """The same picture in HU and in [0, 1] scores the same PSNR: the range is declared, not guessed."""
    x, shown = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    plain = psnr(shown, x)
    scaled = psnr(shown * 3000 - 1000, x * 3000 - 1000, data_range=3000.0)
    torch.testing.assert_close(plain, scaled, rtol=1e-4, atol=1e-3)


class Sized(InMemory):
    """Images with recorded measurements of given lengths; None: none was recorded."""

    def __init__(self, lengths):
        super().__init__(torch.zeros(len(lengths), 1, 16, 16))
        self.lengths = lengths

    def measurement(self, index):
        length = self.lengths[index]
        return None if length is None else torch.full((1, length), float(index))


def test_recorded_measurements_come_as_a_batch():
    """In the order asked for; of a subset too; None where nothing was recorded."""
    split = Sized([4, 4, 4])
    assert split.measurements([2, 0])[:, 0, 0].tolist() == [2.0, 0.0]
    assert Subset(split, [1, 2]).measurements([1])[:, 0, 0].tolist() == [2.0]
    assert InMemory(torch.zeros(2, 1, 16, 16)).measurements([0, 1]) is None


@pytest.mark.parametrize(
    ("lengths", "said"),
    [([4, None], "others have none"), ([4, 5], r"differ in size \(1x4 and 1x5\); a batch has one size")],
)
def test_recorded_measurements_of_several_sizes_are_refused(lengths, said):
    """The message says that it is the measurements, their sizes, and which images."""
    reader = Reader(Sized(lengths), Values(), (16, 16), recorded=True, name="test image")
    with pytest.raises(UsageError, match=rf"test image 0 to 1: .*{said}"):
        reader.read(Wanted([0, 1], torch.zeros(2, 2)))


def _taken(split):
    return [int(split[i][0, 0, 0]) for i in range(len(split))]


@given(st.integers(1, 40), st.data(), st.integers(0, 2**63 - 1))
def test_a_smaller_training_set_lies_in_a_larger_one(count, data, seed):
    """Exactly so many images, in their own order, and the whole set is the set itself; streamed ones too."""
    few, more = sorted(data.draw(st.lists(st.integers(1, count), min_size=2, max_size=2)))
    kinds = [Numbered(count), InMemory(torch.arange(count).view(-1, 1, 1, 1).expand(-1, 1, 12, 14))]
    found = [[_taken(nested(split, n, seed)) for n in (few, more, count)] for split in kinds]
    assert found[0] == found[1]
    small, large, whole = found[0]
    assert (len(small), len(large)) == (few, more)
    assert small == sorted(small)
    assert {*small} <= {*large}
    assert whole == list(range(count))


def test_which_images_hangs_on_the_seed():
    """Another problem seed, another training set."""
    splits = Splits(Numbered(200), Numbered(3))
    chosen = [_taken(splits.of_size(20, seed).train) for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]


def test_fewer_images_are_of_fewer_groups():
    """Groups come whole, the last one cut: 25 slices of patients with 10 each are of three."""
    split = Numbered(100, groups=[f"patient {i // 10}" for i in range(100)])
    groups = nested(split, 25, 0).groups
    assert sorted(groups.count(name) for name in set(groups)) == [5, 10, 10]


def test_what_is_chosen_by_stays_the_same():
    """Validation, test, range and window of a smaller training set are those of the whole one."""
    sizes = [(40, 44), (60, 64), (50, 30), (80, 80)]
    images = [torch.zeros(1, *size, dtype=torch.uint8) for size in sizes]
    whole = Splits(images, images, images[:2], levels=(0, 200), value_range=(-1, 1))
    for count in (1, 2, 3, 4):
        small = whole.of_size(count)
        assert len(small.train) == count
        assert small.image_shape == whole.image_shape == (1, 40, 30)
        assert (small.validation, small.test) == (whole.validation, whole.test)
        assert (small.values, small.unit) == (whole.values, whole.unit)
    with pytest.raises(UsageError, match="4 training images beside the 2 for validation, fewer than 5"):
        whole.of_size(5)
