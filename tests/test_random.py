"""Philox 4x32-10 by the vectors of its authors, and streams by address and by statistics."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pytest
from formula_references import philox_reference, stream_word_reference
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import gpunet as gn
from gpunet import random
from gpunet.errors import DataError
from gpunet.random import Stream, philox

WORDS = st.integers(0, 2**32 - 1)

# kat_vectors of Random123 for philox4x32-10: counter, key, result.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> tuple[Any, ...]:
    return tuple(int(word, 16) for word in text.split())


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_the_known_answers_of_random123(counter: str, key: str, answer: str) -> None:
    assert tuple(int(word) for word in philox(words(counter), words(key))) == words(answer)
    number = sum(word << 32 * position for position, word in enumerate(words(counter)))
    assert tuple(philox_reference(number, words(key))) == words(answer)


@given(st.tuples(WORDS, WORDS, WORDS, WORDS), st.tuples(WORDS, WORDS))
def test_philox_equals_plain_integers(counter: Any, key: Any) -> None:
    number = sum(word << 32 * position for position, word in enumerate(counter))
    assert [int(word) for word in philox(counter, key)] == philox_reference(number, key)


def test_counters_may_be_arrays_that_broadcast() -> None:
    low, high = np.arange(3)[:, None], np.arange(2)
    got = philox((low, high, 5, 6), (7, 8))
    assert all(word.shape == (3, 2) and word.dtype == np.uint32 for word in got)
    for i in range(3):
        for j in range(2):
            assert [int(word[i, j]) for word in got] == philox_reference(6 << 96 | 5 << 64 | j << 32 | i, (7, 8))


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 17])
def test_the_words_of_a_stream_follow_its_address(count: int) -> None:
    bits = Stream(-3, "shuffle", epoch=2, step=2**32 - 1).bits(count)
    assert bits.dtype == np.uint32
    assert bits.tolist() == [stream_word_reference(-3, "shuffle", 2, 2**32 - 1, index) for index in range(count)]


def test_words_do_not_depend_on_the_chunks_they_are_made_in(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(0, "chunks")
    whole = stream.bits(1000)
    assert_array_equal(np.concatenate([stream.bits(333), stream.bits(667, start=333)]), whole)
    for start in range(9):
        assert_array_equal(stream.bits(10, start), whole[start : start + 10])
    monkeypatch.setattr(random, "_BLOCKS_AT_ONCE", 7)
    assert_array_equal(stream.bits(1000), whole)


@pytest.mark.parametrize("start", [2**32 - 2, 2**34 - 2, 2**34 + 4097, 2**66 - 8])
def test_words_beyond_two_to_the_32_of_them(start: int) -> None:
    """2**34 words use up the lowest 32 bits of the counter."""
    got = Stream(1, "far", 3, 4).bits(8, start)
    assert got.tolist() == [stream_word_reference(1, "far", 3, 4, start + index) for index in range(8)]


def test_64_bits_are_two_words_the_low_one_first() -> None:
    stream = Stream(0, "pairs")
    low, high = stream.bits(2).tolist()
    assert stream.bits64(1).tolist() == [low | high << 32]
    assert stream.bits64(3).dtype == np.uint64


def test_every_part_of_the_address_matters() -> None:
    streams = [
        Stream(0, "a"),
        Stream(1, "a"),
        Stream(-1, "a"),
        Stream(0, "b"),
        Stream(0, "a", epoch=1),
        Stream(0, "a", step=1),
        Stream(0, ""),
        Stream(2**80, "a"),
    ]
    assert len({stream.bits(4).tobytes() for stream in streams}) == len(streams)


def test_a_stream_has_no_memory() -> None:
    stream = Stream(5, "again", 1, 2)
    first = stream.uniform(7)
    stream.normal(100)
    assert_array_equal(stream.uniform(7), first)
    assert_array_equal(Stream(5, "again").at(1, 2).uniform(7), first)


@pytest.mark.parametrize(("epoch", "step"), [(-1, 0), (0, -1), (2**32, 0), (0, 2**32)])
def test_a_position_out_of_range_is_named(epoch: int, step: int) -> None:
    with pytest.raises(DataError, match=r"random stream 'x': (epoch|step) must be in \[0, 2\*\*32\), got"):
        Stream(0, "x", epoch, step)


@pytest.mark.parametrize(
    ("shape", "wanted"), [((), ()), (3, (3,)), ((2, 3), (2, 3)), ((0, 4), (0, 4)), (np.int64(2), (2,))]
)
def test_shapes(shape: Any, wanted: tuple[int, ...]) -> None:
    stream = Stream(0, "shapes")
    assert stream.uniform(shape).shape == stream.normal(shape).shape == stream.integers(9, shape).shape == wanted
    assert stream.uniform(shape).dtype == stream.normal(shape).dtype == np.float64
    assert stream.integers(9, shape).dtype == np.int64


COUNT = 100_000


def test_uniform_numbers_fill_their_interval_evenly() -> None:
    numbers = Stream(0, "uniform").uniform(COUNT)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert numbers.min() < 20 / COUNT
    assert numbers.max() > 1 - 20 / COUNT
    counts = np.histogram(numbers, 20, (0, 1))[0]
    assert chi_square(counts, COUNT / 20) < 45  # 19 degrees of freedom: once in a thousand is 43.8
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 4 / math.sqrt(COUNT)
    scaled = Stream(0, "uniform").uniform(COUNT, -3, 5)
    assert_array_equal(scaled, numbers * 8 - 3)


def chi_square(counts: Any, expected: float) -> float:
    return float((np.square(counts - expected) / expected).sum())


def test_uniform_numbers_are_the_upper_53_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    extremes = np.array([0, 2**11 - 1, 2**11, 2**64 - 1], np.uint64)
    monkeypatch.setattr(Stream, "bits64", lambda self, count, start=0: extremes[start : start + count])
    assert Stream(0, "x").uniform(4).tolist() == [0, 0, 2.0**-53, 1 - 2.0**-53]
    assert Stream(0, "x").integers(2**32, 4).max() == 2**32 - 1
    assert Stream(0, "x").integers(2**32 - 1, 4).max() == 2**32 - 2
    assert Stream(0, "x").integers(1, 4).max() == 0
    assert np.isfinite(Stream(0, "x").normal(4)).all()  # the logarithm never meets 0


def test_normal_numbers_have_their_moments() -> None:
    numbers = Stream(0, "normal").normal(COUNT)
    error = 1 / math.sqrt(COUNT)
    assert abs(numbers.mean()) < 4 * error
    assert abs(numbers.var() - 1) < 4 * math.sqrt(2) * error
    assert abs((numbers**3).mean()) < 4 * math.sqrt(15) * error
    assert abs((numbers**4).mean() - 3) < 4 * math.sqrt(96) * error
    for limit, share in ((1, 0.682689), (2, 0.954500), (3, 0.997300)):
        assert abs((np.abs(numbers) < limit).mean() - share) < 4 * math.sqrt(share * (1 - share)) * error
    half = COUNT // 2  # both numbers of a pair come from one radius and angle
    assert abs(np.corrcoef(numbers[:half], numbers[half:])[0, 1]) < 4 / math.sqrt(half)
    assert_array_equal(Stream(0, "normal").normal(COUNT, 5, 2), 5 + 2 * numbers)


def test_an_odd_count_of_normal_numbers() -> None:
    assert Stream(0, "odd").normal(7).shape == (7,)
    assert np.isfinite(Stream(0, "odd").normal(1)).all()


@pytest.mark.parametrize("high", [1, 2, 7, 1000])
def test_integers_fill_their_range_evenly(high: int) -> None:
    numbers = Stream(0, "integers").integers(high, COUNT)
    counts = np.bincount(numbers, minlength=high)
    assert counts.size == high
    assert chi_square(counts, COUNT / high) < high + 4 * math.sqrt(2 * high)


@pytest.mark.parametrize("high", [0, -1, 2**32 + 1])
def test_an_integer_limit_out_of_range_is_named(high: int) -> None:
    with pytest.raises(DataError, match=rf"high must be in \[1, 2\*\*32\], got {high}"):
        Stream(0, "x").integers(high)


@given(st.integers(0, 200), st.integers())
def test_a_permutation_has_every_number_once(count: int, seed: int) -> None:
    permutation = Stream(seed, "shuffle").permutation(count)
    assert permutation.dtype == np.int64
    assert sorted(permutation.tolist()) == list(range(count))


def test_permutations_are_all_equally_likely() -> None:
    counts: dict[tuple[int, ...], int] = {}
    for seed in range(2400):
        permutation = tuple(Stream(seed, "shuffle").permutation(4).tolist())
        counts[permutation] = counts.get(permutation, 0) + 1
    assert len(counts) == 24
    assert chi_square(np.array(list(counts.values())), 100) < 50  # 23 degrees of freedom: once in a thousand is 49.7


def test_initial_weights_are_a_function_of_the_seed() -> None:
    def draw() -> list[float]:
        return [float(random.initialization_stream().uniform()) for _ in range(3)]

    with random.seeded(1):
        first = draw()
        random.seed(2)
        second = draw()
        random.seed(1)
        assert draw() == first
    assert len(set(first + second)) == 6


def test_seeded_leaves_the_outer_stream_where_it_was() -> None:
    with random.seeded(9):
        random.initialization_stream()
        with random.seeded(1):
            inner = random.initialization_stream()
            with random.seeded(None):
                assert random.initialization_stream().step == inner.step + 1
        after = random.initialization_stream()
        assert (after.seed, after.step) == (9, 1)
        with pytest.raises(RuntimeError, match="inside"), random.seeded(1):
            raise RuntimeError("inside")
        assert random.initialization_stream().step == 2


def test_the_bits_are_those_of_earlier_versions() -> None:
    """Written down once: a change here changes every trained network."""
    assert Stream(0, "initial weights").bits(4).tolist() == [3688690724, 2026807161, 3371939990, 48755250]
    assert Stream(0, "shuffle", epoch=1).permutation(8).tolist() == [2, 1, 7, 3, 6, 4, 0, 5]


@pytest.mark.parametrize("count", [0, 1, 6, 7, 25])
@pytest.mark.parametrize("draw", ["uniform", "normal"])
def test_numbers_drawn_in_portions_are_those_drawn_at_once(
    draw: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = getattr(Stream(5, "weights"), draw)(count)
    monkeypatch.setattr(random, "_NUMBERS_AT_ONCE", 3)
    assert np.array_equal(getattr(Stream(5, "weights"), draw)(count), at_once)
    rounded = getattr(Stream(5, "weights"), draw)(count, dtype=np.float32)
    assert rounded.dtype == np.float32
    assert np.array_equal(rounded, at_once.astype(np.float32))


def test_a_seed_belongs_to_its_thread() -> None:
    def other() -> None:
        weights.append(gn.Linear(3, 3).weight.value)

    weights: list[np.ndarray] = []
    with gn.random.seeded(1):
        gn.Linear(3, 3)
        expected = gn.Linear(3, 3).weight.value
    with gn.random.seeded(1):
        gn.Linear(3, 3)
        thread = threading.Thread(target=other)  # takes nothing from this stream
        thread.start()
        thread.join()
        np.testing.assert_array_equal(gn.Linear(3, 3).weight.value, expected)
    assert not np.array_equal(weights[0], expected)


def test_seed_inside_seeded_ends_with_it() -> None:
    def following() -> np.ndarray:
        return gn.random.initialization_stream().bits(4)

    gn.random.seed(5)
    expected = following()
    gn.random.seed(5)
    with gn.random.seeded(1):
        gn.random.seed(2)
        inside = following()
    np.testing.assert_array_equal(following(), expected)
    gn.random.seed(2)
    np.testing.assert_array_equal(following(), inside)
