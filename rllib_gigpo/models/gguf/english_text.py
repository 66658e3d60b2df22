"""How well a model predicts plain English, which shows at once if an import went wrong."""

import math
from typing import Any

import torch

ENGLISH = (
    "The bakery at the corner opens before six, when the street is still dark and the first buses"
    " have not arrived. Inside, two people work without talking much. One of them takes the loaves"
    " out of the oven and puts them on wooden shelves to cool; the other writes the prices of the"
    " day on a small board and hangs it in the window. By seven there is usually a line of people"
    " waiting, and most of them buy the same thing every morning. Children come later, on their way"
    " to school, and count their coins before they ask for something sweet. When it rains, fewer"
    " customers stop by, so the bread that is left in the evening goes to a shelter across the"
    " river. Nobody in the neighborhood can remember a day on which the bakery stayed closed."
)
# SmolLM2-135M (Q4_1) needs 1.08. With the rows of q and k left in llama.cpp's order it needs 1.57,
# with those of k alone 2.8, and with random weights 3.4. The text is too short to show a wrong base
# of RoPE: with 1e4 instead of 1e5 it needs 1.12.
WORST_BITS_PER_BYTE = 1.5


@torch.no_grad()
def bits_per_byte(model: Any, tokenizer: Any, text: str = ENGLISH) -> float:
    """Return the bits that a model needs for each byte of a text.

    ``-sum log2 p(token | tokens before) / bytes``, without the first token, which nothing precedes.
    Unlike a loss per token, it compares models with different tokenizers.

    Args:
        model: A Hugging Face causal LM.
        tokenizer: Its tokenizer.
        text: The text to predict.
    """
    # Truncated to the tokenizer's model_max_length, as a tiny model's context may be shorter.
    encoded = tokenizer(text, add_special_tokens=False, truncation=True, return_tensors="pt")
    ids = encoded["input_ids"]
    logits = model.eval()(input_ids=ids, use_cache=False).logits
    log_probs = torch.log_softmax(logits[0, :-1].double(), dim=-1)
    nats = -log_probs.gather(1, ids[0, 1:, None]).sum()
    num_bytes = len(tokenizer.decode(ids[0]).encode()) - len(tokenizer.decode(ids[0, :1]).encode())
    return float(nats) / math.log(2) / num_bytes
