"""Random numbers by hashing counters: the same to the last bit on every processor, in any order and batch."""

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float32]

#: The step of SplitMix64's counter, and an odd constant that sets purposes apart (both from L. Vigna's work).
STEP, PURPOSE = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1342543DE82EF95)


def mix(words: Words) -> Words:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection in which every bit counts."""
    words = words ^ (words >> np.uint64(30))
    words = words * np.uint64(0xBF58476D1CE4E5B9)
    words = words ^ (words >> np.uint64(27))
    words = words * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def streams(seeds: Words, purpose: int) -> Words:
    """A stream for each seed, another for each purpose."""
    return mix(seeds ^ mix(np.array([purpose + 1], np.uint64) * PURPOSE))


def words(stream: Words, numbers: npt.NDArray[np.integer]) -> Words:
    """The numbered words of streams; the two arrays are broadcast."""
    return mix(stream + (numbers.astype(np.uint64) + np.uint64(1)) * STEP)


def uniform(word: Words, part: int = 0) -> Floats:
    """Numbers in [0, 1) with 20 bits each from the upper, the middle or the lower part of words."""
    return bits(word, 44 - 20 * part, 20).astype(np.float32) * np.float32(2.0**-20)


def bits(word: Words, first: int, count: int) -> npt.NDArray[np.int64]:
    """``count`` bits of each word, from number ``first`` on; the four lowest are in no :func:`uniform`."""
    return (word >> np.uint64(first) & np.uint64(2**count - 1)).astype(np.int64)
