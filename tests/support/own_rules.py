"""Credit rules, similarities and keys as users write them."""

from dataclasses import dataclass

import numpy as np

from rllib_gigpo import columns
from rllib_gigpo.credit.rules import Advantages, CreditRule


def own_rule(batch):
    return batch[columns.REWARDS] * 2


def own_levels(batch):
    zeros = np.zeros(len(batch[columns.REWARDS]))
    return Advantages(episode=zeros + 1, step=zeros, total=zeros + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnsOnly(CreditRule):
    name = "returns_only"
    needs = frozenset({columns.EPISODE_RETURNS})

    def __call__(self, batch):
        total = batch[columns.EPISODE_RETURNS]
        return Advantages(episode=total, step=0 * total, total=total)


@dataclass(frozen=True, slots=True, kw_only=True)
class AloneIsFine(CreditRule):
    name = "alone_is_fine"
    needs = frozenset({columns.STEP_RETURNS})
    compares_within_groups = False

    def __call__(self, batch):
        total = batch[columns.STEP_RETURNS]
        return Advantages(episode=0 * total, step=total, total=total)


def same_first_word(founder, text):
    return float(founder.split()[0] == text.split()[0])


def first_words(anchors):
    return [anchor.split()[0] for anchor in anchors]


class Bare(CreditRule):
    """A rule with neither a name nor needs."""

    step_weight = 1.0

    def __call__(self, batch):
        total = batch[columns.STEP_RETURNS]
        return Advantages(episode=0 * total, step=total, total=total)


class NeedsAnOption(Bare):
    def __init__(self, factor):
        self.factor = factor
