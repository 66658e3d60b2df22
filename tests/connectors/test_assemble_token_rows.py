"""Mini-batches hold whole episodes or whole groups; the rows know their group if it matters."""

import numpy as np
import pytest
from support.episodes import episode_of, step_record

from rllib_gigpo import columns
from rllib_gigpo.connectors.credit.assemble_token_rows import AssembleTokenRows

NUM_GROUPS, GROUP_SIZE = 4, 3
GROUPS = np.repeat(np.arange(NUM_GROUPS), GROUP_SIZE)


def rows_of(*, num_minibatches=2, **settings):
    """Lay out 4 groups of 3 episodes with one step each."""
    batch = {
        columns.RESPONSE_LENGTHS: np.ones(len(GROUPS), dtype=np.int64),
        columns.ADVANTAGES: np.zeros(len(GROUPS)),
    }
    episodes = [episode_of([step_record(num_tokens=1)], group_id=group) for group in GROUPS]
    connector = AssembleTokenRows(num_minibatches=num_minibatches, seed=0, **settings)
    return connector(batch=batch, episodes=episodes)[columns.TOKEN_ROWS]


def minibatches_of_groups(rows):
    return [set(rows.minibatch_ids[group == GROUPS]) for group in range(NUM_GROUPS)]


@pytest.mark.parametrize(
    ("settings", "is_whole"),
    [
        ({"minibatch_by": "group"}, True),
        ({"minibatch_by": "group", "keep_groups": True}, True),
        ({"minibatch_by": "auto", "keep_groups": True}, True),
        ({"minibatch_by": "auto", "keep_groups": False}, False),
        ({"minibatch_by": "episode", "keep_groups": True}, False),
    ],
)
def test_a_minibatch_holds_whole_groups_where_their_rows_share_prefixes(settings, is_whole):
    rows = rows_of(**settings)
    assert (max(map(len, minibatches_of_groups(rows))) == 1) == is_whole
    assert np.bincount(rows.minibatch_ids).tolist() == [6, 6]


@pytest.mark.parametrize("num_minibatches", [3, 4, 6])
def test_with_fewer_than_two_groups_a_minibatch_episodes_are_dealt_out(num_minibatches):
    rows = rows_of(num_minibatches=num_minibatches, minibatch_by="auto", keep_groups=True)
    size = len(GROUPS) // num_minibatches
    assert np.bincount(rows.minibatch_ids).tolist() == [size] * num_minibatches
    assert max(map(len, minibatches_of_groups(rows))) > 1


def test_demanded_groups_make_no_more_minibatches_than_there_are_groups():
    assert rows_of(num_minibatches=6, minibatch_by="group").num_minibatches == NUM_GROUPS


def test_the_rows_know_their_groups_only_if_these_should_stay_together():
    assert rows_of(keep_groups=True).group_ids.tolist() == GROUPS.tolist()
    assert rows_of(keep_groups=False).group_ids is None
