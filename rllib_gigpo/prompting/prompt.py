"""The record of one prompt: what the engine gets, and what had to be left out."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the engine gets it, with what had to be left out.

    Attributes:
        token_ids: the token ids, at most ``max_prompt_tokens`` of them.
        text: the text that the ids stand for, special tokens included.
        num_dropped_history: number of recalled turns that did not fit.
        observation_cut: whether the middle of the observation was left out.
        is_cut_further: whether even more was left out: of the task, the admissible actions or the
            instructions.
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
