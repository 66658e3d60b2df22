"""The endpoint as clients see it: OpenAI's protocol, keys, limits, and errors that say the cure."""

import json
import urllib.error
import urllib.request

import openai
import pytest
from agent_programs.climbers import ask, client_of

QUESTION = [{"role": "user", "content": "up or down?"}]


def up(prompt):
    return "up"


@pytest.fixture
def told(play):
    """Return a function that runs a function of a client in a program and returns its result."""

    def run(function, answer=up, **options):
        results = []

        def program(base_url, api_key):
            client = client_of(base_url, api_key)
            try:
                results.append(function(client))
            finally:
                ask(client, QUESTION)  # an episode without a call would be lost
            return 1

        result, _ = play(answer, program=program, group_size=1, **options)
        assert [lost.message for lost in result.lost] == []
        return results[0]

    return run


@pytest.fixture
def refused(told):
    """Return a function that runs a call which must be refused, and returns the error."""

    def run(call, **options):
        def attempt(client):
            with pytest.raises(openai.APIStatusError) as caught:
                call(client)
            return caught.value

        return told(attempt, **options)

    return run


def test_an_answer_has_the_parts_that_clients_read(told):
    answer = told(
        lambda client: client.chat.completions.create(model="my-model", messages=QUESTION)
    )
    assert answer.id.startswith("chatcmpl-")
    assert answer.model == "my-model"
    (choice,) = answer.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "up")
    assert choice.finish_reason == "stop"
    assert answer.usage.completion_tokens == 2
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 2


def test_a_streamed_answer_has_the_same_text(told):
    def stream(client):
        chunks = client.chat.completions.create(
            model="m", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        return list(chunks)

    chunks = told(stream)
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == "up"
    assert [choice.finish_reason for choice in choices] == [None, "stop"]
    assert chunks[-1].usage.completion_tokens == 2


def test_sampling_settings_of_the_program_are_those_of_the_run(told):
    answer = told(lambda client: ask(client, QUESTION, temperature=0.2, top_p=0.5, seed=3))
    assert answer.content == "up"


def test_an_answer_ends_at_a_stop_text(told):
    answer = told(
        lambda client: client.chat.completions.create(
            model="m", messages=QUESTION, stop=["floor", "down"]
        ),
        answer=lambda prompt: "up Go to floor 3. down",
    )
    (choice,) = answer.choices
    assert choice.message.content == "up Go to "
    assert choice.finish_reason == "stop"


def test_contents_may_be_lists_of_text_parts(told):
    parts = [{"type": "text", "text": "up or "}, {"type": "text", "text": "down?"}]
    answer = told(lambda client: ask(client, [{"role": "user", "content": parts}]))
    assert answer.content == "up"


def test_the_models_are_listed(told):
    assert [model.id for model in told(lambda client: list(client.models.list()))] == ["policy"]


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"n": 2}, "n=2 is not supported"),
        ({"stop": [""]}, "stop=[''] must be a text or a list of texts"),
        ({"response_format": {"type": "json_object"}}, "Leave response_format out"),
        ({"logprobs": True}, "logprobs=True"),
        ({"max_tokens": 0}, "max_tokens=0 must be a positive whole number"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "wizard", "content": "up"}]}, "needs a role, one of system"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "content other than text",
        ),
        ({"tools": [{"type": "function"}]}, "is not a tool"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": [1]}}]},
            "The parameters of 'f' must be a JSON schema",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_served_is_refused_with_the_cure(refused, options, part):
    error = refused(lambda client: ask(client, **{"messages": QUESTION, **options}))
    assert error.status_code == 400
    assert part in error.body["message"]


def test_a_wrong_key_is_refused(refused):
    error = refused(lambda client: ask(client.with_options(api_key="wrong"), QUESTION))
    assert error.status_code == 401
    assert "no episode under way" in error.body["message"]


def test_another_path_is_refused_with_the_list_of_paths(refused):
    error = refused(lambda client: client.embeddings.create(model="m", input="up"))
    assert error.status_code == 404
    assert "POST /v1/chat/completions" in error.body["message"]


def test_a_request_that_is_too_large_is_refused(refused):
    message = [{"role": "user", "content": "up " * 2000}]
    error = refused(lambda client: ask(client, message), max_request_bytes=2048)
    assert error.status_code == 413
    assert "more than 2048 bytes" in error.body["message"]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b'{"reward": "much"}', b'{"reward": NaN}', b'{"reward": true}'),
        b"[" * 100_000,
        b'{"reward": 1' + b"0" * 400 + b"}",
    ],
    ids=range(8),
)
def test_a_posted_reward_must_be_a_number(told, body):
    def post(client):
        request = urllib.request.Request(
            str(client.base_url) + "reward",
            data=body,
            headers={"Authorization": f"Bearer {client.api_key}"},
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=30)
        return caught.value.code, json.loads(caught.value.read())

    status, answer = told(post)
    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"


def test_the_port_is_closed_at_the_end(endpoint):
    with endpoint(up, program=lambda seed: 1) as (rollout, _):
        url = rollout._server.base_url.removesuffix("/v1")
        with urllib.request.urlopen(f"{url}/health", timeout=30) as answer:
            assert json.loads(answer.read()) == {"status": "ok"}
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/health", timeout=5)


def test_a_client_that_leaves_leaves_no_step_behind(endpoint, tokenizer):
    """The answer comes after the client's time limit, so it belongs to no step."""
    import threading

    from agent_programs.conftest import SAMPLING, finish

    from rllib_gigpo.batch.group_task import GroupTask

    has_left = threading.Event()

    def program(base_url, api_key):
        client = client_of(base_url, api_key).with_options(timeout=0.2)
        with pytest.raises(openai.APITimeoutError):
            ask(client, [{"role": "user", "content": "slow?"}])
        has_left.set()
        ask(client.with_options(timeout=30), QUESTION)
        return 1

    def delay(prompt):
        return 10**9 if "slow" in prompt and not has_left.is_set() else 1

    with endpoint(up, program=program, delay=delay) as (rollout, engine):
        rollout.start([GroupTask(0, 0, 1, SAMPLING)])
        (episode,) = finish(rollout).episodes
    assert len(episode) == 1
    assert engine.aborted == ["0-0-0"]
