"""From characters of an answer to its tokens, by decoding the answer's beginnings."""

from bisect import bisect_left
from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]


def token_span(
    token_ids: Sequence[int], text: str, characters: tuple[int, int], decode: Decode
) -> tuple[int, int]:
    """Find the tokens of a stretch of text.

    A token belongs to the stretch in which its first character is. Tokens of one character (of
    several bytes) share its place, and so do tokens that decode to nothing and what follows them.

    Args:
        token_ids: (L,) The ids of the whole answer.
        text: Their text.
        characters: First character of the stretch, and the one after it.
        decode: Turns the first ids of the answer into their text.

    Returns:
        Index of the first token, and of the one after the last.
    """

    def num_characters(num_tokens: int) -> int:
        """Count the characters that are complete after some tokens."""
        beginning = decode(token_ids[:num_tokens])
        pairs = enumerate(zip(beginning, text, strict=False))
        # They differ where the bytes of a character are incomplete, for example.
        return next((i for i, (ours, own) in pairs if ours != own), min(len(beginning), len(text)))

    start, stop = (
        bisect_left(range(len(token_ids) + 1), character, key=num_characters)
        for character in characters
    )
    return start, min(stop, len(token_ids))
