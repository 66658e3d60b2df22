"""A random walk through an ALFWorld game, which the stock engine can play.

Run it in a separate process, because the stock engine overwrites ``sys.argv`` and more:

    python stock_alfworld.py NUM_STEPS game.tw-pddl ...
"""

import json
import random
import sys


def random_walk(start, step, num_steps):
    """Return [command, answer, admissible commands, won] for every turn.

    ``start()`` and ``step(command)`` return the last three items.
    """
    rng = random.Random(0)
    rows = [[None, *start()]]
    for _ in range(num_steps):
        commands = [*rows[-1][2], "fly to the moon"]
        handling = [c for c in commands if not c.startswith(("go to", "examine"))]
        command = rng.choice(rng.choice([commands, handling]))
        rows.append([command, *step(command)])
    return rows


def stock_walk(path, num_steps):
    """Play a random walk through a game on the stock engine."""
    from alfworld.agents.environment.alfred_tw_env import AlfredDemangler, AlfredInfos
    from textworld import EnvInfos
    from textworld.envs.pddl import PddlEnv

    def seen(state):
        return [state.feedback, state.admissible_commands, state.won]

    env = AlfredInfos(AlfredDemangler(PddlEnv(EnvInfos(won=True, admissible_commands=True))))
    env.load(path)
    return random_walk(
        lambda: seen(env.reset()), lambda command: seen(env.step(command)[0]), num_steps
    )


if __name__ == "__main__":
    count, files = int(sys.argv[1]), sys.argv[2:]
    print(json.dumps([stock_walk(path, count) for path in files]))
