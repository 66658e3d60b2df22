"""Estimators, similarities and keys as a user writes them: plain functions."""

import numpy as np

from rllib_gigpo import columns
from rllib_gigpo.credit.estimators import Advantages


def own_rule(batch):
    return batch[columns.REWARDS] * 2


def own_levels(batch):
    zeros = np.zeros(len(batch[columns.REWARDS]))
    return Advantages(episode=zeros + 1, step=zeros, total=zeros + 1)


def same_first_word(founder, text):
    return float(founder.split()[0] == text.split()[0])


def first_words(anchors):
    return [anchor.split()[0] for anchor in anchors]
