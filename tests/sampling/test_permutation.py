"""ShuffledOrder: a permutation by random access, and the one that existing datasets have."""

import numpy as np
import pytest

from evafast.sampling.permutation import ShuffledOrder


@pytest.mark.parametrize("count", [1, 2, 3, 10, 97, 1000, 65537])
def test_order_is_a_permutation(count):
    order = ShuffledOrder(count, seed=11)[:]
    assert np.array_equal(np.sort(order), np.arange(count))


def test_order_is_seeded_mixed_and_by_random_access():
    order = ShuffledOrder(400_000, seed=0)
    whole = order[:]
    assert (order[123_456:123_500] == whole[123_456:123_500]).all()
    assert (ShuffledOrder(400_000, seed=1)[:1000] != whole[:1000]).mean() > 0.99
    shard = whole[:4000]  # a fair mix of all backgrounds
    per_background = np.bincount(shard // 4000, minlength=100)
    assert per_background.min() > 15
    assert per_background.max() < 75
    assert abs(np.corrcoef(np.arange(400_000), whole)[0, 1]) < 0.01


def test_known_order_of_seed_0():
    """Existing datasets have this order: it must never change."""
    order = ShuffledOrder(400_000, seed=0)
    assert order[[0, 1, 2, 399_999]].tolist() == [373497, 161956, 164544, 77578]
