"""How well a model predicts plain English, which shows at once if an import went wrong."""

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
# SmolLM2-135M in Q4_1 needs BOUND_PLACEHOLDER
WORST_BITS_PER_BYTE = 2.5


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
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    logits = model.eval()(input_ids=ids, use_cache=False).logits
    log_probs = torch.log_softmax(logits[0, :-1].double(), dim=-1)
    nats = -log_probs.gather(1, ids[0, 1:, None]).sum()
    first = tokenizer.decode(ids[0, :1])
    num_bytes = len(text.encode()) - len(first.encode())
    return float(nats / torch.log(torch.tensor(2.0, dtype=torch.double)) / num_bytes)
