"""Masks of fastMRI: the formulas of its paper, drawn as numpy's RandomState draws them, volume by volume."""

import numpy as np
import pytest

from bench.datasets.shared.masks import mask

NAMES = ["file1000001.h5", "file1000229.h5", "file1002570.h5"]
SETTINGS = [(368, 4, 0.08), (372, 4, 0.08), (368, 8, 0.04), (640, 8, 0.04), (320, 6, 0.05)]


def reference(kind, width, acceleration, fraction, name):
    """The mask as REFERENCES words it: seed, choice, draw, then the middle columns set one by one."""
    generator = np.random.RandomState(seed=[ord(letter) for letter in name])
    accelerations = [acceleration]
    chosen = accelerations[generator.randint(0, len(accelerations))]
    low = round(width * fraction)
    columns = [False] * width
    if kind == "random":
        probability = (width / chosen - low) / (width - low)
        columns = [bool(value < probability) for value in generator.uniform(size=width)]
    elif kind == "equispaced":
        offset = generator.randint(0, round(chosen))
        for column in range(offset, width, chosen):
            columns[column] = True
    else:
        spacing = (chosen * (low - width)) / (low * chosen - width)
        offset = generator.randint(0, round(spacing))
        for place in np.arange(offset, width - 1, spacing):
            columns[int(np.around(place))] = True
    start = (width - low + 1) // 2
    for column in range(start, start + low):
        columns[column] = True
    return np.array(columns)


@pytest.mark.parametrize("kind", ["random", "equispaced", "equispaced_fraction"])
@pytest.mark.parametrize(("width", "acceleration", "fraction"), SETTINGS)
def test_masks_are_the_reference_codes(kind, width, acceleration, fraction):
    """Equal column by column, for several names, widths and settings; names differ in their masks."""
    drawn = [mask(kind, width, acceleration, fraction, name) for name in NAMES]
    for name, own in zip(NAMES, drawn, strict=True):
        assert own.dtype == bool
        assert np.array_equal(own, reference(kind, width, acceleration, fraction, name)), name
    assert kind == "equispaced" or len({own.tobytes() for own in drawn}) == 3


def test_the_global_generator_is_left_alone():
    """The reference code seeds numpy's own generator and puts it back."""
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    mask("random", 368, 4, 0.08, NAMES[0])
    assert np.array_equal(before, np.random.get_state()[1])


def test_the_number_of_columns():
    """About a quarter at 4x, 8 % of them in the middle: 29 of 368, from column 170."""
    counts = [mask("random", 368, 4, 0.08, f"file{n}.h5").sum() for n in range(200)]
    assert abs(np.mean(counts) - 92) < 3
    assert mask("random", 368, 4, 0.08, "a.h5")[170:199].all()
