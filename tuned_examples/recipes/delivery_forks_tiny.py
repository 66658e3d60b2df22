"""Delivery with forks on a CPU: half of each group returns to states that one episode visited.

    rllib train file tuned_examples/recipes/delivery_forks_tiny.py

All else is as in tiny/delivery_gigpo_tiny.py; docs/how_to/forks.md explains the plans.
"""

from rllib_gigpo.recipes import experiment

delivery = experiment("../tiny/delivery_gigpo_tiny.py", beside=__file__)

config = delivery.config.training(group_plan="lone_states")
stop = delivery.stop
