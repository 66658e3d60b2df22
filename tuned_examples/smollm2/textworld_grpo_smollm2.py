"""The twin of `textworld_gigpo_smollm2.py` with GRPO: only the credit differs.

rllib train file tuned_examples/smollm2/textworld_grpo_smollm2.py
"""

from rllib_gigpo.recipes import experiment

gigpo = experiment("textworld_gigpo_smollm2.py", beside=__file__)

# GRPO does not read step returns, so penalties are subtracted from the rows themselves.
config = gigpo.config.training(rule="grpo", penalties={"mode": "row"})
stop = gigpo.stop
