"""Classes in the shape that TRL's ``environment_factory`` takes, without anything of ours."""


class CounterEnv:
    """As in TRL's documentation: the reset takes whatever a row has, and tells nothing."""

    def __init__(self):
        self.count = 0

    def reset(self, **kwargs):
        self.count = 0
        self.goal = kwargs.get("goal", 5)

    def increment(self, step: int) -> int:
        """
        Increment the counter.

        Args:
            step: Value to add to the counter.

        Returns:
            The counter after the addition.
        """
        if step < 0:
            raise ValueError("The counter only goes up.")
        self.count += step
        return self.count

    def get_reward(self) -> float:
        return 1.0 if self.count == self.goal else 0.0


class WordEnv:
    """As in TRL's examples of games: a text at the reset, attributes ``done`` and ``reward``."""

    def reset(self, **kwargs) -> str | None:
        self.word = "crane"
        self.reward, self.done = 0.0, False
        return "Guess the word of five letters."

    def guess(self, guess: str) -> str:
        """
        Make a guess.

        Args:
            guess: A word of five letters.

        Returns:
            What is right in it.
        """
        if self.done:
            raise ValueError("Game over.")
        self.done = guess == self.word
        self.reward = 1.0 if self.done else 0.25
        return "".join("G" if a == b else "-" for a, b in zip(guess, self.word, strict=True))


class AsyncEnv:
    """Tools and rewards that have to be awaited."""

    async def reset(self, **kwargs):
        self.asked = []
        return "Ask twice."

    async def ask(self, what: str, times: int = 1) -> list[str]:
        """Ask."""
        self.asked.append(what)
        return [what] * times

    async def get_reward(self):
        return len(self.asked) / 2


ROWS = [
    {"prompt": [{"role": "user", "content": f"Increment the counter by {goal}."}], "goal": goal}
    for goal in range(1, 11)
]
