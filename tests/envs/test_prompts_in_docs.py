"""The prompts shown in docs/ are the prompts that are sent."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rllib_gigpo.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "environments"
ALFWORLD_TEMPLATE = "alfworld_tiny"
COLOURS = {"size": 3, "num_walls": 1, "words": "colours"}
SMALL_DELIVERY = {"size": 3, "num_walls": 1}
FIRM_LAKE = {"rules": "roll", "is_slippery": False}


@dataclass(frozen=True)
class Shown:
    """A prompt on a page: the environment, its task, the player so far, and the turn."""

    page: str
    env: str
    seed: int
    turn: int
    env_config: dict[str, Any] = field(default_factory=dict)
    package: str = "gymnasium"  # the package that the environment needs
    template: str = "compact"
    player: str = "expert"


SHOWN = (
    Shown("textworld", "TextWorld-v0", 3, 3, package="textworld"),
    Shown("alfworld", "ALFWorld-v0", 0, 3, package="alfworld"),
    Shown("alfworld", "ALFWorld-v0", 0, 3, package="alfworld", template=ALFWORLD_TEMPLATE),
    Shown("sokoban", "Sokoban-v0", 0, 2),
    Shown("frozen_lake", "FrozenLake-v0", 0, 2, FIRM_LAKE),
    Shown("frozen_lake", "FrozenLake-v0", 0, 2, FIRM_LAKE, template="{{ observation }}"),
    Shown("delivery", "Delivery-v0", 0, 2, SMALL_DELIVERY),
    Shown("delivery", "Delivery-v0", 0, 2, SMALL_DELIVERY, template="{{ observation }}"),
    Shown("guide_and_walker", "GuideAndWalker-v0", 0, 1, COLOURS),
    Shown("guide_and_walker", "GuideAndWalker-v0", 0, 2, COLOURS),
    Shown("gym_cards", "EZPoints-v0", 1, 3),
    Shown("gym_cards", "Points24-v0", 0, 3),
    Shown("gym_cards", "NumberLine-v0", 3, 2),
    Shown("gym_cards", "Blackjack-v0", 4, 1),
    Shown("search_qa", "SearchQA-v0", 1, 2, package="bm25s", template="search_qa"),
    Shown(
        "webshop",
        "WebShop-v0",
        1,
        3,
        {"observation": "page_without_goal"},
        package="rapidfuzz",
        template="default",
    ),
    Shown("adapters", "MiniGrid-v0", 3, 4, package="minigrid"),
    Shown("adapters", "TextArena-v0", 3, 1, package="textarena", player="random"),
    Shown("adapters", "Gem-v0", 3, 1, package="gem", player="random"),
    Shown("adapters", "ReasoningGym-v0", 3, 1, package="reasoning_gym"),
)


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: f"{shown.env}-{shown.template[-14:]}")
def test_a_prompt_on_a_page_is_the_one_that_is_sent(shown, game_cache, monkeypatch, capsys):
    pytest.importorskip(shown.package)
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    cached = {"cache_dir": str(game_cache)} if shown.env in ("TextWorld-v0", "ALFWorld-v0") else {}
    config = json.dumps(shown.env_config | cached)
    task = ["--seed", str(shown.seed), "--max-steps", str(shown.turn), "--as", shown.player]
    env = f"rllib_gigpo.envs:{shown.env}"
    assert main(["play", env, "--env-config", config, *task, "--template", shown.template]) == 0
    turns = re.split(r"^--- \d+ (?:\w+ )?-+\n", capsys.readouterr().out, flags=re.MULTILINE)
    prompt = turns[shown.turn].partition("\nanchor     ")[0]
    page = (PAGES / f"{shown.page}.md").read_text()
    blocks = re.findall(r"^```\w*\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert any(agrees(block, prompt) for block in blocks), prompt


def agrees(block: str, prompt: str) -> bool:
    """Return whether a block shows a prompt; "..." marks an omission."""
    parts = [re.escape(part.strip()) for part in lines_stripped(block).split("...")]
    return re.fullmatch(r".*".join(parts), lines_stripped(prompt), re.DOTALL) is not None


def lines_stripped(text: str) -> str:
    """Strip the spaces at the ends of lines, which an editor may remove."""
    return "\n".join(line.strip() for line in text.strip().splitlines())
