"""From the token ids of responses to text, without special tokens but with the tags."""

from collections.abc import Sequence
from typing import Any

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.chat_format import added_tokens, find_turn_end


class ResponseDecoder:
    """Decoder of responses.

    Special tokens are left out, because they belong to the chat and not to the answer. A tag of the
    response format and an ordinary word stay, even if the tokenizer has them as special tokens.
    """

    def __init__(self, tokenizer: Any, tags: Sequence[str] = (), marks: Sequence[str] = ()) -> None:
        """Find the special tokens to leave out.

        Args:
            tokenizer: A Hugging Face tokenizer.
            tags: Names of the tags in responses, without brackets.
            marks: Other texts of special tokens that stay, as they are written.

        Raises:
            ConfigError: A tag ends a response, or the tokenizer cannot write it.
        """
        self._tokenizer = tokenizer
        written = [f"<{slash}{tag}>" for tag in tags for slash in ("", "/")]
        special = added_tokens(tokenizer, only_special=True)
        ends = {tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id}
        words = {i for i, text in special.items() if text.strip().isalnum()}
        tags_as_tokens = {i for i, text in special.items() if text.strip() in written}
        marked = {i for i, text in special.items() if text.strip() in marks}
        self._kept = tags_as_tokens | marked | (words - ends)
        self._left_out = set(special) - self._kept
        self._check(written, special)

    def decode(self, responses: Sequence[Sequence[int]]) -> list[str]:
        """Return the texts of responses.

        Args:
            responses: The token ids of each.
        """
        if not self._kept:
            return self._tokenizer.batch_decode(responses, skip_special_tokens=True)
        kept = [[one for one in ids if one not in self._left_out] for ids in responses]
        return self._tokenizer.batch_decode(kept, skip_special_tokens=False)

    def _check(self, written: Sequence[str], special: dict[int, str]) -> None:
        ends = {self._tokenizer.eos_token_id, *find_turn_end(self._tokenizer).token_ids}
        colliding = sorted(special[token_id] for token_id in self._kept & ends)
        if colliding:
            raise ConfigError(
                f"The text {colliding[0]!r} is the token that ends a turn of this model;"
                " choose another action_tag or think_tag, or another format of tools."
            )
        for tag in written:
            ids = self._tokenizer(tag, add_special_tokens=False)["input_ids"]
            (text,) = self.decode([ids])
            if text.strip() != tag:
                raise ConfigError(
                    f"The tokenizer writes the tag {tag!r} as {text!r}, so no answer would be "
                    "valid; choose another action_tag or think_tag, or set it to None."
                )
