"""A language model for two CPU cores: a Qwen2 with about a million parameters and a tokenizer."""

import json
from collections.abc import Iterable

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
)

from rllib_gigpo.errors import ConfigError

PAD_TOKEN = "<|pad|>"
START_TOKEN = "<|im_start|>"
END_TOKEN = "<|im_end|>"
_SPECIAL_TOKENS = [PAD_TOKEN, START_TOKEN, END_TOKEN]
# With all 256 bytes the tokenizer can write any text; with fewer entries it would lose some.
MIN_VOCAB_SIZE = 256 + len(_SPECIAL_TOKENS)

# Tools are shown as short as possible; calls are written in Hermes' format.
CHAT_TEMPLATE = (
    "{% if tools %}{{ '<|im_start|>system\ntools:' }}{% for tool in tools %}"
    "{{ ' ' + tool.function.name + '(' }}"
    "{{ (tool.function.parameters.properties | join(', ')) + ')' }}"
    "{% endfor %}{{ '<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + (message['content'] or '') }}"
    "{% for call in message.tool_calls or [] %}"
    "{{ '\n' if loop.index0 }}<tool_call>\n"
    "{{ {'name': call.function.name, 'arguments': call.function.arguments} | tojson }}"
    "\n</tool_call>{% endfor %}"
    "{{ '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def build_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Fit a byte-level BPE tokenizer with a chat template to ``texts``.

    The result depends only on the texts. It has fewer than ``vocab_size`` entries if the texts
    have fewer words and pieces. ``<|im_end|>`` ends a turn (eos).

    Args:
        texts: The text to encode in few tokens: prompts and responses.
        vocab_size: Upper bound on the number of entries.

    Raises:
        ConfigError: ``vocab_size`` is too small for the 256 bytes and the special tokens.
    """
    if vocab_size < MIN_VOCAB_SIZE:
        raise ConfigError(
            f"vocab_size={vocab_size} is too small: a byte-level tokenizer needs at least "
            f"{MIN_VOCAB_SIZE} entries. 1024 is enough for one environment."
        )
    # transformers opens the tokenizer of a Qwen2 folder as Qwen2Tokenizer, which ignores how
    # tokenizer.json splits words. Fitted with that class's splitting, all readers agree.
    shell = Qwen2Tokenizer().backend_tokenizer
    fitted = Tokenizer(models.BPE())
    fitted.normalizer = shell.normalizer
    fitted.pre_tokenizer = shell.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=_SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # The role names are in every prompt, so each should be one token.
    fitted.train_from_iterator([*texts, *["system\nuser\nassistant\n"] * 1000], trainer)
    return _as_qwen2_tokenizer(fitted)


def _as_qwen2_tokenizer(fitted: Tokenizer) -> PreTrainedTokenizerFast:
    bpe = json.loads(fitted.to_str())["model"]
    return Qwen2Tokenizer(
        vocab=bpe["vocab"],
        merges=[tuple(merge) for merge in bpe["merges"]],
        unk_token=None,
        eos_token=END_TOKEN,
        pad_token=PAD_TOKEN,
        extra_special_tokens=[START_TOKEN],
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def build_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    hidden_size: int = 128,
    num_layers: int = 3,
    num_heads: int = 4,
    tie_word_embeddings: bool = True,
    max_position_embeddings: int = 1024,
    seed: int = 0,
) -> Qwen2ForCausalLM:
    """Build an untrained float32 Qwen2 for ``tokenizer``; the global RNG does not change.

    Args:
        tokenizer: The tokenizer, which sets the vocabulary's size and the eos and pad tokens.
        hidden_size: The width, a multiple of ``num_heads``. vLLM's CPU attention needs heads of
            width 32, 64, 80, 96, 112, 128, 192 or 256.
        num_layers: Number of transformer blocks.
        num_heads: Number of attention heads.
        tie_word_embeddings: Whether input and output embeddings are one matrix.
        max_position_embeddings: Longest sequence, prompt and response together, in tokens.
        seed: The seed of the initial weights.

    Raises:
        ConfigError: ``hidden_size`` is not a multiple of ``num_heads``.
    """
    if hidden_size % num_heads:
        raise ConfigError(
            f"hidden_size={hidden_size} is not a multiple of num_heads={num_heads}; try "
            f"hidden_size={num_heads * max(1, round(hidden_size / num_heads))}."
        )
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        intermediate_size=3 * hidden_size,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        num_key_value_heads=num_heads,
        max_position_embeddings=max_position_embeddings,
        tie_word_embeddings=tie_word_embeddings,
        # The usual 0.02 suits a width of thousands. Here it would keep attention flat for hundreds
        # of steps, so the model would not learn to copy from the prompt.
        initializer_range=hidden_size**-0.5,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen2ForCausalLM(config).float()
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    return model
