"""The record of one prompt: the engine's input, and what was left out to make it fit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rllib_gigpo.media.image import PlacedImage


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as the engine receives it, and what was left out to make it fit.

    Attributes:
        token_ids: The token ids, at most ``max_prompt_tokens`` of them.
        text: The text of the ids, including special tokens.
        num_dropped_history: Number of recalled turns that did not fit.
        observation_cut: Whether the middle of the observation was left out.
        is_cut_further: Whether parts of the sub-goal, the task, the admissible actions or the
            instructions were left out too.
        num_message_tokens: In a conversation, how many of the last ids are new: the message of
            this turn and what closes the answer before it. 0 outside of conversations.
        images: The images that the prompt shows, in order; their places do not overlap.
    """

    token_ids: Sequence[int]
    text: str
    num_dropped_history: int = 0
    observation_cut: bool = False
    is_cut_further: bool = False
    num_message_tokens: int = 0
    images: tuple[PlacedImage, ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether anything was left out."""
        return self.num_dropped_history > 0 or self.observation_cut or self.is_cut_further

    def images_from(self, start: int, *, moved_by: int) -> tuple[PlacedImage, ...]:
        """Return the images whose places begin at a token or later, moved by some tokens."""
        return tuple(
            replace(place, start=place.start + moved_by)
            for place in self.images
            if place.start >= start
        )


@dataclass(frozen=True, slots=True)
class ChatTurn:
    """A finished turn of a conversation: its prompt, and the answer as the engine sampled it.

    Attributes:
        prompt: The prompt.
        response_ids: The token ids of the answer, with the token that ends it if it was sampled.
    """

    prompt: Prompt
    response_ids: Sequence[int]
