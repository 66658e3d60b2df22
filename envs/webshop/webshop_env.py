"""WebShop as a Gymnasium text environment."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
from gymnasium.utils import EzPickle

from ..common.option_checks import check_choice, check_flag, check_whole
from ..contract import (
    ADMISSIBLE_ACTIONS,
    ANCHOR,
    EXPERT_ACTION,
    SCORE,
    TAGS,
    TASK,
    WON,
    text_space,
)
from .goals import Goal
from .pages import SEARCH, SEPARATOR
from .products.product import Product
from .scoring.nouns import NounTagger, noun_tagger
from .scoring.reward import PurchaseScore, score_purchase
from .session import Session
from .shop import ShopSettings, open_shop
from .webshop_expert import WebShopExpert

OBSERVATIONS = ("page", "page_without_goal")
REWARDS = ("score", "win")
SEARCH_ACTION = "search[<your query>]"
"""The entry for all searches in the admissible actions."""

_WIN_REWARD = 10.0
_REFUSAL = "That is not a valid action. Use search[words], or click[x] with an x from this page."


class WebShopEnv(gymnasium.Env[str, str], EzPickle):
    """A shop in which to find and buy what the customer wants; the seed of ``reset`` picks a goal.

    Actions are "search[words]", on every page, and "click[name]" for what the page shows; any other
    text changes nothing. Only the purchase ("click[buy now]") earns a reward, and it ends the
    episode. Seeds from 2**20 on have test goals, lower seeds training goals, with none in common.

    Args:
        goals: "synthetic" (made from product attributes and options) or "human" (written by
            people).
        items_file: Path of WebShop's items_shuffle*.json; None generates the shop.
        attributes_file: Path of the items_ins_v2*.json that belongs to ``items_file``.
        instructions_file: Path of items_human_ins.json, for human goals.
        num_products: Number of products to read from the start of the file, or to generate; None
            means the whole file, or 200.
        catalogue_seed: Seed of the generated shop.
        num_test_goals: Number of goals held out for tests; None means 500 as in the original, or a
            quarter of the goals if there are fewer than 1,000.
        max_steps: Steps after which an unfinished episode is truncated.
        reward: "score" pays WebShop's score of 0 to 1; "win" pays 10 for a perfect purchase and
            nothing otherwise, as in verl-agent.
        observation: "page", as in the original, or "page_without_goal", which leaves out the goal's
            words (they are in ``info["task"]``) and adds a remark after an invalid action.
        tagger: The finder of nouns in titles, for the score: "simple", "spacy", "spacy:<model>", or
            a function.
        fix_option_match: See ``reward.score_purchase``; True makes every goal reachable.
        expert: Whether ``info`` has an expert action.

    Raises:
        ValueError: An option has a wrong value, or a file is missing or broken.
        ImportError: A package of the extra is missing.
    """

    def __init__(
        self,
        *,
        goals: str = "synthetic",
        items_file: str | Path | None = None,
        attributes_file: str | Path | None = None,
        instructions_file: str | Path | None = None,
        num_products: int | None = None,
        catalogue_seed: int = 0,
        num_test_goals: int | None = None,
        max_steps: int = 15,
        reward: str = "score",
        observation: str = "page",
        tagger: str | NounTagger = "simple",
        fix_option_match: bool = False,
        expert: bool = True,
    ) -> None:
        """Check the options and open the shop, which all environments in a process share."""
        EzPickle.__init__(
            self,
            goals=goals,
            items_file=items_file,
            attributes_file=attributes_file,
            instructions_file=instructions_file,
            num_products=num_products,
            catalogue_seed=catalogue_seed,
            num_test_goals=num_test_goals,
            max_steps=max_steps,
            reward=reward,
            observation=observation,
            tagger=tagger,
            fix_option_match=fix_option_match,
            expert=expert,
        )
        check_choice("reward", reward, REWARDS)
        check_choice("observation", observation, OBSERVATIONS)
        check_whole("max_steps", max_steps, low=1)
        check_flag("fix_option_match", fix_option_match)
        check_flag("expert", expert)
        self._nouns = noun_tagger(tagger)
        self._shop = open_shop(
            ShopSettings(
                goals=goals,
                items_file=_text(items_file),
                attributes_file=_text(attributes_file),
                instructions_file=_text(instructions_file),
                num_products=num_products,
                catalogue_seed=catalogue_seed,
                num_test_goals=num_test_goals,
            )
        )
        self.observation_space = text_space(8192)
        self.action_space = text_space(1000)
        self._max_steps, self._reward, self._observation = max_steps, reward, observation
        self._fix_option_match, self._has_expert = fix_option_match, expert
        self._kind_of_goals = goals
        self._session: Session | None = None
        self._expert: WebShopExpert | None = None
        self._num_steps = 0
        self._is_over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start with the goal of ``seed``, or a training goal drawn by weight if it is None."""
        super().reset(seed=seed, options=options)
        self._session = None  # until the new one is open
        rng = random.Random(int(self.np_random.integers(2**32)))
        split = self._shop.goals
        goal = split.draw(rng) if seed is None else split.goal(seed)
        self._session = Session(goal, self._shop.engine, self._judge, rng)
        self._expert = WebShopExpert(goal, self._shop.engine) if self._has_expert else None
        self._num_steps, self._is_over = 0, False
        return self._answer(self._session)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Search, click, or do nothing if the action is not possible on this page."""
        session = self._session
        if session is None or self._is_over:
            raise gymnasium.error.ResetNeeded("The episode is over: call reset() before step().")
        is_possible = session.act(action)
        self._num_steps += 1
        terminated = session.score is not None
        truncated = not terminated and self._num_steps >= self._max_steps
        self._is_over = terminated or truncated
        observation, info = self._answer(session, is_possible=is_possible)
        return observation, self._reward_of(session.score), terminated, truncated, info

    def _judge(self, goal: Goal, product: Product, options: Mapping[str, str]) -> PurchaseScore:
        return score_purchase(
            goal,
            product,
            options,
            price=self._shop.catalogue.prices[product.asin],
            nouns=self._nouns,
            fix_option_match=self._fix_option_match,
        )

    def _reward_of(self, score: PurchaseScore | None) -> float:
        if score is None:
            return 0.0
        if self._reward == "score":
            return score.reward
        return _WIN_REWARD if _is_perfect(score) else 0.0

    def _answer(self, session: Session, *, is_possible: bool = True) -> tuple[str, dict[str, Any]]:
        """Return the observation, with a remark after an impossible action, and ``info``."""
        score = session.score
        info = {
            TASK: session.goal.instruction,
            ADMISSIBLE_ACTIONS: _admissible_actions(session),
            WON: _is_perfect(score),
            ANCHOR: _anchor(session),
            SCORE: score.reward if score else 0.0,
            TAGS: ["webshop", self._kind_of_goals, session.goal.product.category],
        }
        expert_action = self._suggestion(session)
        if expert_action:
            info[EXPERT_ACTION] = expert_action
        if self._observation == "page":
            return session.page.text, info
        text = session.page.text_without_goal
        return text if is_possible else f"{_REFUSAL}{SEPARATOR}{text}", info

    def _suggestion(self, session: Session) -> str | None:
        if self._expert is None or session.score is not None:
            return None
        return self._expert.suggest(session)


def _admissible_actions(session: Session) -> list[str]:
    searches = [SEARCH_ACTION] if session.page.has_search_bar else []
    clicks = [f"click[{name}]" for name in session.page.clickables if name and name != SEARCH]
    return searches + clicks


def _anchor(session: Session) -> str:
    """Return the page plus what it does not show: the product of a sub-page, and the choices."""
    parts = [session.page.text]
    if session.is_sub_page and session.product is not None:
        parts.append(session.product.asin)
    if session.options:
        parts.append(json.dumps(session.options, sort_keys=True))
    return "\n".join(parts)


def _is_perfect(score: PurchaseScore | None) -> bool:
    return score is not None and score.reward == 1.0


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)
