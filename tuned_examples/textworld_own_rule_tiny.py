"""The main job with a custom credit rule: a function of the batch's columns.

rllib train file tuned_examples/textworld_own_rule_tiny.py
"""

import runpy
from pathlib import Path

import numpy as np

from rllib_gigpo import columns
from rllib_gigpo.credit.rules import make_rule

main_job = runpy.run_path(str(Path(__file__).with_name("textworld_gigpo_tiny.py")))
gigpo = make_rule("gigpo")


def last_step_counts_twice(batch):
    """A^S for the steps, and the episode's advantage for its last step on top."""
    episodes = batch[columns.TRAJECTORY_IDS]
    is_last = np.ones(len(episodes), bool)
    order = np.lexsort((batch[columns.STEP_IDS], episodes))
    is_last[order[:-1]] = np.diff(episodes[order]) != 0
    both = gigpo(batch)
    return both.step + both.episode * np.where(is_last, 2.0, 1.0)


config = main_job["config"].training(rule=last_step_counts_twice)
stop = main_job["stop"]
