"""Loopback: an environment plays the same episodes through a server as directly."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.games.open_env_servers import CORRIDOR, OPEN_ENV, serving

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.contract import DATA_FILES, INFO_TYPES
from rllib_gigpo.envs.info_fence import read_info
from rllib_gigpo.envs.making import make
from rllib_gigpo.envs.open_env.server.json_info import anchor_text

IDS = "rllib_gigpo.envs:"
SERVED = {
    "Corridor-v0": {},
    "FrozenLake-v0": {},
    "Sokoban-v0": {},
    "Delivery-v0": {},
    "GuideAndWalker-v0": {},
    "NumberLine-v0": {},
    "Blackjack-v0": {},
    "EZPoints-v0": {},
    "SearchQA-v0": {"synthetic": {"num_people": 40}},
    "Tools-v0": {"expert": "rllib_gigpo.envs.tools.stock_room:expert"},
    "TextWorld-v0": {"challenge": "coin_collector", "level": 2},
    "MiniGrid-v0": {},
    "TextArena-v0": {},
    "Gem-v0": {},
}
NEEDS = {
    "SearchQA-v0": "bm25s",
    "TextWorld-v0": "textworld",
    "MiniGrid-v0": "minigrid",
    "TextArena-v0": "textarena",
    "Gem-v0": "gem",
}


def options_of(name, game_cache):
    pytest.importorskip(NEEDS.get(name, "gymnasium"))
    return SERVED[name] | ({"cache_dir": str(game_cache)} if name == "TextWorld-v0" else {})


def played(env, seeds=(0, 1, 5), num_steps=12):  # seed 5 begins with an expert action
    """Play actions that depend on what is seen only, and return everything that was seen."""
    seen = []
    for seed in seeds:
        choice = random.Random(seed)
        text, info = env.reset(seed=seed)
        seen.append((text, 0.0, False, False, read_info(info)))
        for _ in range(num_steps):
            info = seen[-1][-1]
            known = info.get("admissible_actions") or ["look", "5"]
            action = choice.choice([*known, info.get("expert_action", "xyzzy")])
            text, reward, terminated, truncated, info = env.step(action)
            seen.append((text, reward, terminated, truncated, read_info(info)))
            if terminated or truncated:
                break
    return seen


def as_sent(turn):
    *answer, info = turn
    info = {key: value for key, value in info.items() if key in CONTRACT}
    if "anchor" in info:
        info["anchor"] = anchor_text(info["anchor"])
    return *answer, info


CONTRACT = set(INFO_TYPES) - {DATA_FILES}  # whose files are the server's


@pytest.mark.parametrize("name", SERVED)
def test_a_served_environment_plays_as_it_does_directly(name, game_cache):
    options = options_of(name, game_cache)
    direct = make(IDS + name, **options)
    with serving(IDS + name, options) as server:
        through = make(OPEN_ENV, url=server.url)
        assert played(through) == [as_sent(turn) for turn in played(direct)]
        through.close()
    direct.close()


@pytest.mark.parametrize("name", ["Corridor-v0", "FrozenLake-v0", "TextWorld-v0", "Gem-v0"])
def test_a_served_environment_keeps_the_contract(name, game_cache):
    with serving(IDS + name, options_of(name, game_cache)) as server:
        report = check_env(OPEN_ENV, env_config={"url": server.url}, num_episodes=2, max_steps=15)
    assert report.is_ok, str(report)


def test_a_gymnasium_environment_of_somebody_else_is_served(monkeypatch, tmp_path):
    (tmp_path / "echoes_of_mine.py").write_text(
        "import gymnasium\n"
        "from gymnasium.spaces import Text\n"
        "class Echoes(gymnasium.Env):\n"
        "    observation_space = action_space = Text(100)\n"
        "    def reset(self, *, seed=None, options=None):\n"
        "        return f'seed {seed}', {}\n"
        "    def step(self, action):\n"
        "        return action * 2, 0.5, False, False, {}\n"
        "gymnasium.register('Echoes-v0', Echoes, max_episode_steps=2)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with serving("echoes_of_mine:Echoes-v0") as server:
        env = make(OPEN_ENV, url=server.url)
        assert env.reset(seed=4) == ("seed 4", {})
        assert env.step("ab") == ("abab", 0.5, False, False, {})
        assert env.step("é\n☃") == ("é\n☃é\n☃", 0.5, False, True, {})
        env.close()


def test_results_of_tools_travel():
    options = SERVED["Tools-v0"]
    with serving(f"{IDS}Tools-v0", options) as server:
        env = make(OPEN_ENV, url=server.url)
        _, info = env.reset(seed=0)
        text, *_, info = env.step(info["expert_action"])
        assert info["tool_results"] == [{"name": "count", "content": text}]
        env.close()


@pytest.mark.parametrize("name", ["Corridor-v0", "TextWorld-v0"])
def test_many_sessions_at_once_do_not_disturb_each_other(name, game_cache):
    options = options_of(name, game_cache)
    direct = make(IDS + name, **options)
    expected = [[as_sent(turn) for turn in played(direct, [seed])] for seed in range(4)]
    direct.close()
    with serving(IDS + name, options) as server:
        envs = [make(OPEN_ENV, url=server.url) for _ in range(24)]
        assert server.app.num_sessions == 24
        with ThreadPoolExecutor(24) as threads:
            found = threads.map(lambda number: played(envs[number], [number % 4]), range(24))
            assert list(found) == expected * 6
        for env in envs:
            env.close()


def test_an_environment_can_be_sent_to_another_process():
    import cloudpickle

    with serving(CORRIDOR) as server:
        env = make(OPEN_ENV, url=server.url)
        twin = cloudpickle.loads(cloudpickle.dumps(env))
        assert twin.reset(seed=5)[0] == env.reset(seed=5)[0]
        env.close()
        twin.close()
