"""A person who types calls, as in `rllib play`."""


def step_typed(env, text):
    """Step an environment by what a person has typed."""
    return env.step(env.unwrapped.typed_action(text))
