"""Prompt templates: Jinja that turns the facts of one turn into a user message."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template, TemplateError, meta
from jinja2.sandbox import SandboxedEnvironment

from rllib_gigpo.errors import ConfigError
from rllib_gigpo.prompting.memory import PastStep
from rllib_gigpo.prompting.tool_calls.tool_results import ToolResults

TEMPLATE_VARIABLES = (
    "task",
    "history",
    "observation",
    "admissible_actions",
    "step",
    "action_tag",
    "think_tag",
    "is_continued",
    "sub_goal",
)


@dataclass(frozen=True, slots=True)
class PromptInputs:
    """The facts of one turn that a prompt may show.

    Attributes:
        observation: The observation of this turn, as text.
        task: The task of this episode; empty if the environment gives none.
        admissible_actions: The actions that the environment accepts at this turn; empty if unknown.
        history: Earlier turns that the memory selected, oldest first.
        step: Number of this turn, from 1.
        is_continued: Whether this is a later message of a conversation, whose first one has shown
            the instructions and the task.
        sub_goal: The sub-goal that the agent pursues so far; empty if it has none.
        results: The results of the last turn's tool calls, which a chat with tools shows in place
            of the observation.
    """

    observation: str
    task: str = ""
    admissible_actions: tuple[str, ...] = ()
    history: tuple[PastStep, ...] = ()
    step: int = 1
    is_continued: bool = False
    sub_goal: str = ""
    results: ToolResults = field(default_factory=ToolResults)


class PromptTemplate:
    """A compiled Jinja template; immutable, so one object serves all episodes and threads.

    The template sees ``task``, ``history`` (a list of `PastStep`), ``observation``,
    ``admissible_actions``, ``step``, ``action_tag``, ``think_tag`` (these two may be None),
    ``is_continued`` (True for a later message of a conversation, which repeats no instructions) and
    ``sub_goal`` (what the agent pursues so far, with ``prompting(sub_goals=True)``).
    Text that does not change within an episode should come first, because engines reuse the common
    prefix of prompts.
    """

    def __init__(self, source: str, *, name: str = "<source>") -> None:
        """Compile and test the template, so a mistake shows here and not in a rollout.

        Args:
            source: Jinja2 source text.
            name: Name of the template in error messages.

        Raises:
            ConfigError: The source is not valid Jinja, uses an unknown variable or fails to render.
        """
        self.source = source
        self.name = name
        self._template = _compile(source, name=name)
        self.variables = frozenset(meta.find_undeclared_variables(sandbox().parse(source)))
        self._check_renders()

    def __eq__(self, other: object) -> bool:
        """Compare the sources."""
        return isinstance(other, PromptTemplate) and self.source == other.source

    def __hash__(self) -> int:
        """Hash the source."""
        return hash(self.source)

    @classmethod
    def from_name_or_source(cls, name_or_source: "str | PromptTemplate") -> "PromptTemplate":
        """Make a template from a shipped name, a path that ends in ``.jinja``, or Jinja source.

        Args:
            name_or_source: For example ``"default"``, ``"my_prompts/shop.jinja"`` or
                ``"{{ observation }}"``. Text that contains ``{{`` or ``{%`` is Jinja source.

        Raises:
            ConfigError: It is none of the three, or the template is broken.
        """
        if isinstance(name_or_source, cls):
            return name_or_source
        if not isinstance(name_or_source, str):
            raise ConfigError(
                f"template={name_or_source!r} must be text: a name, a path or Jinja source"
            )
        if "{{" in name_or_source or "{%" in name_or_source:
            return cls(name_or_source)
        if name_or_source.endswith(".jinja"):
            return cls(_read_file(Path(name_or_source)), name=name_or_source)
        if name_or_source in shipped_template_names():
            resource = _templates_folder() / f"{name_or_source}.jinja"
            return cls(resource.read_text(encoding="utf-8"), name=name_or_source)
        raise ConfigError(
            f"There is no prompt template {name_or_source!r}. Use a shipped name "
            f"({_shipped_names_text()}), a path that ends in .jinja, or Jinja source that contains "
            "{{ ... }}."
        )

    def render(
        self,
        inputs: PromptInputs,
        *,
        action_tag: str | None = "action",
        think_tag: str | None = "think",
    ) -> str:
        """Return the text of the user message for one turn, stripped of whitespace.

        Args:
            inputs: The facts of the turn.
            action_tag: Tag around the action in the answer; None asks for the bare action.
            think_tag: Tag around the model's thought; None asks for no thought.

        Raises:
            ConfigError: The template fails on these inputs.
        """
        try:
            text = self._template.render(
                task=inputs.task,
                history=inputs.history,
                observation=inputs.observation,
                admissible_actions=inputs.admissible_actions,
                step=inputs.step,
                action_tag=action_tag,
                think_tag=think_tag,
                is_continued=inputs.is_continued,
                sub_goal=inputs.sub_goal,
            )
            return text.strip()
        except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError) as error:
            raise ConfigError(
                f"Prompt template {self.name!r} failed to render: {str(error).rstrip('.')}. It may"
                f" use {', '.join(TEMPLATE_VARIABLES)}; compare it with a shipped template "
                f"({_shipped_names_text()})."
            ) from error

    def _check_renders(self) -> None:
        past = PastStep(step=1, observation="an observation", action="an action")
        later = PromptInputs(
            "an observation", "a task", ("an action",), (past,), step=2, sub_goal="a sub-goal"
        )
        continued = replace(later, history=(), is_continued=True)
        for inputs in (PromptInputs("an observation"), later, continued):
            self.render(inputs)
            self.render(inputs, action_tag=None, think_tag=None)


def shipped_template_names() -> list[str]:
    """Return the names of the templates that come with the package, sorted."""
    names = (entry.name for entry in _templates_folder().iterdir())
    return sorted(name.removesuffix(".jinja") for name in names if name.endswith(".jinja"))


def _templates_folder():  # type: ignore[no-untyped-def]  # Traversable moved between Python versions
    return files("rllib_gigpo.prompting") / "templates"


def _shipped_names_text() -> str:
    return ", ".join(repr(name) for name in shipped_template_names())


def _read_file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"Cannot read the prompt template {str(path)!r}: {error.strerror}. Give a path that "
            f"exists, or a shipped name ({_shipped_names_text()})."
        ) from error


def sandbox(*, trim_blocks: bool = False, lstrip_blocks: bool = False) -> Environment:
    """Return the environment of users' templates, which reach facts and filters but no Python.

    A template may come with a stranger's config or checkpoint. An attribute such as ``__globals__``
    is an error. A template may change lists that it makes; the facts of a turn cannot be changed.

    Args:
        trim_blocks: See Jinja.
        lstrip_blocks: See Jinja.
    """
    return SandboxedEnvironment(
        undefined=StrictUndefined,
        trim_blocks=trim_blocks,
        lstrip_blocks=lstrip_blocks,
        autoescape=False,
    )


@functools.cache
def _compile(source: str, *, name: str) -> Template:
    environment = sandbox(trim_blocks=True, lstrip_blocks=True)
    try:
        used = meta.find_undeclared_variables(environment.parse(source))
        _check_variables(used, known=environment.globals, name=name)
        return environment.from_string(source)
    except TemplateError as error:
        raise ConfigError(
            f"Prompt template {name!r} is not valid Jinja2: {error}. Fix it, or use a shipped one "
            f"({_shipped_names_text()})."
        ) from error


def _check_variables(used: set[str], *, known: Mapping[str, object], name: str) -> None:
    unknown = sorted(used - set(TEMPLATE_VARIABLES) - set(known))
    if unknown:
        raise ConfigError(
            f"Prompt template {name!r} uses unknown variables {unknown}. A template may use "
            f"{', '.join(TEMPLATE_VARIABLES)}. Shipped templates: {_shipped_names_text()}."
        )
