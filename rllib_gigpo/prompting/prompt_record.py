"""The record of one prompt: the engine's input, and what was left out to make it fit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the engine receives it, and what was left out to make it fit.

    Attributes:
        token_ids: The token ids, at most ``max_prompt_tokens`` of them.
        text: The text of the ids, including special tokens.
        num_dropped_history: Number of recalled turns that did not fit.
        observation_cut: Whether the middle of the observation was left out.
        is_cut_further: Whether parts of the task, the admissible actions or the instructions were
            left out too.
    """

    token_ids: list[int]
    text: str
    num_dropped_history: int = 0
    observation_cut: bool = False
    is_cut_further: bool = False

    @property
    def is_cut(self) -> bool:
        """Whether anything was left out."""
        return self.num_dropped_history > 0 or self.observation_cut or self.is_cut_further
