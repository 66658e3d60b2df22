import itertools

import numpy as np
import pytest

from rllib_gigpo.layout.micro_batch_plan import plan_micro_batches


def test_a_row_longer_than_the_budget_stands_alone():
    plan = plan_micro_batches(np.array([3, 50, 4]), max_tokens=10, overhead_tokens=0)
    assert [part.tolist() for part in plan] == [[0], [2], [1]]


@pytest.mark.parametrize("seed", range(5))
def test_the_plan_is_the_cheapest_of_all_splits(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 30, 9)
    plan = plan_micro_batches(lengths, max_tokens=70, overhead_tokens=11)

    def cost(parts):
        sizes = [len(part) * max(part) for part in parts]
        is_allowed = all(
            size <= 70 or len(part) == 1 for size, part in zip(sizes, parts, strict=True)
        )
        return sum(sizes) + 11 * len(parts) if is_allowed else float("inf")

    ordered = sorted(lengths.tolist())
    splits = []
    for cuts in itertools.product([False, True], repeat=8):
        bounds = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), 9]
        splits.append([ordered[a:b] for a, b in itertools.pairwise(bounds)])
    assert cost([lengths[part].tolist() for part in plan]) == min(map(cost, splits))


def test_a_budget_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="max_tokens=0"):
        plan_micro_batches(np.array([1]), max_tokens=0, overhead_tokens=0)
