"""Shortens prompts that are too long: which facts of a turn are left out, and in which order."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rllib_gigpo.prompting.contents.text_contents import Contents
from rllib_gigpo.prompting.prompt_record import Prompt
from rllib_gigpo.prompting.template import PromptInputs

_SLACK_TOKENS = 4
_MAX_ATTEMPTS = 12
_FEW_CHARACTERS = 8  # for each token of a prompt's limit: takes milliseconds to encode


class PromptShortener:
    """Shortener that leaves out facts until a prompt fits, the least important first.

    The order: the oldest turns of the history, the middle of the observation, the middle of the
    task, the last admissible actions.
    """

    def __init__(
        self,
        encode: Callable[[PromptInputs], Prompt],
        contents: Contents,
        *,
        max_prompt_tokens: int,
    ) -> None:
        """Store how facts become a prompt.

        Args:
            encode: Renders facts of any length; called several times for one prompt.
            contents: What prompts are made of.
            max_prompt_tokens: Largest length of a prompt in tokens.
        """
        self._encode = encode
        self._contents = contents
        self._max_prompt_tokens = max_prompt_tokens

    def excess(self, prompt: Prompt) -> int:
        """Return by how many tokens a prompt is too long; 0 or less if it fits.

        Args:
            prompt: The prompt.
        """
        return self._contents.excess(prompt, self._max_prompt_tokens)

    def shorten(self, inputs: PromptInputs) -> Prompt:
        """Return a prompt that fits, unless the template's own text is too long.

        Args:
            inputs: Facts whose prompt is too long.
        """
        num_turns = len(inputs.history)
        inputs_without, prompt = self._without_history(inputs, num_turns)
        if self.excess(prompt) > 0 and inputs.sub_goal:  # the agent's own words go first
            inputs_without, prompt = self._cut_text(inputs_without, prompt, "sub_goal")
            if self.excess(prompt) <= 0:
                return replace(prompt, num_dropped_history=num_turns, is_cut_further=True)
        if self.excess(prompt) > 0:
            return replace(self._cut(inputs_without, prompt), num_dropped_history=num_turns)
        num_dropped = _first_true(
            num_turns, lambda num: self.excess(self._without_history(inputs, num)[1]) <= 0
        )
        prompt = self._without_history(inputs, num_dropped)[1]
        return replace(prompt, num_dropped_history=num_dropped)

    def _without_history(self, inputs: PromptInputs, num: int) -> tuple[PromptInputs, Prompt]:
        shorter = replace(inputs, history=inputs.history[num:])
        return shorter, self._encode(shorter)

    def _cut(self, inputs: PromptInputs, prompt: Prompt) -> Prompt:
        field = "results" if inputs.results else "observation"
        cut_inputs, prompt = self._cut_text(inputs, prompt, field)
        if field == "results" and self.excess(prompt) > 0:  # a user message shows the observation
            field = "observation"
            cut_inputs, prompt = self._cut_text(inputs, prompt, field)
        is_cut_further = self.excess(prompt) > 0
        if is_cut_further:
            prompt = self._cut_further(cut_inputs, prompt)
        observation_cut = getattr(cut_inputs, field) != getattr(inputs, field)
        return replace(prompt, observation_cut=observation_cut, is_cut_further=is_cut_further)

    def _cut_further(self, inputs: PromptInputs, prompt: Prompt) -> Prompt:
        inputs, prompt = self._cut_text(inputs, prompt, "task")
        if self.excess(prompt) <= 0:
            return prompt
        num_dropped = _first_true(
            len(inputs.admissible_actions),
            lambda num: self.excess(self._without_actions(inputs, num)) <= 0,
        )
        return self._without_actions(inputs, num_dropped)

    def _without_actions(self, inputs: PromptInputs, num: int) -> Prompt:
        actions = inputs.admissible_actions[: len(inputs.admissible_actions) - num]
        return self._encode(replace(inputs, admissible_actions=actions))

    def _cut_text(
        self, inputs: PromptInputs, prompt: Prompt, field: str
    ) -> tuple[PromptInputs, Prompt]:
        """Keep as much of both ends of one field as fits, to within a few tokens; maybe nothing."""
        high = len(getattr(inputs, field))
        best = self._with_cut(inputs, field, high)
        if self.excess(best[1]) > 0:
            return best
        low, low_excess, high, best = self._bracket(inputs, prompt, field, best)
        for _ in range(_MAX_ATTEMPTS):
            room = -self.excess(best[1])
            if room <= _SLACK_TOKENS or high - low <= 1:
                break
            # Tokens are nearly proportional to characters, so two or three attempts are enough.
            share = (low_excess + _SLACK_TOKENS / 2) / (low_excess + room)
            num_removed = min(max(low + round((high - low) * share), low + 1), high - 1)
            attempt = self._with_cut(inputs, field, num_removed)
            if self.excess(attempt[1]) <= 0:
                high, best = num_removed, attempt
            else:
                low, low_excess = num_removed, self.excess(attempt[1])
        return best

    def _bracket(
        self,
        inputs: PromptInputs,
        prompt: Prompt,
        field: str,
        best: tuple[PromptInputs, Prompt],
    ) -> tuple[int, int, int, tuple[PromptInputs, Prompt]]:
        """Bound the number of characters to remove; of a huge text, nothing long is encoded.

        Returns:
            A number that is too small and by how many tokens, and one that is large enough and the
            prompt that it gives (``best`` if all of the field has to go).
        """
        length = high = len(getattr(inputs, field))
        num_kept = _FEW_CHARACTERS * self._max_prompt_tokens
        while num_kept < length:
            attempt = self._with_cut(inputs, field, length - num_kept)
            if self.excess(attempt[1]) > 0:
                return length - num_kept, self.excess(attempt[1]), high, best
            high, best = length - num_kept, attempt
            num_kept *= 4
        return 0, self.excess(prompt), high, best

    def _with_cut(
        self, inputs: PromptInputs, field: str, num_removed: int
    ) -> tuple[PromptInputs, Prompt]:
        fact, cut = getattr(inputs, field), self._contents.cut
        num_kept = len(fact) - num_removed
        shorter_fact = cut(fact, num_kept) if isinstance(fact, str) else fact.cut(num_kept, cut)
        changes: dict[str, Any] = {field: shorter_fact}
        shorter = replace(inputs, **changes)
        return shorter, self._encode(shorter)


def _first_true(upper: int, condition: Callable[[int], bool]) -> int:
    """Return the smallest number in 0..upper that meets ``condition``; ``upper`` if none does.

    ``condition`` must be false below some number and true from there on. If it is not quite (a cut
    may add or save a token), the result still meets it, or is ``upper``.
    """
    low, high = 0, upper
    while low < high:
        middle = (low + high) // 2
        if condition(middle):
            high = middle
        else:
            low = middle + 1
    return high
