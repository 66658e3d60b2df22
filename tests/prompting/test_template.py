"""Templates: by name, path or source, with every mistake reported before the first rollout."""

import pytest

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting import PastStep, PromptInputs, PromptTemplate, shipped_template_names

INPUTS = PromptInputs(
    observation="You see\n\na  coin.",
    task="take coin",
    admissible_actions=("go east", "take coin"),
    history=(PastStep(1, "An attic.", "go down"), PastStep(2, "A hall.", "")),
    step=3,
)


def test_nine_templates_are_shipped():
    assert shipped_template_names() == [
        "alfworld_tiny",
        "compact",
        "default",
        "grid",
        "search_qa",
        "sub_goals",
        "textworld",
        "tools",
        "webshop_tiny",
    ]


def test_the_compact_template_holds_facts_only():
    text = PromptTemplate.from_name_or_source("compact").render(INPUTS)
    assert text == ("goal: take coin\ndid: go down; \nYou see a coin.\ncan: go east; take coin")


def test_the_compact_template_leaves_out_what_is_unknown():
    template = PromptTemplate.from_name_or_source("compact")
    assert template.render(PromptInputs("A hall.")) == "A hall."


@pytest.mark.parametrize("name", ["default", "textworld"])
def test_verbose_templates_put_the_changing_part_last(name):
    text = PromptTemplate.from_name_or_source(name).render(INPUTS)
    wanted = [
        "<action>",
        "take coin",
        "An attic.",
        "go down",
        "You see",
        "- go east",
        "- take coin",
    ]
    if name == "textworld":
        wanted[-2:] = ["go east; take coin"]
    positions = [text.index(wanted[0])]
    for part in wanted[1:]:
        positions.append(text.index(part, positions[-1]))
    assert positions == sorted(positions)


@pytest.mark.parametrize("name", ["default", "textworld"])
def test_instructions_follow_the_tags(name):
    template = PromptTemplate.from_name_or_source(name)
    both = template.render(INPUTS, action_tag="answer", think_tag="plan")
    no_thought = template.render(INPUTS, action_tag="answer", think_tag=None)
    bare = template.render(INPUTS, action_tag=None, think_tag=None)
    assert "<answer>" in both
    assert "</plan>" in both
    assert "<answer>" in no_thought
    assert "plan" not in no_thought
    assert "<" not in bare


@pytest.mark.parametrize("name", ["default", "textworld"])
def test_an_unreadable_answer_of_the_past_is_named_as_such(name):
    assert "could not be read" in PromptTemplate.from_name_or_source(name).render(
        INPUTS
    ) or "that could be read" in PromptTemplate.from_name_or_source(name).render(INPUTS)


def test_a_template_can_be_given_as_source():
    template = PromptTemplate.from_name_or_source("{{ step }}: {{ observation }}")
    assert template.render(PromptInputs("a hall", step=7)) == "7: a hall"


def test_a_template_can_be_given_as_a_path(tmp_path):
    path = tmp_path / "mine.jinja"
    path.write_text("Look: {{ observation }}\n")
    assert PromptTemplate.from_name_or_source(str(path)).render(PromptInputs("a hall")) == (
        "Look: a hall"
    )


def test_an_unknown_name_is_an_error_with_the_shipped_names():
    with pytest.raises(ConfigError, match="'alfworld_tiny', 'compact', 'default', 'grid'"):
        PromptTemplate.from_name_or_source("textwrld")


def test_a_missing_file_is_an_error():
    with pytest.raises(ConfigError, match=r"nowhere\.jinja.*No such file"):
        PromptTemplate.from_name_or_source("nowhere.jinja")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ observation", "not valid Jinja2"),
        ("{% for turn in history %}", "not valid Jinja2"),
        ("{{ observation | shout }}", "not valid Jinja2"),
        ("{{ obervation }}", r"unknown variables \['obervation'\]"),
        ("{% if task == 'never' %}{{ rewards }}{% endif %}", r"unknown variables \['rewards'\]"),
        ("{{ observation.room }}", "failed to render"),
        ("{% for turn in history %}{{ turn.reward }}{% endfor %}", "failed to render"),
        ("{{ history[0].action }}", "failed to render"),
        ("{{ 1 / (step - 1) }}", "failed to render"),
    ],
)
def test_a_broken_template_is_an_error_when_it_is_made(source, message):
    with pytest.raises(ConfigError, match=message):
        PromptTemplate.from_name_or_source(source)


def test_jinja_s_own_globals_may_be_used():
    template = PromptTemplate.from_name_or_source("{% for i in range(2) %}{{ i }}{% endfor %}")
    assert template.render(PromptInputs("")) == "01"


def test_a_template_may_fill_lists_of_its_own():
    source = "{% set names = [] %}{% set _ = names.append(observation) %}{{ names | join }}"
    assert PromptTemplate(source).render(PromptInputs("a hall")) == "a hall"


ATTACKS = [
    "{{ lipsum.__globals__['os'].popen('touch FILE').read() }}",
    "{{ cycler.__init__.__globals__.os.popen('touch FILE').read() }}",
    "{{ observation.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''.format.__self__.__class__ }}{{ '{0.__class__.__mro__}'.format(observation) }}",
    "{% for key in history.__class__.__base__.__subclasses__() %}{{ key }}{% endfor %}",
    "{{ (observation | attr('__class__')).__name__ }}",
]


@pytest.mark.fault("B20", promise="A prompt template reaches facts and filters, but no Python.")
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_template_that_reaches_for_python_is_an_error_in_words(attack, tmp_path):
    source = "{{ observation }}" + attack.replace("FILE", str(tmp_path / "ran"))
    with pytest.raises(ConfigError, match=r"failed to render: .*(unsafe|undefined)"):
        PromptTemplate(source)
    assert not (tmp_path / "ran").exists()


@pytest.mark.fault("B20", promise="A template for observations reaches no Python either.")
@pytest.mark.parametrize("attack", ATTACKS[:2])
def test_a_template_for_observations_is_in_the_sandbox_too(attack, tmp_path):
    from rllib_gigpo.connectors.env_to_module.observation_to_text import text_reader

    read = text_reader(attack.replace("FILE", str(tmp_path / "ran")))
    with pytest.raises(ConfigError, match=r"observation_to_text=.* may not do this: .*unsafe"):
        read({"observation": "a hall"})
    assert not (tmp_path / "ran").exists()
