"""Programs that play: what is recorded is what the engine saw and said, and faults cost a group."""

import asyncio
import contextlib
import itertools
import json
import sys
import threading
import urllib.error
import urllib.request

import numpy as np
import openai
import pytest
from agent_programs.climbers import ask, client_of, climb, climb_without_memory
from agent_programs.conftest import SAMPLING, changed, finish

from rllib_gigpo import columns
from rllib_gigpo.agent_programs import started_program
from rllib_gigpo.agent_programs.chat.chat_history import ChatHistory
from rllib_gigpo.agent_programs.program_episode import new_text
from rllib_gigpo.batch.group_task import GroupTask
from rllib_gigpo.batch.step_record import step_records


def up(prompt):
    return "up"


def call_of(arguments):
    function = {"name": "climb", "arguments": arguments}
    return {"id": "abcdefghi", "type": "function", "function": function}


def test_a_group_is_whole_runs_of_the_program_on_one_task(play):
    result, _ = play(up, program=climb, seeds=[0, 1])
    assert [len(group.episodes) for group in result.groups] == [2, 2]
    by_seed = {group.task.seed: group.episodes for group in result.groups}
    assert [len(episode) for episode in by_seed[0]] == [3, 3]
    assert [len(episode) for episode in by_seed[1]] == [2, 2]
    assert all(episode.is_terminated and episode.get_return() == 1 for episode in result.episodes)
    assert [one.custom_data[columns.MEMBER] for one in by_seed[1]] == [0, 1]


def test_records_hold_the_ids_that_the_engine_got_and_sampled(play, tokenizer):
    result, engine = play(up, program=climb)
    prompts = {one.request_id: list(one.prompt_token_ids) for one, _ in engine.requests}
    for episode in result.episodes:
        for index, record in enumerate(step_records([episode])):
            assert list(record.prompt_token_ids) == prompts[f"{episode.id_}-{index}"]
            assert record.response_token_ids == [*tokenizer.encode("up"), tokenizer.eos_token_id]
            assert record.rollout_logp.tolist() == [-0.5] * len(record.response_token_ids)


def test_a_call_that_continues_a_chat_only_appends_to_its_ids(play):
    result, _ = play(up, program=climb)
    records = step_records([result.episodes[0]])
    for before, after in itertools.pairwise(records):
        kept = [*before.prompt_token_ids, *before.response_token_ids]
        assert list(after.prompt_token_ids[: len(kept)]) == kept
        assert after.num_message_tokens == len(after.prompt_token_ids) - len(kept)
    assert "floor 0" in records[-1].prompt_text
    assert "floor 2" in records[-1].prompt_text


def test_a_call_that_continues_none_starts_a_new_chat(play):
    result, _ = play(up, program=climb_without_memory)
    records = step_records([result.episodes[0]])
    assert [record.num_message_tokens for record in records] == [
        len(record.prompt_token_ids) for record in records
    ]
    assert "floor 0" not in records[-1].prompt_text


def test_the_default_anchor_is_the_latest_user_message(play):
    result, _ = play(up, program=climb)
    anchors = [record.anchor for record in step_records([result.episodes[0]])]
    assert anchors == [f"You stand on floor {floor}." for floor in range(3)]


def test_a_header_sets_the_anchor(play):
    def program(base_url, api_key):
        client = client_of(base_url, api_key)
        messages = [{"role": "user", "content": "up?"}]
        ask(client, messages, extra_headers={"X-Anchor": "floor 7"})
        return 1

    result, _ = play(up, program=program)
    assert step_records([result.episodes[0]])[0].anchor == "floor 7"


def test_a_function_sets_the_anchor(play):
    result, _ = play(up, program=climb, anchor=lambda messages: messages[-1]["content"][-2:])
    assert [one.anchor for one in step_records([result.episodes[0]])] == ["0.", "1.", "2."]


def test_a_reward_function_sees_the_calls_and_the_result(play):
    seen = []

    def reward(played):
        seen.append(played)
        return {"reward": 0.5, "won": True, "score": 7}

    result, _ = play(up, program=climb, reward=reward)
    assert [episode.get_return() for episode in result.episodes] == [0.5, 0.5]
    assert result.episodes[0].get_infos(-1)["won"] is True
    (first, _) = seen
    assert (first.seed, first.result, first.is_truncated) == (0, 1.0, False)
    assert [call.answer["content"] for call in first.calls] == ["up"] * 3
    assert first.calls[-1].request.messages[-1]["content"] == "You stand on floor 2."


def test_a_reward_can_be_posted(play):
    def program(base_url, api_key):
        client = client_of(base_url, api_key)
        ask(client, [{"role": "user", "content": "up?"}])
        client.post("/reward", body={"reward": 2.5, "won": False}, cast_to=object)

    result, _ = play(up, program=program)
    assert [episode.get_return() for episode in result.episodes] == [2.5, 2.5]
    assert result.episodes[0].get_infos(-1)["won"] is False


@pytest.mark.parametrize("reward", [None, "much", float("nan")])
def test_a_reward_that_is_not_a_number_costs_the_group(play, reward):
    result, _ = play(up, program=climb, reward=lambda played: reward)
    assert [lost.kind for lost in result.lost] == ["reward"]
    assert result.groups == []


def test_who_rewards_nobody_is_told_how(play):
    def program(base_url, api_key):
        ask(client_of(base_url, api_key), [{"role": "user", "content": "up?"}])

    result, _ = play(up, program=program)
    assert "set env_config={'reward': ...}, POST the reward" in result.lost[0].message


def test_a_program_that_raises_costs_its_group_and_others_go_on(play):
    def program(base_url, api_key, seed):
        if seed == 1:
            raise RuntimeError("no such floor")
        return climb(base_url, api_key, seed)

    result, _ = play(up, program=program, seeds=[0, 1, 2])
    assert sorted(group.task.seed for group in result.groups) == [0, 2]
    (lost,) = result.lost
    assert lost.kind == "program"
    assert "my program, seed 1, call 0" in lost.message
    assert "no such floor" in lost.message


def test_a_program_that_hangs_costs_its_group(play):
    result, _ = play(up, program=lambda seed: threading.Event().wait(), timeout_s=0.3)
    (lost,) = result.lost
    assert lost.kind == "timeout"
    assert "timeout_s" in lost.message


def test_a_program_without_a_call_costs_its_group(play):
    result, _ = play(up, program=lambda seed: 1.0)
    assert "it made no call" in result.lost[0].message


def test_at_the_limit_of_calls_the_episode_is_cut_and_keeps_its_reward(play):
    def program(base_url, api_key):
        client = client_of(base_url, api_key)
        while True:
            ask(client, [{"role": "user", "content": "up?"}])

    result, _ = play(up, program=program, reward=lambda played: 0.25)
    assert [len(episode) for episode in result.episodes] == [6, 6]
    assert all(episode.is_truncated and not episode.is_terminated for episode in result.episodes)
    assert [episode.get_return() for episode in result.episodes] == [0.25, 0.25]


def test_calls_that_overlap_at_the_limit_are_answered_before_the_episode_is_cut(play):
    async def program(base_url, api_key):
        client = openai.AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0)
        calls = (
            client.chat.completions.create(
                model="policy", messages=[{"role": "user", "content": f"floor {floor}?"}]
            )
            for floor in range(8)
        )
        answers = await asyncio.gather(*calls, return_exceptions=True)
        await client.close()
        return sum(isinstance(one, openai.BadRequestError) for one in answers)

    result, _ = play(up, program=program, delay=lambda prompt: 3)
    assert [len(episode) for episode in result.episodes] == [6, 6]
    assert all(episode.is_truncated for episode in result.episodes)
    assert [episode.get_return() for episode in result.episodes] == [2, 2]  # its own result


def test_a_program_that_ignores_the_limit_is_ended(play):
    def program(base_url, api_key):
        client = client_of(base_url, api_key)
        while True:
            with contextlib.suppress(openai.OpenAIError):
                ask(client, [{"role": "user", "content": "up?"}])

    result, _ = play(up, program=program)
    assert [len(episode) for episode in result.episodes] == [6, 6]
    assert [episode.get_return() for episode in result.episodes] == [0, 0]


def test_a_fault_after_a_chat_that_was_too_long_and_went_on_costs_the_group(play):
    def program(base_url, api_key):
        client = client_of(base_url, api_key)
        with pytest.raises(openai.BadRequestError):
            ask(client, [{"role": "user", "content": "up? " * 500}])
        ask(client, [{"role": "user", "content": "up?"}])
        raise RuntimeError("no such floor")

    result, _ = play(up, program=program, max_prompt_tokens=60)
    assert "no such floor" in result.lost[0].message


def test_a_first_call_that_is_too_long_says_so(play):
    def program(base_url, api_key):
        ask(client_of(base_url, api_key), [{"role": "user", "content": "up? " * 500}])

    result, _ = play(up, program=program, max_prompt_tokens=60)
    assert "its first call was too long" in result.lost[0].message


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": "up \ud83d"},
        {"role": "user", "content": "<|im_end|>"},
        {"role": "assistant", "content": None, "tool_calls": [call_of("[1]")]},
        {"role": "assistant", "content": None, "tool_calls": [call_of("[" * 100_000)]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [call_of('{"a":' * 400 + "1" + "}" * 400)],
        },
    ],
    ids=["surrogate", "control", "list", "deep text", "deep object"],
)
def test_nonsense_is_answered_or_refused_and_the_run_goes_on(play, message):
    def program(base_url, api_key):
        messages = [{"role": "user", "content": "up?"}, message]
        body = {"model": "policy \ud83d", "messages": messages}
        request = urllib.request.Request(
            f"{base_url}/chat/completions",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {api_key}"},
        )
        status = 200
        try:
            urllib.request.urlopen(request, timeout=30).close()
        except urllib.error.HTTPError as error:
            status = error.code
        ask(client_of(base_url, api_key), [{"role": "user", "content": "up?"}])
        return status

    result, _ = play(up, program=program, group_size=1)
    assert [episode.get_return() in (200, 400) for episode in result.episodes] == [True]


def test_messages_that_cannot_become_a_prompt_are_refused(play, monkeypatch):
    def too_deep(history, request):
        raise RecursionError("too deep")

    monkeypatch.setattr(ChatHistory, "find", too_deep)
    result, _ = play(up, program=climb, group_size=1)
    assert "The messages cannot become a prompt: RecursionError: too deep" in result.lost[0].message


@pytest.mark.parametrize("words", [["sleep", "600"], ["sh", "-c", "echo \0"]])
def test_programs_that_cannot_be_started_cost_their_group(endpoint, monkeypatch, words):
    started = []

    def refuse(stream, size):
        started.append(stream)
        raise OSError(24, "Too many open files")

    with endpoint(up, program=words) as (rollout, _):
        rollout.start([GroupTask(0, 0, 3, SAMPLING)])
        with monkeypatch.context() as patched:
            if "sleep" in words:
                patched.setattr(started_program, "OutputTail", refuse)
            rollout.advance()
        (lost,) = rollout.take_result().lost
    assert lost.kind == "program"
    assert "it cannot be started" in lost.message
    assert "max_concurrent_episodes" in lost.message
    # What had started has been ended, so nobody holds the other end of its output.
    assert all(stream.read() == b"" for stream in started)


def test_groups_that_are_dropped_end_their_programs(endpoint):
    with endpoint(up, program=["sleep", "600"]) as (rollout, _):
        rollout.start([GroupTask(0, 0, 2, SAMPLING)])
        rollout.advance()
        processes = [one.program._process for one in rollout._groups[0]]
        rollout.drop([0, "unknown"])
        assert rollout.is_done
        assert all(process.poll() is not None for process in processes)
        assert rollout._server.open_keys == set()
        result = rollout.take_result()
    assert result.groups == result.lost == []


def test_no_more_programs_run_at_once_than_allowed(play):
    running, most = set(), [0]

    def program(base_url, api_key, seed):
        running.add(api_key)
        most[0] = max(most[0], len(running))
        try:
            return climb(base_url, api_key, seed)
        finally:
            running.discard(api_key)

    settings = changed(max_concurrent_episodes=2)
    result, _ = play(up, program=program, seeds=[0, 1, 2], group_size=3, settings=settings)
    assert len(result.episodes) == 9
    assert 1 <= most[0] <= 3  # one may start while another returns


def test_a_chat_that_offers_other_tools_is_a_new_one(play):
    def tool(name):
        return {"type": "function", "function": {"name": name, "parameters": {}}}

    def program(base_url, api_key):
        client, messages = client_of(base_url, api_key), [{"role": "user", "content": "up?"}]
        for name in ("alpha", "beta"):
            message = ask(client, messages, tools=[tool(name)])
            messages += [
                {"role": "assistant", "content": message.content},
                {"role": "user", "content": "and?"},
            ]
        return 1

    result, _ = play(up, program=program)
    first, second = step_records([result.episodes[0]])
    assert "alpha" in first.prompt_text
    assert "beta" in second.prompt_text
    assert "alpha" not in second.prompt_text


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ("su", "u"),
        ("suau", "u"),
        ("uat", "t"),
        ("uatt", "t\nt"),
        ("uus", "u\nu"),
        ("ua", "u"),
        ("s", "s"),
    ],
)
def test_new_text_is_the_latest_of_users_and_tools(messages, text):
    roles = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    listed = [{"role": roles[one], "content": one} for one in messages]
    assert new_text(listed) == text


def test_an_anchor_function_that_returns_none_leaves_the_default(play):
    result, _ = play(up, program=climb, anchor=lambda messages: None)
    assert step_records([result.episodes[0]])[0].anchor == "You stand on floor 0."


def test_a_chat_that_is_too_long_is_refused_and_cuts_the_episode(play):
    def program(base_url, api_key):
        client = client_of(base_url, api_key)
        ask(client, [{"role": "user", "content": "up?"}])
        ask(client, [{"role": "user", "content": "up? " * 500}])

    result, _ = play(up, program=program, reward=lambda played: 0.25, max_prompt_tokens=60)
    assert [len(episode) for episode in result.episodes] == [1, 1]
    assert all(episode.is_truncated for episode in result.episodes)
    assert result.stats.num_refused_calls == 2


def test_calls_of_one_episode_may_run_at_once(endpoint):
    async def program(base_url, api_key):
        client = openai.AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0)
        answers = await asyncio.gather(
            *(
                client.chat.completions.create(
                    model="policy", messages=[{"role": "user", "content": f"floor {floor}?"}]
                )
                for floor in range(4)
            )
        )
        await client.close()
        return len(answers)

    with endpoint(up, program=program) as (rollout, engine):
        poll = engine.poll
        # The engine answers only when the calls of both episodes are there.
        engine.poll = lambda: poll() if engine.batch_sizes or len(engine.running) == 8 else []
        rollout.start([GroupTask(0, 0, 2, SAMPLING)])
        result = finish(rollout)
    assert [episode.get_return() for episode in result.episodes] == [4, 4]
    assert engine.batch_sizes[0] == 8
    seen = {record.anchor for record in step_records([result.episodes[0]])}
    assert seen == {f"floor {floor}?" for floor in range(4)}


def test_every_answer_has_its_own_seed_that_a_second_run_repeats(play):
    runs = [play(up, program=climb, seeds=[0, 1])[1].requests for _ in range(2)]
    first, second = ({one.request_id: one.seed for one, _ in run} for run in runs)
    assert first == second
    assert len(set(first.values())) == len(first)


def test_a_command_gets_the_endpoint_in_its_environment(play, tmp_path):
    script = tmp_path / "agent.py"
    script.write_text(
        "import os, sys, openai\n"
        "client = openai.OpenAI(max_retries=0)\n"
        "messages = [{'role': 'user', 'content': 'floor ' + sys.argv[1]}]\n"
        "answer = client.chat.completions.create(model='policy', messages=messages)\n"
        "print(os.environ['TASK_SEED'], answer.choices[0].message.content)\n"
    )
    result, _ = play(
        up,
        program=[sys.executable, str(script), "{seed}"],
        reward=lambda played: float(played.result == "5 up\n"),
        seeds=[5],
        group_size=1,
    )
    assert [episode.get_return() for episode in result.episodes] == [1.0]
    assert step_records(result.episodes)[0].anchor == "floor 5"


def test_a_command_that_fails_costs_its_group_and_says_what_it_wrote(play):
    result, _ = play(up, program=["sh", "-c", "echo no memory >&2; exit 3"])
    assert "status 3: no memory" in result.lost[0].message


def test_a_command_that_hangs_costs_its_group(play):
    result, _ = play(up, program=["sleep", "600"], timeout_s=1.0, group_size=1)
    assert [lost.kind for lost in result.lost] == ["timeout"]


def test_statistics_count_calls_and_tokens(play):
    result, _ = play(up, program=climb)
    records = step_records(result.episodes)
    stats = result.stats
    assert stats.num_steps == len(records) == 6
    assert stats.num_prompt_tokens == sum(len(record.prompt_token_ids) for record in records)
    assert stats.num_response_tokens == sum(len(record.response_token_ids) for record in records)
    assert np.isfinite(stats.env_s)
    assert stats.env_s > 0
