"""The renderer: prompts are exactly those of the chat template, and never too long."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting import PastStep, PromptInputs, PromptRenderer, PromptTemplate
from rllib_gigpo.prompting.contents.text_contents import CUT_MARKER, cut_middle
from rllib_gigpo.prompting.prompt_record import Prompt

TRIMMING = (
    "{{ '<|im_start|>' }}{% for message in messages %}[{{ message['role'] }}]"
    "{{ message['content'] | trim }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
WITH_PARTS = (
    "{% for message in messages %}{{ message['role'] }}:{% for part in message['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>"
    "{% endfor %}assistant:{% if enable_thinking is defined and not enable_thinking %}"
    "<think></think>{% endif %}"
)
WITHOUT_SYSTEM = (
    "{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ raise_exception('no system role') }}{% endif %}{{ message['content'] }}{% endfor %}"
)
FACTS = PromptInputs(
    observation="-= Kitchen =- You are in a kitchen. There is an exit to the east.",
    task="take coin",
    admissible_actions=("go east", "look", "take coin"),
    history=tuple(PastStep(step, f"room {step}", f"go {step}") for step in (1, 2, 3)),
    step=4,
)


def make_renderer(tokenizer, template="compact", *, max_prompt_tokens=10_000, **kwargs):
    template = PromptTemplate.from_name_or_source(template)
    return PromptRenderer(tokenizer, template, max_prompt_tokens=max_prompt_tokens, **kwargs)


def with_chat_template(tokenizer, chat_template):
    other = copy.deepcopy(tokenizer)
    other.chat_template = chat_template
    return other


def flat(messages):
    return [
        {"role": message["role"], "content": "".join(part["text"] for part in message["content"])}
        for message in messages
    ]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(observation=texts, task=texts, action=texts, system_prompt=st.none() | texts)
@settings(deadline=None, max_examples=30)
def test_ids_are_those_of_apply_chat_template(tokenizer, observation, task, action, system_prompt):
    inputs = PromptInputs(observation, task, (action,), (PastStep(1, observation, action),), step=2)
    for chat_template in (tokenizer.chat_template, TRIMMING):
        other = with_chat_template(tokenizer, chat_template)
        renderer = make_renderer(other, system_prompt=system_prompt)
        prompt = renderer.render(inputs)
        messages = flat(renderer.messages(inputs))
        expected = other.apply_chat_template(messages, add_generation_prompt=True)
        assert prompt.token_ids == expected["input_ids"]
        assert prompt.text == other.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=False
        )


def test_messages_have_content_parts_and_a_system_prompt_comes_first(tokenizer):
    renderer = make_renderer(tokenizer, "{{ observation }}", system_prompt="Be brief.")
    assert renderer.messages(PromptInputs("A hall.")) == [
        {"role": "system", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [{"type": "text", "text": "A hall."}]},
    ]


def test_a_chat_template_that_reads_parts_gets_parts(tokenizer):
    renderer = make_renderer(with_chat_template(tokenizer, WITH_PARTS), "{{ observation }}")
    assert renderer.render(PromptInputs("A hall.")).text == "user:A hall.<|im_end|>assistant:"


def test_keyword_arguments_reach_the_chat_template(tokenizer):
    renderer = make_renderer(
        with_chat_template(tokenizer, WITH_PARTS),
        "{{ observation }}",
        chat_template_kwargs={"enable_thinking": False},
    )
    assert renderer.render(PromptInputs("A hall.")).text.endswith("assistant:<think></think>")


def test_a_refused_system_prompt_is_an_error(tokenizer):
    other = with_chat_template(tokenizer, WITHOUT_SYSTEM)
    make_renderer(other)
    with pytest.raises(ConfigError, match=r"no system role.*system_prompt='Be brief.'"):
        make_renderer(other, system_prompt="Be brief.")


def test_a_missing_chat_template_is_an_error(tokenizer):
    with pytest.raises(ConfigError, match="chat template"):
        make_renderer(with_chat_template(tokenizer, None))


def test_a_chat_template_that_drops_the_message_is_an_error(tokenizer):
    with pytest.raises(ConfigError, match="leaves out the user message"):
        make_renderer(with_chat_template(tokenizer, "hello"))


def test_tags_reach_the_template(tokenizer):
    renderer = make_renderer(tokenizer, "{{ action_tag }}{{ think_tag }}", action_tag="code")
    assert "codethink" in renderer.render(PromptInputs("")).text


def test_padding_and_truncation_that_others_switched_on_do_not_touch_prompts(tokenizer):
    other = copy.deepcopy(tokenizer)
    renderer = make_renderer(other)
    expected = renderer.render(FACTS).token_ids
    other("go east", truncation=True, max_length=2)
    other(["go", "go east"], padding=True)
    assert renderer.render(FACTS).token_ids == expected
    assert make_renderer(other).render(FACTS).token_ids == expected


def test_what_fits_is_left_alone(tokenizer):
    full = make_renderer(tokenizer).render(FACTS)
    exact = make_renderer(tokenizer, max_prompt_tokens=len(full.token_ids)).render(FACTS)
    assert exact == full
    assert not full.observation_cut
    assert full.num_dropped_history == 0


def test_history_goes_first_the_oldest_turn_before_the_others(tokenizer):
    full = make_renderer(tokenizer).render(FACTS)
    prompt = make_renderer(tokenizer, max_prompt_tokens=len(full.token_ids) - 1).render(FACTS)
    assert prompt.num_dropped_history == 1
    assert not prompt.observation_cut
    assert "did: go 2; go 3\n" in prompt.text
    assert FACTS.observation in prompt.text


def test_then_the_middle_of_the_observation_goes(tokenizer):
    bare = PromptInputs(FACTS.observation, FACTS.task, FACTS.admissible_actions, (), step=4)
    num_tokens = len(make_renderer(tokenizer).render(bare).token_ids)
    prompt = make_renderer(tokenizer, max_prompt_tokens=num_tokens - 3).render(FACTS)
    assert prompt.num_dropped_history == 3
    assert prompt.observation_cut
    assert not prompt.is_cut_further
    # The compact template collapses whitespace, including the marker's; both ends stay.
    assert " ... " in prompt.text
    assert "\n-= Kit" in prompt.text
    assert "east.\ncan: go east; look; take coin" in prompt.text


def test_admissible_actions_go_last_from_the_end(tokenizer):
    actions = tuple(f"take coin {number}" for number in range(40))
    inputs = PromptInputs("A hall.", "find the way", actions)
    num_frame_tokens = len(make_renderer(tokenizer).render(PromptInputs("")).token_ids)
    prompt = make_renderer(tokenizer, max_prompt_tokens=num_frame_tokens + 40).render(inputs)
    assert prompt.is_cut_further
    assert "can: take coin 0; take coin 1" in prompt.text
    assert "take coin 39" not in prompt.text
    assert "A hall" not in prompt.text
    assert prompt.text.endswith("<|im_start|>assistant\n")


@pytest.mark.parametrize(
    "inputs",
    [
        PromptInputs("", "find the way " * 40),
        PromptInputs("", "", tuple(f"take coin {number}" for number in range(40))),
    ],
    ids=["task", "actions"],
)
def test_a_prompt_is_cut_even_if_its_observation_and_history_were_empty(tokenizer, inputs):
    num_frame_tokens = len(make_renderer(tokenizer).render(PromptInputs("")).token_ids)
    prompt = make_renderer(tokenizer, max_prompt_tokens=num_frame_tokens + 40).render(inputs)
    assert prompt.num_dropped_history == 0
    assert not prompt.observation_cut
    assert prompt.is_cut_further
    assert prompt.is_cut


@pytest.mark.parametrize(
    "left_out",
    [{}, {"num_dropped_history": 1}, {"observation_cut": True}, {"is_cut_further": True}],
)
def test_a_prompt_is_cut_if_anything_was_left_out(left_out):
    assert Prompt(token_ids=[1], text="a", **left_out).is_cut == bool(left_out)


many_texts = st.lists(st.text("ab c\n.é", max_size=40), max_size=6)


@given(
    observation=st.text("ab c\n.é", max_size=400),
    task=st.text("ab c", max_size=60),
    actions=many_texts,
    history=many_texts,
    room=st.integers(0, 120),
    template=st.sampled_from(["compact", "default", "textworld"]),
)
@settings(deadline=None, max_examples=40)
def test_no_prompt_is_longer_than_allowed(
    tokenizer, observation, task, actions, history, room, template
):
    past = tuple(PastStep(number, text, text) for number, text in enumerate(history, start=1))
    inputs = PromptInputs(observation, task, tuple(actions), past, step=len(past) + 1)
    full = make_renderer(tokenizer, template).render(inputs)
    frame = make_renderer(tokenizer, template).render(PromptInputs(""))
    limit = len(frame.token_ids) + room
    prompt = make_renderer(tokenizer, template, max_prompt_tokens=limit).render(inputs)
    assert len(prompt.token_ids) <= limit
    assert prompt.is_cut == (len(full.token_ids) > limit)
    if len(full.token_ids) <= limit:
        assert prompt == full
    else:
        assert prompt.num_dropped_history > 0 or prompt.observation_cut or prompt.is_cut_further
        assert prompt.num_dropped_history == len(past) or not prompt.observation_cut
    if not prompt.is_cut_further:
        assert all(action.strip() in prompt.text for action in actions)


def test_a_template_that_grows_without_facts_is_cut_by_tokens(tokenizer):
    source = "{% if not history and step > 1 %}{{ 'go east ' * 50 }}{% endif %}{{ observation }}"
    inputs = PromptInputs("A hall.", history=FACTS.history, step=2)
    prompt = make_renderer(tokenizer, source, max_prompt_tokens=20).render(
        PromptInputs("A hall. " * 20, history=inputs.history, step=2)
    )
    assert len(prompt.token_ids) == 20
    assert prompt.is_cut_further
    assert prompt.text.endswith("<|im_start|>assistant\n")


def test_a_fixed_part_that_is_too_long_is_an_error(tokenizer):
    with pytest.raises(ConfigError, match="max_prompt_tokens=10"):
        make_renderer(tokenizer, "default", max_prompt_tokens=10)


def test_cut_middle_keeps_both_ends():
    assert cut_middle("abcdefgh", 5) == f"abc{CUT_MARKER}gh"
    assert cut_middle("abcdefgh", 1) == f"a{CUT_MARKER}"
    assert cut_middle("abcdefgh", 0) == ""
    assert cut_middle("abcdefgh", 8) == "abcdefgh"
