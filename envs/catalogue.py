"""The list of environments, and what each of them needs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True, slots=True)
class EnvEntry:
    """One environment of the package.

    Attributes:
        name: The id within ``rllib_gigpo.envs``.
        entry_point: The path of its class, relative to this package.
        summary: What the agent does, in a few words.
        extra: The package extra that installs its backend; None if it needs none.
        modules: Modules of the backend; it is installed if all of them are found.
        programs: The programs that it starts, such as "java".
    """

    name: str
    entry_point: str
    summary: str
    extra: str | None = None
    modules: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The id for ``config.environment`` and ``gymnasium.make``."""
        return f"rllib_gigpo.envs:{self.name}"

    @property
    def is_installed(self) -> bool:
        """Whether everything it needs is installed; checking imports nothing."""
        return not self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        """What is missing, each as a hint for the user; empty if everything is installed."""
        has_modules = all(find_spec(module) is not None for module in self.modules)
        package = () if has_modules else (f"pip install 'rllib-gigpo[{self.extra}]'",)
        absent = [name for name in self.programs if shutil.which(name) is None]
        return (*package, *(f"no {name} on the PATH" for name in absent))


CATALOGUE: tuple[EnvEntry, ...] = (
    EnvEntry("Corridor-v0", ".corridor:CorridorEnv", "walks to a door; instant, for tests"),
    EnvEntry("Mixture-v0", ".mixture:MixtureEnv", "plays several environments in fixed shares"),
    EnvEntry(
        "Tools-v0",
        ".tools.tools_env:ToolEnv",
        "calls the tools of a class of yours, or of MCP servers",
    ),
    EnvEntry(
        "TextWorld-v0",
        ".textworld.textworld_env:TextWorldEnv",
        "plays text adventures, one per seed",
        "textworld",
        ("textworld",),
    ),
    EnvEntry(
        "ALFWorld-v0",
        ".alfworld.alfworld_env:ALFWorldEnv",
        "does household tasks",
        "alfworld",
        ("alfworld", "textworld"),
    ),
    EnvEntry(
        "WebShop-v0",
        ".webshop.webshop_env:WebShopEnv",
        "finds a product in a shop and buys it",
        "webshop",
        ("rapidfuzz", "Stemmer"),
    ),
    EnvEntry(
        "SearchQA-v0",
        ".search_qa.search_qa_env:SearchQAEnv",
        "searches passages to answer a question",
        "search",
        ("bm25s", "Stemmer"),
    ),
    EnvEntry("Sokoban-v0", ".sokoban.sokoban_env:SokobanEnv", "pushes boxes onto targets"),
    EnvEntry(
        "FrozenLake-v0", ".frozen_lake.frozen_lake_env:FrozenLakeTextEnv", "crosses a frozen lake"
    ),
    EnvEntry(
        "Delivery-v0",
        ".delivery.delivery_env:DeliveryEnv",
        "carries a parcel to a door, with steps to spare",
    ),
    EnvEntry(
        "GuideAndWalker-v0",
        ".two_agents.guide_and_walker_env:GuideAndWalkerEnv",
        "guides a walker who cannot see, one word at a time; two roles",
    ),
    EnvEntry("NumberLine-v0", ".gym_cards.number_line:NumberLineEnv", "moves to a number"),
    EnvEntry("EZPoints-v0", ".gym_cards.points_game:EZPointsEnv", "makes 12 from two cards"),
    EnvEntry("Points24-v0", ".gym_cards.points_game:Points24Env", "makes 24 from four cards"),
    EnvEntry("Blackjack-v0", ".gym_cards.blackjack:BlackjackTextEnv", "takes cards or stands"),
    EnvEntry(
        "MiniGrid-v0",
        ".adapters.minigrid.minigrid_env:MiniGridEnv",
        "plays MiniGrid and BabyAI, with the view in words",
        "minigrid",
        ("minigrid",),
    ),
    EnvEntry(
        "TextArena-v0",
        ".adapters.text_arena.text_arena_env:TextArenaEnv",
        "plays TextArena's games for one player",
        "textarena",
        ("textarena",),
    ),
    EnvEntry(
        "Gem-v0",
        ".adapters.gem.gem_env:GemEnv",
        "plays GEM's text games",
        "gem",
        ("gem",),
    ),
    EnvEntry(
        "Jericho-v0",
        ".adapters.jericho.jericho_env:JerichoEnv",
        "plays interactive fiction from a Z-machine file",
        "textworld",
        ("jericho",),
    ),
    EnvEntry(
        "ScienceWorld-v0",
        ".adapters.science_world.science_world_env:ScienceWorldEnv",
        "does primary-school science experiments; needs Java",
        "scienceworld",
        ("scienceworld",),
        ("java",),
    ),
    EnvEntry(
        "TextWorldExpress-v0",
        ".adapters.textworld_express_env:TextWorldExpressEnv",
        "plays fast text games; needs Java",
        "textworld-express",
        ("textworld_express",),
        ("java",),
    ),
    EnvEntry(
        "ReasoningGym-v0",
        ".adapters.reasoning_gym_env:ReasoningGymEnv",
        "answers Reasoning Gym's generated questions, in one turn",
        "reasoning-gym",
        ("reasoning_gym",),
    ),
    EnvEntry(
        "Verifiers-v0",
        ".adapters.verifiers.verifiers_env:VerifiersEnv",
        "answers the tasks of a verifiers taskset, in one turn",
        "verifiers",
        ("verifiers",),
    ),
    EnvEntry(
        "OpenEnv-v0",
        ".open_env.open_env_env:OpenEnvEnv",
        "plays the environment of any OpenEnv server",
        "openenv",
        ("websockets",),
    ),
)
