"""Philox against the known-answer vectors published with Random123 (philox4x32-10)."""

import numpy as np
import pytest

from evafast.sampling.philox import below, key_of_seed, philox4x32

ONES = 0xFFFFFFFF
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter, key, expected):
    assert tuple(int(word) for word in philox4x32(counter, key)) == expected


def test_arrays_draw_what_single_counters_draw():
    counters = np.arange(50, dtype=np.uint64) * np.uint64(0x01234567) & np.uint64(ONES)
    many = philox4x32((counters, 3, 0, 9), (5, 6))
    for row, counter in enumerate(counters):
        one = philox4x32((int(counter), 3, 0, 9), (5, 6))
        assert [int(w[row]) for w in many] == [int(w) for w in one]


def test_key_splits_a_64_bit_seed():
    assert key_of_seed(0x1122334455667788) == (0x55667788, 0x11223344)


def test_below_covers_its_range_exactly():
    words = np.array([0, 1, 2**31, ONES], dtype=np.uint64)
    assert below(words, 225).tolist() == [0, 0, 112, 224]
