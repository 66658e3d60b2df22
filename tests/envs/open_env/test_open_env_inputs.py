"""Options, actions and observations: what is found in a schema, and what is refused."""

import logging

import pytest
from support.games.open_env_servers import (
    COUNT,
    OPEN_ENV,
    TEXT,
    error,
    foreign_server,
    observed,
    other_web_server,
    protected_server,
    serving,
)

from rllib_gigpo.envs.making import make
from rllib_gigpo.envs.open_env.client.server_address import ServerAddress
from rllib_gigpo.envs.open_env.messages import OpenEnvError
from rllib_gigpo.envs.open_env.server.served_env import ServedEnv

ANSWER = {"tool_name": TEXT, "result": {}}
TOOLS = {"type": TEXT, "tool_name": TEXT, "arguments": {"type": "object"}}


def echo(kind, data):
    if kind == "reset":
        return observed({"reply": "begin"}, metadata={"won": False})
    return observed({"reply": "done", "metadata": {"solved": True}}, reward=1, done=True)


def sent_after(server, env, text):
    """Play one action and return what reached the server."""
    env.reset(seed=0)
    env.step(text)
    env.close()
    return [data for kind, data in server.heard if kind == "step"]


@pytest.mark.parametrize(
    "url", ["", "nowhere", "ftp://host", "http://", "http://host:port", 8000, "http://h/?a=b"]
)
def test_what_is_not_an_address_is_refused(url):
    with pytest.raises(ValueError, match=r"url must be the address .*Fix it in env_config"):
        make(OPEN_ENV, url=url)


@pytest.mark.parametrize("form", ["{}", "{}/", "{}/ws"])
def test_an_address_may_be_that_of_the_websocket(form):
    with serving() as server:
        for url in (server.url, server.url.replace("http", "ws")):
            env = make(OPEN_ENV, url=form.format(url))
            assert env.reset(seed=0)[0]
            env.close()


def test_a_port_without_a_server_is_told_with_the_cure():
    with pytest.raises(OpenEnvError, match=r"No OpenEnv server .*Connection refused.*serve-env"):
        make(OPEN_ENV, url="http://127.0.0.1:9")


@pytest.mark.parametrize(("body", "status"), [("<html>", 200), ("{}", 200), ("", 404), ("", 500)])
def test_another_kind_of_server_is_told(body, status):
    said = r"is not that of an OpenEnv server: .*Correct url"
    with other_web_server(body, status) as url, pytest.raises(OpenEnvError, match=said):
        make(OPEN_ENV, url=url)


def test_a_protected_server_is_shown_the_token_of_an_environment_variable(monkeypatch, caplog):
    monkeypatch.setenv("ROOM_TOKEN", "secret")
    with caplog.at_level(logging.DEBUG), protected_server("secret") as url:
        env = make(OPEN_ENV, url=url, token_variable="ROOM_TOKEN")
        assert env.reset(seed=1)[0]
        env.close()
    sent = [record for record in caplog.records if "secret" in record.getMessage()]
    assert {record.name for record in sent} <= {"websockets.server"}  # of the test's own server
    assert "secret" not in repr(ServerAddress.parse(url, token="secret"))


@pytest.mark.parametrize("scope", ["http", "websocket"])
def test_a_server_that_refuses_a_client_names_the_cure(scope, monkeypatch):
    monkeypatch.setenv("ROOM_TOKEN", "wrong")
    with protected_server("secret", scopes=(scope,)) as url:
        with pytest.raises(OpenEnvError, match=r"refuses a client without a token .*variable"):
            make(OPEN_ENV, url=url)
        with pytest.raises(OpenEnvError, match=r"refuses the token that token_variable names"):
            make(OPEN_ENV, url=url, token_variable="ROOM_TOKEN")


@pytest.mark.parametrize("content", [None, "", " ", "two\nlines", "schlüssel"])
def test_a_variable_without_a_token_is_told(content, monkeypatch):
    if content is None:
        monkeypatch.delenv("ROOM_TOKEN", raising=False)
    else:
        monkeypatch.setenv("ROOM_TOKEN", content)
    with pytest.raises(ValueError, match=r"'ROOM_TOKEN' is not set here, or does not hold one"):
        make(OPEN_ENV, url="http://127.0.0.1:9", token_variable="ROOM_TOKEN")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout_s": 0}, "timeout_s must be a number above 0"),
        ({"reconnect_s": -1}, "reconnect_s must be a number from 0"),
        ({"won_reward": "1"}, "won_reward must be a number"),
        ({"action": "code"}, r"a field of the server's actions \('message'\); got 'code'"),
        ({"observation": "stdout"}, r"the server's observations \('reply'\); got 'stdout'"),
        ({"info": {"win": "x"}}, "info must map keys of the contract"),
        ({"info": {"won": 3}}, "info must map keys of the contract"),
        ({"package": "echo_env"}, "Pass either url .* or package"),
        ({"python": "python3"}, "Pass either url .* or package"),
        ({"url": None, "package": "json", "token_variable": "T"}, "Pass either url .* or package"),
        ({"token_variable": 3}, "token_variable must name an environment variable"),
    ],
)
def test_a_wrong_option_is_told_when_the_environment_is_made(options, message):
    with foreign_server(echo) as server, pytest.raises(ValueError, match=message):
        make(OPEN_ENV, **{"url": server.url, **options})


def test_fields_of_a_foreign_server_are_found_and_mapped():
    with foreign_server(echo) as server:
        env = make(OPEN_ENV, url=server.url, info={"won": "metadata.solved"}, won_reward=None)
        assert env.reset(seed=2) == ("begin", {})
        assert env.step("hi")[:4] == ("done", 1.0, True, False)
        assert env.reset(seed=2)[0] == "begin"
        assert env.step("hi")[4] == {"won": True}
        assert [data for kind, data in server.heard if kind != "state"] == [
            {"seed": 2},
            {"message": "hi"},
        ] * 2
        env.close()


def test_a_reward_can_tell_what_is_won():
    with foreign_server(echo) as server:
        for least, is_won in ((1.0, True), (1.5, False)):
            env = make(OPEN_ENV, url=server.url, won_reward=least)
            assert env.reset(seed=0)[1] == {"won": False}
            assert env.step("x")[4]["won"] is is_won
            env.close()


def test_keys_of_a_foreign_server_count_only_if_their_type_is_right():
    strange = {"reply": "x", "task": {"a": 1}, "tags": [1], "score": 2, "anchor": [1]}
    with foreign_server(lambda kind, data: observed(strange)) as server:
        env = make(OPEN_ENV, url=server.url)
        assert env.reset(seed=0)[1] == {"score": 2}
        env.close()
        env = make(OPEN_ENV, url=server.url, info={"anchor": "anchor"})
        assert env.reset(seed=0)[1] == {"score": 2, "anchor": "[1]"}
        env.close()


@pytest.mark.parametrize(
    ("seen", "option", "text"),
    [
        ({"reply": "a", "n": 1}, None, "a"),
        ({"reply": "a", "n": 1}, "json", '{"reply": "a", "n": 1}'),
        ({"reply": "a", "n": 1}, "n", "1"),
        ({"n": 1}, None, '{"n": 1}'),
        ({}, None, "Begin."),
        ({"metadata": {"a": {"b": "deep"}}}, "metadata.a.b", "deep"),
    ],
)
def test_the_text_is_a_field_or_all_fields(seen, option, text):
    fields = {"reply": TEXT, "n": COUNT}
    with foreign_server(lambda kind, data: observed(seen), observation=fields) as server:
        env = make(OPEN_ENV, url=server.url, observation=option)
        assert env.reset(seed=0)[0] == text
        env.close()


def test_reset_sends_what_the_user_adds():
    with foreign_server(echo) as server:
        env = make(OPEN_ENV, url=server.url, reset_kwargs={"level": 3})
        env.reset(seed=7)
        env.close()
        assert ("reset", {"level": 3, "seed": 7}) in server.heard


def test_a_number_is_read_from_the_text():
    with foreign_server(echo, action={"move": COUNT}, required=["move"]) as server:
        env = make(OPEN_ENV, url=server.url)
        env.reset(seed=0)
        assert env.step("left") == ("An action is one integer.", 0.0, False, False, REFUSED)
        assert sent_after(server, env, " 4 ") == [{"move": 4}]


REFUSED = {"won": False, "anchor": "begin"}


NOT_JSON = ["", "go", "[1]", "3", '{"a": NaN}', '{"a": 1e999}', "[" * 100_000, "\ud800"]


@pytest.mark.parametrize("text", NOT_JSON)
def test_text_that_is_not_a_json_object_is_answered_and_never_sent(text):
    fields = {"x": COUNT, "y": COUNT}
    with foreign_server(echo, action=fields, required=["x", "y"]) as server:
        env = make(OPEN_ENV, url=server.url)
        env.reset(seed=0)
        answer = env.step(text)
        assert answer == ("An action is a JSON object, such as {}.", 0.0, False, False, REFUSED)
        assert sent_after(server, env, '{"x": 1, "y": 2}') == [{"x": 1, "y": 2}]


def test_an_action_that_is_nested_too_deeply_is_answered_and_never_sent():
    fields = {"x": COUNT, "y": COUNT}
    with foreign_server(echo, action=fields, required=["x", "y"]) as server:
        env = make(OPEN_ENV, url=server.url)
        env.reset(seed=0)
        said, *rest = env.step('{"x": ' + "[" * 300 + "]" * 300 + "}")
        assert said == "An action has at most 32 levels of lists and objects within each other."
        assert rest == [0.0, False, False, REFUSED]
        assert sent_after(server, env, '{"x": [[[1]]]}') == [{"x": [[[1]]]}]


def test_lone_surrogates_in_json_are_replaced():
    fields = {"x": TEXT, "y": TEXT}
    with foreign_server(echo, action=fields, required=["x", "y"]) as server:
        env = make(OPEN_ENV, url=server.url)
        sent = sent_after(server, env, r'{"x": ["a\ud800"], "\udc00": {"y": "\ud83d\ude00"}}')
        assert sent == [{"x": ["a?"], "?": {"y": "\U0001f600"}}]


def test_a_refused_action_repeats_neither_pay_nor_results_of_tools():
    paid = {"role_rewards": {"a": 1.0}, "tool_results": [{"name": "n", "content": "c"}]}

    def react(kind, data):
        if data.get("message") == "bad":
            return error("VALIDATION_ERROR", "no")
        return observed({"reply": "x"}, metadata={"task": "t", **paid})

    with foreign_server(react) as server:
        env = make(OPEN_ENV, url=server.url, info={"role_rewards": "metadata.role_rewards"})
        env.reset(seed=0)
        assert env.step("good")[4] == {"task": "t", **paid}
        assert env.step("bad")[4] == {"task": "t", "anchor": "x"}
        env.close()


def test_the_role_of_a_message_is_not_the_role_of_an_agent():
    def react(kind, data):
        return observed({"reply": "x", "role": "user"}, metadata={"role_rewards": {"user": 1}})

    with foreign_server(react) as server:
        for mapped, expected in ((None, {}), ({"role": "role"}, {"role": "user"})):
            env = make(OPEN_ENV, url=server.url, info=mapped)
            assert env.reset(seed=0)[1] == expected
            env.close()


MAYBE = {"anyOf": [TEXT, {"type": "null"}]}


def test_fields_that_may_be_null_are_found():
    def react(kind, data):
        return observed({"reply": "seen", "hint": None})

    for field in (MAYBE, {"type": ["string", "null"]}):
        options = {"action": {"say": field, "metadata": {}}, "required": []}
        with foreign_server(react, observation={"reply": TEXT, "hint": field}, **options) as server:
            env = make(OPEN_ENV, url=server.url)
            assert env.reset(seed=0)[0] == "seen"
            assert sent_after(server, env, "hello") == [{"say": "hello"}]


def test_a_number_that_may_be_null_is_read():
    field = {"anyOf": [COUNT, {"type": "null"}]}
    with foreign_server(echo, action={"move": field}, required=["move"]) as server:
        assert sent_after(server, make(OPEN_ENV, url=server.url), "4") == [{"move": 4}]


def test_an_action_that_the_server_refuses_is_answered():
    def react(kind, data):
        return error("VALIDATION_ERROR", "too big") if kind == "step" else observed({"reply": "a"})

    with foreign_server(react) as server:
        env = make(OPEN_ENV, url=server.url)
        env.reset(seed=0)
        text, *rest = env.step("x")
        assert text == "That is not a valid action. too big."
        assert rest == [0.0, False, False, {"anchor": "a"}]
        env.close()


def test_text_that_is_too_long_for_our_server_is_answered():
    with serving(max_action_chars=20) as server:
        env = make(OPEN_ENV, url=server.url)
        env.reset(seed=0)
        text, *_ = env.step("x" * 21)
        assert "the text has 21 characters; at most 20 are read." in text
        env.close()


def test_tools_are_listed_and_called_with_json():
    tool = {
        "name": "look_up",
        "description": "Find\n a word.",
        "input_schema": {"properties": {"word": TEXT}},
    }

    def react(kind, data):
        if data.get("type") == "list_tools":
            return observed({"tools": [tool]})
        return observed({} if kind == "reset" else {"tool_name": "look_up", "result": 3})

    with foreign_server(react, action=TOOLS, required=["tool_name"], observation=ANSWER) as server:
        env = make(OPEN_ENV, url=server.url)
        text, info = env.reset(seed=0)
        assert text == "Begin."
        assert info["task"].endswith('Tools:\n- look_up {"word": "string"}: Find a word.')
        assert (
            env.step('{"tool_name": "look_up", "arguments": {"word": "a"}}')[0]
            == '{"tool_name": "look_up", "result": 3}'
        )
        env.close()
        call = {"type": "call_tool", "tool_name": "look_up", "arguments": {"word": "a"}}
        assert ("step", call) in server.heard


def test_a_listing_of_tools_that_fails_ends_its_session():
    def react(kind, data):
        return error("EXECUTION_ERROR", "no list")

    with foreign_server(react, action=TOOLS, required=["tool_name"], observation=ANSWER) as server:
        with pytest.raises(OpenEnvError, match="no list"):
            make(OPEN_ENV, url=server.url)
        assert server.heard[-1][0] == "close"


def test_a_tool_with_a_strange_schema_is_listed():
    tools = [
        {"name": "a", "input_schema": {"properties": {"x": MAYBE, "y": 3}}},
        {"name": "b", "input_schema": {"properties": None}},
    ]

    def react(kind, data):
        return observed({"tools": tools} if kind == "step" else {})

    with foreign_server(react, action=TOOLS, required=["tool_name"], observation=ANSWER) as server:
        env = make(OPEN_ENV, url=server.url)
        task = env.reset(seed=0)[1]["task"]
        assert task.endswith('- a {"x": "string", "y": "any"}: \n- b {}: ')
        env.close()


def test_only_environments_of_text_are_served():
    with pytest.raises(ValueError, match=r"The actions of CartPole-v1 are Discrete.*not text"):
        ServedEnv.try_out("CartPole-v1", {})
    with pytest.raises(ValueError, match=r"The observations of .*Sokoban-v0 are .*not text"):
        ServedEnv.try_out("rllib_gigpo.envs:Sokoban-v0", {"observation": "image"})
