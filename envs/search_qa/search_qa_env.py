"""Search QA: answer questions by searching a corpus over several turns, as in Search-R1."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
from gymnasium.utils import EzPickle

from ..common.option_checks import check_choice, check_flag, check_whole
from ..contract import ADMISSIBLE_ACTIONS, ANCHOR, EXPERT_ACTION, SCORE, TAGS, TASK, WON, text_space
from .questions import FIRST_TEST_SEED, Question
from .retrieval import RetrieverError
from .search_actions import (
    ACTION_FORMATS,
    ActionFormat,
    InvalidAction,
    SearchAction,
    format_action,
    parse_action,
)
from .search_episode import SearchEpisode
from .search_source import search_source

REWARDS = ("exact_match", "f1")
ANCHORS = ("documents", "information")

_NO_QUESTION = Question(id="", text="", answers=("",), dataset="")
_LAST_TURN = "This is the last turn: answer now."


class SearchQAEnv(gymnasium.Env[str, str], EzPickle):
    """A question to answer by searching a corpus; the seed of ``reset`` picks the question.

    An action is ``<search>query</search>`` or ``<answer>text</answer>``, or the same as a plain
    line, "search: query" or "answer: text". A search returns the passages found, in
    ``<information>``; an answer ends the episode. Anything else, including two blocks at once,
    costs the turn and gets a complaint. On the last turn, searches are not run.

    An answer earns its exact match or its F1 with the golden answers, 0 to 1; everything else earns
    0. ``won`` is the exact match and ``score`` is the F1, whichever of them is the reward.

    Args:
        questions: File of questions (FlashRAG's JSONL format, or HippoRAG's JSON). None generates a
            made-up world with its own questions and passages.
        test_questions: File of the questions for seeds from 2**20 on, where test tasks start. None
            holds out every fifth of ``questions`` for them.
        corpus: File of passages, searched in this process with BM25.
        retriever: A service to search with instead: ``{"url": ...}`` and the other settings of
            ``retrieval.HttpSettings``.
        synthetic: Settings of the made-up world: ``num_people``, ``num_hops``, ``seed``.
        top_k: Number of passages shown per search, 1 to 100.
        max_turns: Actions per episode; it is truncated if none of them is an answer.
        reward: "exact_match" or "f1".
        anchor: "documents": the question and the set of all passages retrieved so far, in any
            order. "information": the last text found, as in the paper, which forms step groups with
            ``anchor={"name": "similar", "threshold": 0.9}`` in the config.
        action_format: Format of expert and listed actions, "tags" or "plain" (fewer tokens). Both
            are always understood.
        list_actions: Whether ``info`` lists a search and an answer for every entity in sight, for
            models too small to write names themselves; only for the made-up world.
        render_mode: None or "ansi" (``render`` returns the last observation).

    Raises:
        ValueError: An option is out of range, or a file cannot be read.
        ImportError: bm25s or PyStemmer is needed and not installed.
        RetrieverError: The service does not answer as it should.
    """

    metadata = {"render_modes": ["ansi"]}  # noqa: RUF012 - Gymnasium's way to declare it

    def __init__(
        self,
        *,
        questions: str | Path | None = None,
        test_questions: str | Path | None = None,
        corpus: str | Path | None = None,
        retriever: Mapping[str, Any] | None = None,
        synthetic: Mapping[str, Any] | None = None,
        top_k: int = 3,
        max_turns: int = 4,
        reward: str = "exact_match",
        anchor: str = "documents",
        action_format: ActionFormat = "tags",
        list_actions: bool = False,
        render_mode: str | None = None,
    ) -> None:
        """Check the options; the corpus is read and indexed once per process."""
        EzPickle.__init__(
            self,
            questions=questions,
            test_questions=test_questions,
            corpus=corpus,
            retriever=retriever,
            synthetic=synthetic,
            top_k=top_k,
            max_turns=max_turns,
            reward=reward,
            anchor=anchor,
            action_format=action_format,
            list_actions=list_actions,
            render_mode=render_mode,
        )
        check_choice("reward", reward, REWARDS)
        check_choice("anchor", anchor, ANCHORS)
        check_choice("action_format", action_format, ACTION_FORMATS)
        check_choice("render_mode", render_mode, (None, "ansi"))
        check_whole("top_k", top_k, low=1, high=100)
        check_whole("max_turns", max_turns, low=1, high=1000)
        check_flag("list_actions", list_actions)
        self._source = search_source(questions, test_questions, corpus, retriever, synthetic)
        if list_actions and self._source.mentions is None:
            raise ValueError(
                "list_actions=True needs the made-up world, whose entities are known. Leave out "
                "questions or list_actions."
            )
        self.render_mode = render_mode
        self.observation_space = text_space(8192)
        self.action_space = text_space(1000)
        self._top_k, self._max_turns = top_k, max_turns
        self._reward, self._anchor_kind = reward, anchor
        self._action_format: ActionFormat = action_format
        self._list_actions = list_actions
        self._episode = SearchEpisode(_NO_QUESTION, turns_left=0, is_over=True)
        self._text = ""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Ask the question of ``seed``, or of a random training seed if it is None."""
        super().reset(seed=seed, options=options)
        picked = int(self.np_random.integers(FIRST_TEST_SEED)) if seed is None else seed
        question = self._source.questions.pick(picked)
        self._episode = SearchEpisode(question, turns_left=self._max_turns)
        self._text = f"Question: {question.text}"
        return self._text, self._info()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Search or answer."""
        episode = self._episode
        if episode.is_over:
            raise gymnasium.error.ResetNeeded("The episode is over: call reset() before step().")
        episode.turns_left -= 1
        parsed = parse_action(action)
        self._text = self._react(parsed)
        terminated = isinstance(parsed, SearchAction) and parsed.kind == "answer"
        truncated = not terminated and episode.turns_left == 0
        episode.is_over = terminated or truncated
        if episode.turns_left == 1 and not terminated:
            self._text = f"{self._text}\n{_LAST_TURN}"
        reward = episode.score if self._reward == "f1" else float(episode.won)
        return self._text, reward, terminated, truncated, self._info()

    def render(self) -> Any:
        """Return the last observation if ``render_mode`` is "ansi"."""
        return self._text if self.render_mode == "ansi" else None

    def _react(self, action: SearchAction | InvalidAction) -> str:
        if isinstance(action, InvalidAction):
            return action.complaint
        if action.kind == "answer":
            self._episode.judge(action.text)
            return "The answer is right." if self._episode.won else "The answer is wrong."
        if self._episode.turns_left == 0:
            return "The search was not run: no turns were left."
        try:
            (hits,) = self._source.retriever.search([action.text], top_k=self._top_k)
        except RetrieverError as error:
            return f"The search failed: {error.reason}. Search again, or answer."
        self._episode.record(action.text, hits)
        return self._episode.information

    def _info(self) -> dict[str, Any]:
        question = self._episode.question
        num_hops = len(question.hops)
        info = {
            TASK: question.text,
            WON: self._episode.won,
            ANCHOR: self._anchor(),
            SCORE: self._episode.score,
            TAGS: [question.dataset, *([f"{num_hops}-hop"] if num_hops else [])],
        }
        if self._episode.is_over:
            return info
        expert_action = self._episode.expert_action()
        if expert_action is not None:
            info[EXPERT_ACTION] = format_action(expert_action, self._action_format)
        if self._list_actions:
            info[ADMISSIBLE_ACTIONS] = self._listed_actions()
        return info

    def _anchor(self) -> str:
        if self._anchor_kind == "documents":
            return self._episode.documents()
        return self._episode.information or self._episode.question.text

    def _listed_actions(self) -> list[str]:
        found = self._episode.found.values()
        searches, answers = self._source.entities(self._episode.question, found)
        actions = [SearchAction("search", name) for name in searches]
        actions += [SearchAction("answer", name) for name in answers]
        return [format_action(action, self._action_format) for action in actions]
