"""Distances between arrays, also of what is not finite."""

import numpy as np

from gpunet.verify.differences import Difference, distances, share_of_expected

INF, NAN = np.inf, np.nan
EPS = float(np.finfo("float32").eps)


def single(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_units() -> None:
    difference = Difference.between(single(1, -7.5), single(1, -8), "float32")
    assert difference == Difference(0.5, 0.0625, 0.5 / float(np.spacing(np.float32(8))))
    assert Difference.between(single(1), single(1), "float32") == Difference()
    assert Difference.between(single(1), single(0), "float32").relative == INF
    assert Difference.between(None, None, "float32") == Difference()
    assert Difference.between(None, single(1), "float32").absolute == INF
    assert Difference.between(single(), single(), "float32") == Difference()


def test_what_is_not_finite_is_equal_or_infinitely_far() -> None:
    array, reference = single(NAN, INF, -INF, INF, NAN, 1, 1), np.array([NAN, INF, -INF, -INF, 1, NAN, INF])
    assert distances(array, reference).tolist() == [0, 0, 0, INF, INF, INF, INF]
    assert distances(single(INF, 3e38), np.array([1e39, 1e39])).tolist() == [0, 1e39 - float(np.float32(3e38))]
    assert distances(single(1), np.ones(2)).tolist() == [INF]


def test_shares_of_what_is_expected() -> None:
    reference = np.array([1.0, 1.0, 0.0])
    array = single(1 + EPS, 1, 0)
    assert share_of_expected(array, reference, np.full(3, 4.0), "float32") == 0.5  # eps of 4 * eps / 2
    assert share_of_expected(array, reference, np.zeros(3), "float32") == INF
    assert share_of_expected(single(1, 1, 0), reference, np.zeros(3), "float32") == 0
    assert share_of_expected(single(NAN, 1, 0), reference, np.full(3, 1e30), "float32") == INF
    assert share_of_expected(None, None, None, "float32") == 0
    assert share_of_expected(array, None, None, "float32") == INF
    assert share_of_expected(array, reference, np.zeros(2), "float32") == INF
    # The reference rounds as much where it is of the same dtype.
    assert share_of_expected(np.array([1 + 2.0**-52]), np.ones(1), np.ones(1), "float64") == 1


def test_numbers_too_small_to_be_normal_may_be_lost() -> None:
    tiny = np.finfo("float32").tiny
    assert share_of_expected(single(0), np.array([tiny / 2]), np.array([1e-30]), "float32") <= 0.5
