"""A model behind a URL plays a panel: a real server and the real client, with a small player."""

from collections import Counter
from contextlib import ExitStack

import gymnasium
import pytest
from support.model_server import serving

from rllib_gigpo import GiGPOConfig
from rllib_gigpo.config.sections import read_prompts
from rllib_gigpo.env_runner.env_source import EnvSource
from rllib_gigpo.envs.corridor import CorridorEnv
from rllib_gigpo.errors import PanelError
from rllib_gigpo.panels.chat_agent import ChatAgent, ChatEndpoint
from rllib_gigpo.panels.maker import with_starts
from rllib_gigpo.panels.panel import load_panel
from rllib_gigpo.panels.summary import summarize

ENV, ENV_CONFIG = "rllib_gigpo.envs:Corridor-v0", {"length": 4, "max_steps": 9}


@pytest.fixture
def serve():
    """Return a function that starts a server with this answer."""
    with ExitStack() as servers:
        yield lambda answer: servers.enter_context(serving(answer))


def corridor(*, num_tasks=6, seeds=(0, 1), max_steps=9):
    content = {
        "name": "corridor",
        "env": ENV,
        "env_config": ENV_CONFIG,
        "max_episode_steps": max_steps,
        "decoding": {"seeds": list(seeds), "temperature": 0.7, "top_k": 5},
        "tasks": [{"seed": seed} for seed in range(num_tasks)],
    }
    return with_starts(load_panel(content), {})


def play(server, panel, *, num_parallel=4, **settings):
    prompts = read_prompts(GiGPOConfig().prompting(**settings))
    endpoint = ChatEndpoint(server.url, "some-model", "secret", timeout_s=20.0)
    agent = ChatAgent(endpoint, prompts, max_tokens=33, num_parallel=num_parallel)
    return agent.play(panel, EnvSource(panel.env, panel.env_config))


def expert(request):
    """Answer what the prompt's door and task demand."""
    prompt = request["messages"][0]["content"]
    goal = int(prompt.split("Go to door ")[1][0])
    here = int(prompt.split("You stand at door ")[-1][0])
    return 200, f"<think>...</think><action>go {'left' if here > goal else 'right'}</action>"


def test_every_task_is_played_once_for_each_decoding_seed(serve):
    server, panel = serve(expert), corridor()
    played, unplayed = play(server, panel)
    assert [(one.decoding_seed, one.task) for one in played] == [
        (seed, task) for seed in (0, 1) for task in range(6)
    ]
    assert not unplayed
    numbers = summarize(played)
    assert (numbers["success_rate"], numbers["format_valid_rate"]) == (1.0, 1.0)
    # The expert walks straight: both seeds need the same steps.
    assert [one.num_steps for one in played[:6]] == [one.num_steps for one in played[6:]]


def test_requests_have_the_panels_decoding_and_a_seed_for_each_answer(serve):
    server = serve(expert)
    play(server, corridor())
    first = server.requests[0]
    assert (first["model"], first["temperature"], first["max_tokens"]) == ("some-model", 0.7, 33)
    assert first["top_k"] == 5
    assert server.keys == {"Bearer secret"}
    seeds = [request["seed"] for request in server.requests]
    assert len(set(seeds)) == len(seeds)
    again = serve(expert)
    play(again, corridor(), num_parallel=1)
    assert sorted(request["seed"] for request in again.requests) == sorted(seeds)


def test_prompts_show_the_last_steps_of_their_own_episode(serve):
    server = serve(lambda request: (200, "<action>go left</action>"))
    play(server, corridor(seeds=(0,), max_steps=4), history_length=1)
    prompts = [request["messages"][0]["content"] for request in server.requests]
    counts = Counter(prompt.count("You stand at door") for prompt in prompts)
    # One observation in the first prompt of each of six episodes, two in the others.
    assert counts[1] == 6
    assert set(counts) == {1, 2}


def test_an_answer_without_an_action_is_invalid_and_takes_a_step(serve):
    played, _ = play(serve(lambda request: (200, "hm")), corridor(seeds=(0,), max_steps=5))
    assert {(one.won, one.num_steps, one.valid_rate) for one in played} == {(False, 5, 0.0)}


def test_a_server_that_fails_now_and_then_is_asked_again(serve):
    calls = Counter()

    def sometimes(request):
        calls["all"] += 1
        return (500, "busy") if calls["all"] % 5 == 0 else expert(request)

    played, unplayed = play(serve(sometimes), corridor(num_tasks=3, seeds=(0,)))
    assert len(played) == 3
    assert not unplayed


def test_a_refused_task_is_named_and_the_others_are_played(serve):
    refused = []  # the goal of the first request

    def picky(request):
        goal = request["messages"][0]["content"].split("Go to door ")[1][0]
        refused.append(goal)
        return (400, f"not to door {goal}") if goal == refused[0] else expert(request)

    played, unplayed = play(serve(picky), corridor(seeds=(0,)))
    assert len(played) + len(unplayed) == 6
    assert 0 < len(unplayed) < 6
    assert f"not to door {refused[0]}" in unplayed[0].reason


def test_a_server_that_always_refuses_is_one_sentence(serve):
    server = serve(lambda request: (401, "wrong key"))
    with pytest.raises(PanelError, match=r"No task could be played with some-model.*wrong key"):
        play(server, corridor(num_tasks=2))


def test_an_environment_that_forgets_who_acts_is_not_played(serve):
    class Forgetful(CorridorEnv):
        def reset(self, **options):
            observation, info = super().reset(**options)
            return observation, info | {"role": "walker"}

    gymnasium.register("Forgetful-v0", Forgetful, disable_env_checker=True)
    content = corridor(num_tasks=1).model_dump(mode="json") | {"env": "Forgetful-v0"}
    with pytest.raises(PanelError, match="info has no 'role', which it had at reset"):
        play(serve(lambda request: (200, "hm")), load_panel(content))


def test_another_start_is_refused_before_the_model_is_asked(serve):
    server, panel = serve(expert), corridor(num_tasks=1)
    changed = panel.tasks[0].model_copy(update={"start": "0" * 16})
    with pytest.raises(PanelError, match="the start of task 0"):
        play(server, panel.model_copy(update={"tasks": (changed,)}))
    assert not server.requests


def test_an_environment_with_tools_is_refused(serve):
    content = {
        **corridor(num_tasks=1).model_dump(mode="json"),
        "env": "rllib_gigpo.envs:Tools-v0",
        "env_config": {},
    }
    with pytest.raises(PanelError, match="Tools-v0 has tools, and a model behind a URL is not"):
        play(serve(lambda request: (200, "hm")), load_panel(content))
