"""Small tokenizers of several families, with their chat templates; nothing is downloaded."""

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from rllib_gigpo.models.tiny_model import build_tokenizer

TEXTS = [
    "-= Kitchen =- You are in a kitchen. There is an exit to the east. goal: take coin",
    "did: go east; go north\ncan: go east; go south; look; inventory; take coin",
    "system user assistant <think> </think> <action> go </action> [INST] < | > _ 0123456789",
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ",
] * 20
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] | trim }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA = (
    "<s>{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ message['content'] }}</s>{% else %}[INST] {{ message['content'] }} [/INST]{% endif %}"
    "{% endfor %}"
)
PARTS = (
    "{% for message in messages %}<start_of_turn>"
    "{{ 'model' if message['role'] == 'assistant' else message['role'] }}\n"
    "{% for part in message['content'] %}{{ part['text'] }}{% endfor %}<end_of_turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
PHI = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' }}{{ message['content'] }}"
    "<|end|>{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def byte_level():
    """Byte-level BPE with ChatML, as in Qwen."""
    return build_tokenizer(TEXTS, vocab_size=512)


def metaspace():
    """BPE with spaces as letters, as in Llama 2."""
    return _trained(
        models.BPE(unk_token="<unk>"),
        trainers.BpeTrainer(
            vocab_size=600, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False
        ),
        pre_tokenizers.Metaspace(prepend_scheme="first"),
        decoders.Metaspace(),
        chat_template=LLAMA,
        special=["<s>", "</s>", "[INST]", "[/INST]"],
        eos="</s>",
    )


def unigram():
    """Unigram with NFKC, whose model itself knows the control tokens, as in T5."""
    controls = ["<unk>", "<start_of_turn>", "<end_of_turn>"]
    return _trained(
        models.Unigram(),
        trainers.UnigramTrainer(
            vocab_size=300, special_tokens=controls, unk_token="<unk>", show_progress=False
        ),
        pre_tokenizers.Metaspace(),
        decoders.Metaspace(),
        normalizer=normalizers.NFKC(),
        chat_template=PARTS,
        special=controls,
        eos="<end_of_turn>",
    )


def plain_controls():
    """Byte-level BPE whose control tokens are not marked as special, as in DeepSeek."""
    roles = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    tokenizer = byte_level_with(["<|endoftext|>"], eos="<|endoftext|>", chat_template=PHI)
    tokenizer.add_tokens([AddedToken(role, normalized=False, special=False) for role in roles])
    return tokenizer


def words():
    """Whole words in lower case, as in BERT."""
    controls = ["[UNK]", "<|im_start|>", "<|im_end|>"]
    return _trained(
        models.WordPiece(unk_token="[UNK]"),
        trainers.WordPieceTrainer(vocab_size=400, special_tokens=controls, show_progress=False),
        pre_tokenizers.BertPreTokenizer(),
        decoders.WordPiece(),
        normalizer=normalizers.BertNormalizer(lowercase=True),
        chat_template=CHATML,
        special=controls,
        eos="<|im_end|>",
    )


def byte_level_with(controls, *, eos, chat_template):
    """Byte-level BPE with given control tokens."""
    return _trained(
        models.BPE(),
        trainers.BpeTrainer(
            vocab_size=512,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
        chat_template=chat_template,
        special=list(controls),
        eos=eos,
    )


FAMILIES = {
    "byte_level": byte_level,
    "metaspace": metaspace,
    "unigram": unigram,
    "plain_controls": plain_controls,
    "words": words,
}


def _trained(
    model, trainer, pre_tokenizer, decoder, *, chat_template, special, eos, normalizer=None
):
    fitted = Tokenizer(model)
    fitted.pre_tokenizer, fitted.decoder = pre_tokenizer, decoder
    if normalizer is not None:
        fitted.normalizer = normalizer
    fitted.train_from_iterator(TEXTS, trainer)
    fitted.add_special_tokens([AddedToken(one, normalized=False, special=True) for one in special])
    return PreTrainedTokenizerFast(
        tokenizer_object=fitted,
        eos_token=eos,
        chat_template=chat_template,
        clean_up_tokenization_spaces=False,
    )
