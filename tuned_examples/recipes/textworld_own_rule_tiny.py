"""The main job with a custom credit rule: a function of the batch's columns.

rllib train file tuned_examples/recipes/textworld_own_rule_tiny.py
"""

import numpy as np

from rllib_gigpo import columns
from rllib_gigpo.credit.rules import make_rule
from rllib_gigpo.recipes import experiment

main_job = experiment("../tiny/textworld_gigpo_tiny.py", beside=__file__)
gigpo = make_rule("gigpo")


def last_step_counts_twice(batch):
    """Add the episode advantage to GiGPO's A^S, twice in the last step of an episode."""
    episodes = batch[columns.TRAJECTORY_IDS]
    is_last = np.ones(len(episodes), bool)
    order = np.lexsort((batch[columns.STEP_IDS], episodes))
    is_last[order[:-1]] = np.diff(episodes[order]) != 0
    both = gigpo(batch)
    return both.step + both.episode * np.where(is_last, 2.0, 1.0)


config = main_job.config.training(rule=last_step_counts_twice)
stop = main_job.stop
