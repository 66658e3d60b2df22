"""Prompts with images: where they stand, what they become, and what is cut around them."""

import numpy as np
import pytest
from support.images.vision import SIDE, TEXTS, pictures

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.media.image_store import ImageStore
from rllib_gigpo.models.tiny_model import build_tokenizer
from rllib_gigpo.models.vision.tiny_vision_model import add_image_tokens
from rllib_gigpo.prompting import ConversationRenderer, PromptRenderer, PromptTemplate
from rllib_gigpo.prompting.contents.image_contents import ImageContents
from rllib_gigpo.prompting.memory import PastStep
from rllib_gigpo.prompting.prompt_record import ChatTurn
from rllib_gigpo.prompting.template import PromptInputs

ONE, TWO, THREE, FOUR = pictures(4)
FEATURES = 5
WITH_HISTORY = (
    "{% for t in history %}{{ t.observation }} {{ t.action }}\n{% endfor %}{{ observation }}"
)


@pytest.fixture(scope="module")
def tokenizer():
    tokenizer = build_tokenizer(TEXTS, 320)
    add_image_tokens(tokenizer)
    return tokenizer


class Tokens:
    """A model that writes an image as a frame around five features."""

    def __init__(self, tokenizer):
        self.token_id = tokenizer.convert_tokens_to_ids("<image>")
        self.frame = tokenizer.convert_tokens_to_ids("<fake_token_around_image>")

    def expansion(self, image):
        return [self.frame, *[self.token_id] * FEATURES, self.frame]


@pytest.fixture
def store():
    return ImageStore()


@pytest.fixture
def renderer(tokenizer, store):
    """Return a function that makes a renderer for a template."""

    def make(template="{{ observation }}", *, limit=200, max_images=8, style=PromptRenderer):
        return style(
            tokenizer,
            PromptTemplate(template),
            max_prompt_tokens=limit,
            action_tag=None,
            think_tag=None,
            contents=ImageContents(Tokens(tokenizer), store, max_images=max_images),
        )

    return make


def shown(prompt):
    return [place.image for place in prompt.images]


def check_places(prompt, tokenizer):
    """Check that each place holds the whole of its image, and nothing else does."""
    tokens = Tokens(tokenizer)
    rest = list(prompt.token_ids)
    for place in reversed(prompt.images):
        assert rest[place.start : place.stop] == tokens.expansion(place.image)
        del rest[place.start : place.stop]
    assert tokens.token_id not in rest


def test_an_image_stands_where_the_template_puts_the_observation(renderer, store, tokenizer):
    mark = store.mark(ONE.pixels)
    before = renderer("look: {{ observation }}").render(PromptInputs(mark))
    after = renderer("{{ observation }} what now?").render(PromptInputs(mark))
    for prompt in (before, after):
        assert shown(prompt) == [ONE]
        check_places(prompt, tokenizer)
    assert "look: <image><|im_end|>" in before.text
    assert "user\n<image> what now?" in after.text
    assert before.images[0].start > after.images[0].start


def test_the_prompt_counts_the_tokens_of_the_image_and_not_its_placeholder(renderer, store):
    with_image = renderer().render(PromptInputs(store.mark(ONE.pixels)))
    without = renderer().render(PromptInputs("x"))
    assert len(with_image.token_ids) == len(without.token_ids) - 1 + FEATURES + 2


def test_history_shows_its_images_in_order(renderer, store, tokenizer):
    past = tuple(
        PastStep(step=step, observation=store.mark(image.pixels), action="go left")
        for step, image in enumerate((TWO, THREE), start=1)
    )
    prompt = renderer(WITH_HISTORY).render(PromptInputs(store.mark(ONE.pixels), history=past))
    assert shown(prompt) == [TWO, THREE, ONE]
    check_places(prompt, tokenizer)


def test_a_template_may_show_an_image_twice_or_before_the_history(renderer, store, tokenizer):
    past = (PastStep(step=1, observation=store.mark(TWO.pixels), action="go left"),)
    template = (
        "{{ observation }} {% for t in history %}{{ t.observation }}{% endfor %} {{ observation }}"
    )
    prompt = renderer(template).render(PromptInputs(store.mark(ONE.pixels), history=past))
    assert shown(prompt) == [ONE, TWO, ONE]
    check_places(prompt, tokenizer)


def test_the_placeholder_in_an_observation_is_text(renderer, store, tokenizer):
    inputs = PromptInputs(f"a sign says <image> {store.mark(ONE.pixels)} <image>")
    prompt = renderer().render(inputs)
    assert shown(prompt) == [ONE]
    check_places(prompt, tokenizer)
    assert tokenizer.decode(prompt.token_ids).count("image") > 2


def test_a_forged_mark_is_text(renderer, store, tokenizer):
    mark = store.mark(ONE.pixels)
    forged = mark.replace(ONE.key, "0" * 32)
    prompt = renderer().render(PromptInputs(f"{forged} {mark}"))
    assert shown(prompt) == [ONE]
    assert "0" * 32 in prompt.text


def test_a_long_text_is_cut_around_its_images(renderer, store, tokenizer):
    words = "go left go right " * 60
    inputs = PromptInputs(f"{words}{store.mark(ONE.pixels)}{words}{store.mark(TWO.pixels)}{words}")
    prompt = renderer(limit=60).render(inputs)
    assert len(prompt.token_ids) <= 60
    assert prompt.observation_cut
    assert shown(prompt) == [ONE, TWO]
    check_places(prompt, tokenizer)
    assert len(prompt.token_ids) > 50  # the room is used


def test_history_goes_before_the_image_of_this_turn(renderer, store, tokenizer):
    past = tuple(
        PastStep(step=step, observation=store.mark(image.pixels), action="go left")
        for step, image in enumerate((TWO, THREE, FOUR), start=1)
    )
    inputs = PromptInputs(store.mark(ONE.pixels), history=past)
    prompt = renderer(WITH_HISTORY, limit=45).render(inputs)
    assert shown(prompt)[-1] == ONE
    assert prompt.num_dropped_history > 0
    check_places(prompt, tokenizer)
    limited = renderer(WITH_HISTORY, max_images=2).render(inputs)
    assert shown(limited) == [FOUR, ONE]
    assert limited.num_dropped_history == 2


def test_a_turn_whose_images_do_not_fit_is_an_error_that_names_both_limits(renderer, store):
    marks = " ".join(store.mark(image.pixels) for image in (ONE, TWO, THREE))
    with pytest.raises(ConfigError, match=r"3 images of 21 tokens.*room for 8.*and 22 tok"):
        renderer(limit=22).render(PromptInputs(marks))


def test_a_chat_template_that_leaves_images_out_is_an_error(tokenizer, store):
    silent = build_tokenizer(TEXTS, 320)
    add_image_tokens(silent)
    silent.chat_template = silent.chat_template.replace("'<image>'", "''")
    contents = ImageContents(Tokens(silent), store, max_images=8)
    renderer = PromptRenderer(
        silent, PromptTemplate("{{ observation }}"), max_prompt_tokens=99, contents=contents
    )
    with pytest.raises(ConfigError, match="shows 0 of 1 images"):
        renderer.render(PromptInputs(store.mark(ONE.pixels)))


def test_a_conversation_adds_an_image_a_turn_and_changes_nothing_before(renderer, store, tokenizer):
    chat = renderer(style=ConversationRenderer)
    first = chat.render(PromptInputs(store.mark(ONE.pixels)))
    answer = [*tokenizer("go left").input_ids, tokenizer.eos_token_id]
    inputs = PromptInputs(store.mark(TWO.pixels), step=2)
    second = chat.extend([ChatTurn(first, answer)], inputs, [PromptInputs("")].__getitem__)
    length = len(first.token_ids)
    assert list(second.token_ids[:length]) == list(first.token_ids)
    assert shown(second) == [ONE, TWO]
    check_places(second, tokenizer)


def test_a_conversation_that_is_cut_off_keeps_its_images_in_place(renderer, store, tokenizer):
    chat = renderer(style=ConversationRenderer)
    first = chat.render(PromptInputs(store.mark(ONE.pixels)))
    unfinished = tokenizer("go").input_ids  # without the token that ends a turn
    inputs = PromptInputs(store.mark(TWO.pixels), step=2)
    second = chat.extend([ChatTurn(first, unfinished)], inputs, [PromptInputs("")].__getitem__)
    assert shown(second) == [ONE, TWO]
    check_places(second, tokenizer)


def test_a_conversation_begins_again_with_the_images_of_the_turns_that_are_left(
    renderer, store, tokenizer
):
    chat = renderer(style=ConversationRenderer, limit=60)
    images = (ONE, TWO, THREE, FOUR)
    facts = [PromptInputs(store.mark(image.pixels), step=i) for i, image in enumerate(images, 1)]
    answer = [*tokenizer("go left").input_ids, tokenizer.eos_token_id]
    turns, prompt = [], chat.render(facts[0])
    for inputs in facts[1:]:
        turns.append(ChatTurn(prompt, answer))
        prompt = chat.extend(turns, inputs, facts.__getitem__)
        assert len(prompt.token_ids) <= 60
        check_places(prompt, tokenizer)
    assert prompt.num_dropped_history > 0
    assert shown(prompt) == list(images[prompt.num_dropped_history :])


@pytest.mark.parametrize("kept", [0, 1, 7, 40, 10_000])
def test_cutting_a_text_keeps_its_marks_and_so_many_characters(renderer, store, kept):
    contents = renderer()._contents
    marks = [store.mark(image.pixels) for image in (ONE, TWO)]
    text = f"abcdefgh{marks[0]}ijkl{marks[1]}mnop"
    num_marks = sum(map(len, marks))
    cut = contents.cut(text, kept + num_marks)
    assert [cut.count(mark) for mark in marks] == [1, 1]
    plain = cut.replace(marks[0], "").replace(marks[1], "").replace(" ... ", "")
    assert len(plain) == min(kept, 16)
    assert "abcdefghijklmnop".startswith(plain[: (len(plain) + 1) // 2])
    assert "abcdefghijklmnop".endswith(plain[(len(plain) + 1) // 2 :])


def test_pictures_have_the_size_that_the_tests_rely_on():
    assert ONE.pixels.shape == (SIDE, SIDE, 3)
    assert isinstance(ONE.pixels, np.ndarray)
