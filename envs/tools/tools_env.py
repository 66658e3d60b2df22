"""An environment made of tools: a plain class whose public methods the agent calls."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
from gymnasium.utils import EzPickle

from ..common.clean_text import valid_text
from ..common.option_checks import check_choice, check_whole
from ..contract import (
    ANCHOR,
    DATA_FILES,
    EXPERT_ACTION,
    FIRST_TEST_SEED,
    RUNS_IN_THREADS,
    TASK,
    TOOL_ERROR,
    TOOL_RESULTS,
    WON,
    text_space,
)
from .call_space import CallSpace
from .call_text import ToolCall, is_call, read_action, typed_action, write_calls
from .loop_thread import LoopThread
from .mcp_server import McpServer, McpSettings
from .tool import Tool
from .tool_class import ToolClass, hook
from .tool_tasks import ToolTasks, named_object, prompt_text

EXAMPLE = "rllib_gigpo.envs.tools.stock_room:StockRoom"
_LONG_RESULT = 200  # characters; an anchor has the digest of a longer one


class ToolEnv(gymnasium.Env[str, str], EzPickle):
    """A class with tools; the seed of ``reset`` picks the task.

    Every public method of the class but ``reset`` and ``get_reward`` is a tool. An action is the
    JSON array of some calls (see `read_action`), whose results are the observation; any other text
    is the final answer, which ends the episode. The episode also ends if the instance has a true
    attribute ``done``, or after ``max_turns`` actions. The reward comes at the end.

    Attributes:
        tools: The tools' schemas in OpenAI's form, for the chat template.

    Args:
        environment: The class, a function that returns an instance, or "module:name" of one. One
            instance serves all episodes.
        tasks: The keyword arguments of the class's ``reset``, a dict for each task; see
            `ToolTasks`. ``prompt`` is the user's message. Without tasks, ``reset`` makes a task of
            the ``seed`` that it takes.
        test_tasks: The tasks of test seeds; None holds out every fifth of ``tasks``.
        tools: The names of the tools to take; None for all.
        mcp: An MCP server (see `McpSettings`) or a list of them, whose tools come after those of
            the class.
        max_turns: Actions of an episode; it is truncated after them, and paid.
        reward: A function of the instance and the final answer (None without one) that returns the
            reward, or "module:name" of one; None for the class's own.
        anchor: A function of the instance that returns the state's identity, or "module:name" of
            one; None for the calls so far with arguments and results.
        expert: A function of the instance that returns a good action for demonstrations: a call as
            ``{"name": ..., "arguments": ...}``, a list of calls, a text for an answer, or None.
        render_mode: None or "ansi" (``render`` returns the last observation).

    Raises:
        ValueError: An option is wrong, or two tools have the same name.
        ImportError: ``mcp`` is set, and the package is not installed.
        RuntimeError: An MCP server cannot be reached.
    """

    metadata = {"render_modes": ["ansi"]}  # noqa: RUF012 - Gymnasium's way to declare it

    def __init__(
        self,
        *,
        environment: Any = EXAMPLE,
        tasks: Any = None,
        test_tasks: Any = None,
        tools: Sequence[str] | None = None,
        mcp: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        max_turns: int = 10,
        reward: Callable[..., Any] | str | None = None,
        anchor: Callable[[Any], Any] | str | None = None,
        expert: Callable[[Any], Any] | str | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Make the instance, read the tasks and connect to the servers."""
        EzPickle.__init__(
            self,
            environment=environment,
            tasks=tasks,
            test_tasks=test_tasks,
            tools=tools,
            mcp=mcp,
            max_turns=max_turns,
            reward=reward,
            anchor=anchor,
            expert=expert,
            render_mode=render_mode,
        )
        check_choice("render_mode", render_mode, (None, "ansi"))
        check_whole("max_turns", max_turns, low=1, high=1000)
        self.render_mode, self._max_turns = render_mode, max_turns
        self._reward = _function("reward", reward)
        self._anchor = _function("anchor", anchor)
        self._expert = _function("expert", expert)
        self._tasks = ToolTasks(tasks, test_tasks)
        self._thread = LoopThread()
        self._class = ToolClass(environment, self._thread)
        self._servers = list[McpServer]()
        try:
            for setting in [mcp] if isinstance(mcp, Mapping) else (mcp or ()):
                self._servers.append(McpServer(McpSettings.from_setting(setting), self._thread))
            self._tools = _by_name(self._class.tools, self._servers, tools)
            for where, row in self._tasks.listed.items():
                self._class.check_row(row, where)
        except BaseException:
            self.close()
            raise
        self.tools = [tool.schema for tool in self._tools.values()]
        own = getattr(self._class.instance, "metadata", None) or {}
        if self._servers or own.get(RUNS_IN_THREADS):  # which wait outside of Python's lock
            self.metadata = {**self.metadata, RUNS_IN_THREADS: own.get(RUNS_IN_THREADS, True)}
        self.observation_space = text_space(100_000)
        self.action_space = CallSpace(self.tools)
        self._task, self._text = "", ""
        self._turns_left = 0
        self._calls: tuple[tuple[str, str, str], ...] = ()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Begin the task of ``seed``, or a random training task if it is None."""
        super().reset(seed=seed, options=options)
        self._turns_left = 0
        picked = int(self.np_random.integers(FIRST_TEST_SEED)) if seed is None else seed
        row = self._tasks.pick(picked)
        self._class.check_row(row, f"The task of seed {picked}")
        for server in self._servers:
            server.begin_episode()
        texts = (prompt_text(row.get("prompt")), self._class.reset(row, seed=picked))
        self._class.check_reward(self._reward)
        self._task = self._text = valid_text("\n\n".join(text for text in texts if text.strip()))
        if not self._task:
            raise ValueError(
                "The task says nothing to the agent: give it a 'prompt' in env_config's tasks, or"
                " return a text from the class's reset."
            )
        self._turns_left, self._calls = self._max_turns, ()
        info = self._info()
        return self._text, info | ({DATA_FILES: self._tasks.files} if self._tasks.files else {})

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Call tools, or end the episode with an answer."""
        if self._turns_left == 0:
            raise gymnasium.error.ResetNeeded("The episode is over: call reset() before step().")
        self._turns_left -= 1
        found = read_action(valid_text(action))
        answer, results = None, list[dict[str, str]]()
        if found is None:
            answer, self._text = action.strip(), "The episode is over."
        elif isinstance(found, str):
            self._text = f"{TOOL_ERROR} {found}"
        else:
            results = [self._called(call) for call in found]
            self._text = "\n".join(one["content"] for one in results)
        terminated = answer is not None or self._class.is_done
        truncated = not terminated and self._turns_left == 0
        reward = 0.0
        if terminated or truncated:
            self._turns_left = 0
            reward = self._class.reward(self._reward, answer)
        info = self._info(is_over=terminated or truncated)
        return self._text, reward, terminated, truncated, info | _told(results)

    def typed_action(self, text: str) -> str:
        """Return the action that a person has typed; see `typed_action` of call_text.py."""
        return typed_action(text, {name: tool.parameters for name, tool in self._tools.items()})

    def render(self) -> Any:
        """Return the last observation if ``render_mode`` is "ansi"."""
        return self._text if self.render_mode == "ansi" else None

    def close(self) -> None:
        """Close the instance, and the connections; ``reset`` opens these again."""
        self._turns_left = 0
        for server in self._servers:
            server.close()
        self._class.close()
        self._thread.stop()

    def _called(self, call: ToolCall) -> dict[str, str]:
        tool = self._tools.get(call.name)
        if tool is None:
            known = ", ".join(one.signature for one in self._tools.values())
            content = f"{TOOL_ERROR} there is no tool {call.name!r}. The tools are {known}."
        else:
            content = valid_text(tool.call(call.arguments))
        arguments = json.dumps(call.arguments, sort_keys=True, ensure_ascii=False)
        self._calls = (*self._calls, (call.name, arguments, _in_short(content)))
        return {"name": call.name, "content": content} | ({"id": call.id} if call.id else {})

    def _info(self, *, is_over: bool = False) -> dict[str, Any]:
        instance = self._class.instance
        info = {
            TASK: self._task,
            WON: self._class.won,
            ANCHOR: self._calls,
        }
        if self._anchor is not None:
            with hook("env_config['anchor']"):
                info[ANCHOR] = self._anchor(instance)
        if self._expert is not None and not is_over:
            with hook("env_config['expert']"):
                info[EXPERT_ACTION] = _action_text(self._expert(instance), self._tools)
        return {key: value for key, value in info.items() if value is not None}


def _told(results: list[dict[str, str]]) -> dict[str, Any]:
    return {TOOL_RESULTS: results} if results else {}


def _function(name: str, given: Any) -> Callable[..., Any] | None:
    found = named_object(given, name) if isinstance(given, str) else given
    if found is not None and not callable(found):
        raise ValueError(f"{name}={given!r} is not a function. Fix it in env_config.")
    return found


def _by_name(
    own: Sequence[Tool], servers: Sequence[McpServer], wanted: Sequence[str] | None
) -> dict[str, Tool]:
    tools = dict[str, Tool]()
    for tool in [*own, *(tool for server in servers for tool in server.tools)]:
        if tool.name in tools:
            raise ValueError(
                f"There are two tools {tool.name!r}. Rename one, or leave one out with the option"
                " tools of its MCP server."
            )
        tools[tool.name] = tool
    if not tools:
        raise ValueError(
            "There is not a single tool. A tool is a public method of the class (not reset or"
            " get_reward), or comes from a server of mcp."
        )
    missing = [name for name in wanted or () if name not in tools]
    if missing or isinstance(wanted, str):
        raise ValueError(
            f"tools={wanted!r} must be a list of names out of {', '.join(tools)}. Fix it in"
            " env_config."
        )
    return tools if wanted is None else {name: tools[name] for name in wanted}


def _action_text(advice: Any, tools: Mapping[str, Tool]) -> str | None:
    """Return the text of an expert's advice."""
    if advice is None or isinstance(advice, str):
        return advice
    given: list[Any] = [advice] if isinstance(advice, Mapping | ToolCall) else list(advice)
    if not all(isinstance(one, ToolCall) or is_call(one) for one in given):
        raise ValueError(
            f"it returned {advice!r}, but must return calls such as"
            ' {"name": "add", "arguments": {"a": 1}}, or a text for an answer'
        )
    calls = [
        one if isinstance(one, ToolCall) else ToolCall(one["name"], one["arguments"])
        for one in given
    ]
    unknown = [call.name for call in calls if call.name not in tools]
    if unknown:
        raise ValueError(f"it called {unknown[0]!r}, but the tools are {', '.join(tools)}")
    return write_calls(calls)


def _in_short(result: str) -> str:
    if len(result) <= _LONG_RESULT:
        return result
    digest = hashlib.blake2b(result.encode(), digest_size=8).hexdigest()
    return f"{result[: _LONG_RESULT // 2]} ... ({len(result)} characters, {digest})"
