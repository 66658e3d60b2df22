"""Without recurring states, what is left of each rule that compares equal states."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.random_rows import made_unique, random_rows
from support.rows import columns_of

from rllib_gigpo import columns
from rllib_gigpo.credit.rules import RULES, GRPORule, make_rule

# Rule -> its options; the biased std of hgpo's levels does not matter, but that of A^E is 1.
EPISODE_ONLY = {
    "gigpo": {"normalize_by_std": False},
    "hgpo": {"normalize_by_std": False, "episode_term": True},
    "bipace_q": {"episode_term": True},
    "graphgpo": {"normalize_by_std": False},
    "bepo": {"normalize_by_std": False},
}
NOTHING = {"hgpo": {}, "bipace_q": {}}
# What these give is said in docs/rules.md, and tested with each of them.
SOMETHING_ELSE = {"gigpo_verl_agent", "proxmo", "anchor_gae", "g2po", "hiper"}


def test_every_rule_that_groups_states_is_looked_at():
    groups = {
        name for name in RULES.known if columns.ANCHOR_GROUP_IDS in (make_rule(name).needs or ())
    }
    assert groups == EPISODE_ONLY.keys() | SOMETHING_ELSE


@pytest.mark.parametrize("name", EPISODE_ONLY)
@given(rows=random_rows(), penalty_mode=st.just("row"))
def test_the_episode_advantage_is_left_exactly(name, rows, penalty_mode):
    batch = columns_of(made_unique(rows), penalty_mode=penalty_mode)
    expected = GRPORule(normalize_by_std=False)(batch).total
    assert np.array_equal(make_rule(name, **EPISODE_ONLY[name])(batch).total, expected)


@pytest.mark.parametrize("name", NOTHING)
@given(rows=random_rows())
def test_nothing_is_left(name, rows):
    assert not make_rule(name, **NOTHING[name])(columns_of(made_unique(rows))).total.any()


@given(rows=random_rows(penalties=(0.0,)))
def test_rounding_is_left_of_anchor_gae(rows):
    rule = make_rule("anchor_gae", normalize_by_std=False)
    np.testing.assert_allclose(rule(columns_of(made_unique(rows), gamma=0.95)).total, 0, atol=1e-12)
