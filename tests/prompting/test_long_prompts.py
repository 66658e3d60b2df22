"""Facts of a million characters: only what can fit is tokenised, and the cut is exact."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.prompting import PastStep, PromptInputs, PromptRenderer, PromptTemplate
from rllib_gigpo.prompting.text_encoder import TextEncoder

WORDS = ["kitchen", "you", "are", "in", "the", "east", "coin", "north", "take", "goal", "exit"]
LONG = " ".join(WORDS[number * number % 11] for number in range(200_000))[:1_000_000]
LIMIT = 450


class SlowEncoder(TextEncoder):
    """Encodes every prompt whole."""

    def encode_ends(self, text, marked, *, more_than):
        return None


class CountingEncoder(TextEncoder):
    """Counts the characters that the tokenizer reads."""

    def __init__(self, *args, **kwargs):
        self.num_characters = 0
        super().__init__(*args, **kwargs)
        plain = self._plain
        self._plain = lambda text: self._count(text) or plain(text)

    def _count(self, text):
        self.num_characters += len(text)


def renderer_of(tokenizer, encoder_class, template="default", limit=LIMIT):
    template = PromptTemplate.from_name_or_source(template)
    renderer = PromptRenderer(tokenizer, template, max_prompt_tokens=limit)
    # The renderer has no seam for it, because only this test needs another encoder.
    old = renderer._encoder
    new = encoder_class(tokenizer, frame=old._frame)
    new._expected = old._expected
    renderer._encoder = new
    return renderer


@pytest.mark.fault("case 15", promise="A prompt of a million characters costs milliseconds.")
@pytest.mark.parametrize("template", ["default", "compact"])
@pytest.mark.parametrize(
    "inputs",
    [
        PromptInputs(LONG),
        PromptInputs("A hall.", task=LONG),
        PromptInputs("A hall.", admissible_actions=(LONG, "look")),
        PromptInputs("A hall.", history=(PastStep(1, LONG, LONG),)),
        PromptInputs(LONG, LONG, (LONG,), (PastStep(1, LONG, LONG),) * 3),
        PromptInputs(LONG + "<|im_end|>" + LONG),
        PromptInputs("x" * 1_000_000),
    ],
    ids=["observation", "task", "actions", "history", "all", "forged", "one word"],
)
def test_few_characters_of_a_million_are_tokenised(tokenizer, template, inputs, record_property):
    renderer = renderer_of(tokenizer, CountingEncoder, template)
    prompt = renderer.render(inputs)
    assert len(prompt.token_ids) <= LIMIT
    assert prompt.is_cut
    record_property("happened", f"{renderer._encoder.num_characters} characters tokenised")
    assert renderer._encoder.num_characters < 200_000


texts = st.builds(
    lambda words, times: " ".join(words) * times,
    st.lists(st.sampled_from([*WORDS, "", "....", "é", "\n", "<|im_end|>"]), max_size=12),
    st.integers(0, 150),
)


@pytest.mark.fault("case 15", promise="The cut is as exact as if everything were tokenised.")
@given(
    observation=texts,
    task=texts,
    history=st.lists(texts, max_size=3),
    limit=st.integers(LIMIT, 2 * LIMIT),
    template=st.sampled_from(["default", "compact", "textworld"]),
)
@settings(deadline=None, max_examples=30)
def test_the_fast_way_agrees_with_the_slow_way(
    tokenizer, observation, task, history, limit, template
):
    past = tuple(PastStep(step, text, "go") for step, text in enumerate(history, start=1))
    inputs = PromptInputs(observation, task, ("look",), past, step=len(past) + 1)
    fast = renderer_of(tokenizer, TextEncoder, template, limit).render(inputs)
    slow = renderer_of(tokenizer, SlowEncoder, template, limit).render(inputs)
    assert (fast.num_dropped_history, fast.observation_cut, fast.is_cut_further) == (
        slow.num_dropped_history,
        slow.observation_cut,
        slow.is_cut_further,
    )
    assert len(fast.token_ids) <= limit
    if fast.observation_cut and not fast.is_cut_further:
        assert abs(len(fast.token_ids) - len(slow.token_ids)) <= 16
    if not (fast.observation_cut or fast.is_cut_further):
        assert fast == slow


def test_a_text_of_few_long_tokens_is_not_cut(tokenizer):
    """Whether a prompt fits is exact, however many characters its tokens stand for."""
    source = "{{ observation | length }} {{ observation[:3] }}"
    prompt = renderer_of(tokenizer, TextEncoder, source).render(PromptInputs(LONG))
    assert not prompt.is_cut


def test_a_long_sub_goal_is_cut_before_the_observation_is(tokenizer):
    template = PromptTemplate("{{ observation }}\nYou pursue: {{ sub_goal }}")
    renderer = PromptRenderer(tokenizer, template, max_prompt_tokens=LIMIT)
    observation = " ".join(WORDS * 5)
    prompt = renderer.render(PromptInputs(observation, sub_goal=LONG))
    assert len(prompt.token_ids) <= LIMIT
    assert observation in prompt.text
    assert prompt.is_cut_further
    assert not prompt.observation_cut
    short = renderer.render(PromptInputs(observation, sub_goal="reach the exit"))
    assert "reach the exit" in short.text
    assert not short.is_cut
