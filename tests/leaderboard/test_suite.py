"""A suite's figures: what stands under an image is that image's score."""

from bench.leaderboard import suite
from bench.sweeps.suite import FigureLayout
from bench.text import decibel

#: Numbers of the test images that the records of these tests store.
STORED = (3, 7, 12, 17, 21, 26, 31, 38)
LAYOUT = FigureLayout(name="one", title="One", operator="xor_ctr", models=["unet"])


def test_captions_are_those_of_the_images_shown(make, monkeypatch):
    """The images of a run are chosen among all: the score of the eighth stands not under the fourth."""
    psnr = [float(number) for number in range(40)]
    record = make(model="unet", psnr=psnr)
    drawn = {}
    monkeypatch.setattr(suite, "sheet", lambda rows, captions, title: drawn.update(captions))
    suite.figure(LAYOUT, [record])
    assert list(drawn["unet"]) == [decibel(float(number)) for number in STORED]


def test_images_of_a_volume_have_no_score_of_their_own(make, monkeypatch):
    """One score belongs to a whole volume: none stands under its slices."""
    record = make(model="unet", data={"unit": "volume"})
    drawn = {}
    monkeypatch.setattr(suite, "sheet", lambda rows, captions, title: drawn.update(captions))
    suite.figure(LAYOUT, [record])
    assert list(drawn["unet"]) == []
