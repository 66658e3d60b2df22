"""Search ω, the weight of the step advantage, with Ray Tune: this file is the whole search.

    rllib train file tuned_examples/recipes/delivery_omega_tune.py

A grid of six weights and four seeds on Delivery (tiny/delivery_gigpo_tiny.py): 24 runs of a minute
each, one after the other on two cores. ``rllib view`` overlays their curves.
"""

from ray import tune

from rllib_gigpo.recipes import experiment

delivery = experiment("../tiny/delivery_gigpo_tiny.py", beside=__file__)

config = delivery.config.training(
    step_weight=tune.grid_search([0.2, 0.4, 0.7, 1.0, 1.2, 2.0])
).debugging(seed=tune.grid_search([0, 1, 2, 3]))
stop = delivery.stop
