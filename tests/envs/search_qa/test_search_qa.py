"""Search QA: the rules of an episode, retriever failures during play, and the contract."""

import json
import pickle
import threading

import gymnasium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.games import fake_retriever as fake

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.search_qa.questions import FIRST_TEST_SEED
from rllib_gigpo.envs.search_qa.retrieval import BM25Retriever, RetrieverError, RetrieverServer
from rllib_gigpo.envs.search_qa.search_qa_env import SearchQAEnv
from rllib_gigpo.envs.search_qa.synthetic_world import KnowledgeSpec, knowledge_base

ID = "rllib_gigpo.envs:SearchQA-v0"
PASSAGES = [
    {"id": "p1", "contents": '"Lena Moor"\nLena Moor was born in Velden.'},
    {"id": "p2", "contents": '"Velden"\nVelden lies on the river Mora.'},
    {"id": "p3", "contents": '"Lena Karr"\nLena Karr was born in Aran.'},
]
QUESTION = "On which river was Lena Moor born?"
SMALL = {"num_people": 40}


def write(path, records):
    path.write_text("\n".join(map(json.dumps, records)))
    return str(path)


@pytest.fixture
def files(tmp_path):
    """Return options for a corpus of three passages and one question, for training and testing."""
    record = {"id": "1", "question": QUESTION, "golden_answers": ["the Mora", "Mora river"]}
    facts = {"supporting_facts": {"title": ["Lena Moor", "Velden"]}}
    test = {**record, "question": "Where was Lena Karr born?", "golden_answers": ["Aran"]}
    return {
        "questions": write(tmp_path / "rivers.jsonl", [{**record, "metadata": facts}]),
        "test_questions": write(tmp_path / "births.jsonl", [test]),
        "corpus": write(tmp_path / "corpus.jsonl", PASSAGES),
    }


@pytest.fixture
def serve():
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda respond: stack.enter_context(fake.serving(fake.FakeService(respond)))


def doc(number):
    return PASSAGES[number - 1]["contents"]


def test_a_question_is_answered_by_two_searches(files):
    env = SearchQAEnv(**files, top_k=2)
    text, info = env.reset(seed=0)
    assert text == f"Question: {QUESTION}"
    assert info == {
        "task": QUESTION,
        "won": False,
        "anchor": json.dumps([QUESTION]),
        "score": 0.0,
        "tags": ["rivers", "2-hop"],
        "expert_action": "<search>Lena Moor</search>",
    }
    text, reward, terminated, truncated, info = env.step("<search>Lena Moor</search>")
    # "Velden" and "born" are not in the query: only the Lenas match, the right one with two words.
    assert text == f"<information>\nDoc 1: {doc(1)}\nDoc 2: {doc(3)}\n</information>"
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info["anchor"] == json.dumps([QUESTION, "p1", "p3"])
    assert info["expert_action"] == "<search>Velden</search>"
    text, *_, info = env.step("<search>Velden</search>")
    assert text.startswith(f"<information>\nDoc 1: {doc(2)}")
    assert info["expert_action"] == "<answer>the Mora</answer>"
    text, reward, terminated, truncated, info = env.step("<answer>Mora</answer>")
    assert text == "The answer is right."
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert (info["won"], info["score"]) == (True, 1.0)
    assert "expert_action" not in info


def test_the_anchor_is_the_set_of_documents_whatever_the_order(files):
    def anchors(*queries):
        env = SearchQAEnv(**files, top_k=1, max_turns=9)
        env.reset(seed=0)
        return [env.step(f"<search>{query}</search>")[-1]["anchor"] for query in queries]

    forth, back = anchors("Lena Moor", "river Mora"), anchors("river Mora", "Lena Moor")
    assert forth[0] != back[0]
    assert forth[1] == back[1] == json.dumps([QUESTION, "p1", "p2"])
    # Finding nothing new, finding nothing, and an invalid action leave the state unchanged.
    assert anchors("Lena Moor", "Lena Moor", "zzz", "</search>")[1:] == [forth[0]] * 3


def test_the_anchor_of_the_paper_is_the_text_found_last(files):
    env = SearchQAEnv(**files, anchor="information", top_k=1)
    assert env.reset(seed=0)[1]["anchor"] == QUESTION
    text, *_, info = env.step("<search>Velden</search>")
    assert info["anchor"] == text
    assert env.step("oops")[-1]["anchor"] == text


def test_exact_match_and_f1_are_both_told_and_one_is_the_reward(files):
    for reward, expected in (("exact_match", 0.0), ("f1", 2 / 3)):
        env = SearchQAEnv(**files, reward=reward)
        env.reset(seed=0)
        # "deep mora" and the golden "mora" have one word in common: 2 * 1 / (2 + 1).
        text, value, *_, info = env.step("answer: the deep Mora")
        assert text == "The answer is wrong."
        assert value == pytest.approx(expected)
        assert (info["won"], info["score"]) == (False, pytest.approx(2 / 3))


def test_the_last_turn_is_announced_and_searches_nothing(files):
    env = SearchQAEnv(**files, max_turns=2)
    env.reset(seed=0)
    text, *_, info = env.step("<search>Lena Moor</search>")
    assert text.endswith("</information>\nThis is the last turn: answer now.")
    assert info["expert_action"] == "<answer>the Mora</answer>"
    text, reward, terminated, truncated, info = env.step("<search>Velden</search>")
    assert text == "The search was not run: no turns were left."
    assert (reward, terminated, truncated, info["won"]) == (0.0, False, True, False)
    assert info["anchor"] == json.dumps([QUESTION, "p1", "p3"])
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        env.step("<answer>Mora</answer>")


def test_an_answer_at_the_last_turn_terminates(files):
    env = SearchQAEnv(**files, max_turns=1)
    env.reset(seed=0)
    assert env.step("<answer>Mora River</answer>")[1:4] == (1.0, True, False)


@pytest.mark.parametrize(
    "action",
    [
        "<search>a</search><answer>Mora</answer>",
        "<answer>Mora</answer><answer>Mora</answer>",
        "Mora",
        "",
    ],
)
def test_what_is_no_single_action_costs_a_turn_and_is_answered_in_words(files, action):
    env = SearchQAEnv(**files, max_turns=2)
    _, before = env.reset(seed=0)
    text, reward, terminated, truncated, info = env.step(action)
    assert "Write <search>" in text
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info["anchor"] == before["anchor"]
    assert env.step(action)[2:4] == (False, True)


def test_a_search_for_unknown_words_says_so(files):
    env = SearchQAEnv(**files)
    env.reset(seed=0)
    assert env.step("search: zzz")[0] == "<information>\nNo passage matches.\n</information>"


def test_a_title_that_is_not_found_is_searched_for_once(files, tmp_path):
    files["corpus"] = write(tmp_path / "other.jsonl", [{"id": "1", "contents": "Boats."}])
    env = SearchQAEnv(**files)
    _, info = env.reset(seed=0)
    actions = []
    while "expert_action" in info:
        actions.append(info["expert_action"])
        *_, info = env.step(actions[-1])
    assert actions == [
        "<search>Lena Moor</search>",
        "<search>Velden</search>",
        "<answer>the Mora</answer>",
    ]


def test_questions_without_supporting_facts_have_no_expert(files):
    env = SearchQAEnv(**files)
    _, info = env.reset(seed=FIRST_TEST_SEED)
    assert info["task"] == "Where was Lena Karr born?"
    assert info["tags"] == ["births"]
    assert "expert_action" not in info


def test_long_passages_are_cut(files, tmp_path):
    files["corpus"] = write(tmp_path / "long.jsonl", [{"id": "1", "contents": "boats " * 5000}])
    env = SearchQAEnv(**files)
    env.reset(seed=0)
    assert len(env.step("search: boats")[0]) < 2100


# The made-up world.


@pytest.mark.parametrize("num_hops", [1, 2, 3])
@pytest.mark.parametrize("list_actions", [False, True])
def test_the_expert_answers_every_question_of_the_made_up_world(num_hops, list_actions):
    env = SearchQAEnv(
        synthetic={"num_people": 40, "num_hops": num_hops},
        list_actions=list_actions,
        action_format="plain",
    )
    for seed in (*range(60), *range(FIRST_TEST_SEED, FIRST_TEST_SEED + 20)):
        _, info = env.reset(seed=seed)
        for _ in range(num_hops + 1):
            assert not list_actions or info["expert_action"] in info["admissible_actions"]
            _, reward, terminated, _, info = env.step(info["expert_action"])
        assert (reward, terminated, info["won"]) == (1.0, True, True)


def test_without_searches_the_answer_is_not_in_sight():
    env = SearchQAEnv(synthetic=SMALL, list_actions=True, action_format="plain")
    for seed in range(50):
        text, info = env.reset(seed=seed)
        (only,) = info["admissible_actions"]
        assert only.removeprefix("search: ") in text


def test_listed_actions_name_what_is_in_sight():
    env = SearchQAEnv(synthetic=SMALL, list_actions=True, top_k=1)
    _, info = env.reset(seed=3)
    person = info["expert_action"].removeprefix("<search>").removesuffix("</search>")
    *_, info = env.step(info["expert_action"])
    _, town, company = knowledge_base(KnowledgeSpec.create(SMALL)).mentions[person]
    assert info["admissible_actions"] == [
        *sorted(f"<search>{name}</search>" for name in (town, company)),
        *sorted(f"<answer>{name}</answer>" for name in (town, company)),
    ]


def test_training_and_test_seeds_are_different_questions():
    env = SearchQAEnv(synthetic=SMALL)
    train, test = (
        {env.reset(seed=start + n)[1]["task"] for n in range(200)} for start in (0, FIRST_TEST_SEED)
    )
    assert train.isdisjoint(test)
    questions = env._source.questions
    assert (len(train), len(test)) == (len(questions.train), len(questions.test))


def test_environments_of_one_process_share_one_index(files):
    assert SearchQAEnv()._source.retriever is SearchQAEnv()._source.retriever
    assert SearchQAEnv(**files)._source.retriever is SearchQAEnv(**files)._source.retriever


# Services.


def test_a_service_gives_the_same_episodes_as_a_search_in_process():
    def play(**options):
        env = SearchQAEnv(synthetic=SMALL, **options)
        _, info = env.reset(seed=5)
        actions = (info["expert_action"], "search: born", "search: company boats")
        return [env.step(action) for action in actions]

    passages = knowledge_base(KnowledgeSpec.create(SMALL)).passages
    with fake.serving(RetrieverServer(("127.0.0.1", 0), BM25Retriever(passages))) as server:
        for shape in ("queries", "query"):
            assert play(retriever={"url": server.url, "request_shape": shape}) == play()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (fake.answer(500, b""), "the service returned status 500"),
        (fake.answer(404, b""), "the service returned status 404"),
        (fake.answer(200, b"<html>"), "the service's answer was invalid"),
        (fake.answer_json({"result": "none"}), "the service's answer was invalid"),
        (fake.hang_up, "the service could not be reached"),
        (fake.sleep, "the service did not answer in time"),
        (fake.trickle, "the service did not answer in time"),
    ],
)
def test_in_play_a_fault_of_the_service_is_told_to_the_agent(files, serve, fault, reason):
    del files["corpus"]
    good = fake.answer_json(fake.GOOD)
    service = serve(fake.in_turn(good, good, fault))  # the first good answer is for the check
    limits = {"request_timeout_s": 2.0, "search_timeout_s": 2.0, "max_attempts": 2}
    env = SearchQAEnv(**files, retriever={"url": service.url, **limits})
    env.reset(seed=0)
    assert "A town." in env.step("search: Velden")[0]
    text, reward, terminated, truncated, info = env.step("search: Moor")
    assert text == f"The search failed: {reason}. Search again, or answer."
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info["anchor"] == json.dumps([QUESTION, "7"])
    assert info["expert_action"] == "<search>Lena Moor</search>"


def test_at_the_start_a_service_that_is_down_is_an_error(files):
    del files["corpus"]
    url = f"http://127.0.0.1:{fake.free_port()}/retrieve"
    with pytest.raises(RetrieverError, match="rllib serve-retriever"):
        SearchQAEnv(**files, retriever={"url": url})


# The contract.


@pytest.mark.parametrize(
    "options",
    [
        {"synthetic": SMALL},
        {"synthetic": SMALL, "list_actions": True, "action_format": "plain", "top_k": 2},
        {"anchor": "information", "reward": "f1", "max_turns": 2},
    ],
)
def test_it_keeps_the_contract(options):
    report = check_env(ID, env_config=options)
    report.raise_if_broken()
    assert report.expert_wins == 1.0
    assert report.recurring_anchors > 0.5


def test_it_keeps_the_contract_on_given_files(files):
    check_env(ID, env_config=files).raise_if_broken()


def test_a_copy_goes_to_another_process_with_its_options():
    env = pickle.loads(pickle.dumps(SearchQAEnv(synthetic=SMALL, top_k=1, render_mode="ansi")))
    text, info = env.reset(seed=1)
    assert env.render() == text
    assert env.step(info["expert_action"])[0].count("Doc ") == 1


def test_threads_play_what_one_thread_plays():
    def play(seed):
        env = SearchQAEnv(synthetic=SMALL)
        _, info = env.reset(seed=seed)
        return [env.step(action)[0] for action in ("search: born in", info["expert_action"])]

    expected = [play(seed) for seed in range(24)]
    played = {}
    threads = [
        threading.Thread(target=lambda seed=seed: played.update({seed: play(seed)}))
        for seed in range(24)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [played[seed] for seed in range(24)] == expected


PIECES = st.sampled_from(["<search>", "</search>", "<answer>", "</answer>", "search:", "Lena"])


@settings(deadline=None, derandomize=True, database=None, max_examples=60)
@given(st.lists(st.lists(st.text() | PIECES).map("".join), min_size=1, max_size=4))
def test_no_text_raises(actions):
    env = SearchQAEnv(synthetic=SMALL, list_actions=True)
    env.reset(seed=0)
    for action in actions:
        text, reward, terminated, truncated, info = env.step(action)
        assert text
        assert 0.0 <= reward <= 1.0
        assert info["anchor"]
        if terminated or truncated:
            return


@pytest.mark.parametrize("kind", ["search", "answer"])
@pytest.mark.parametrize(
    "text", ["x" * 10_000, "x " * 5_000, "\x00\x07\x1b[0m", "\ud800", "水 π √"]
)
def test_odd_searches_and_answers_are_answered(kind, text):
    env = SearchQAEnv(synthetic=SMALL)
    env.reset(seed=0)
    answer, reward, terminated, *_ = env.step(f"<{kind}>{text}</{kind}>")
    answer.encode()
    assert (reward, terminated) == (0.0, kind == "answer")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reward": "bleu"}, "reward must be one of 'exact_match', 'f1'"),
        ({"anchor": "text"}, "anchor must be one of"),
        ({"action_format": "json"}, "action_format must be one of"),
        ({"render_mode": "human"}, "render_mode must be one of"),
        ({"top_k": 0}, "top_k must be a whole number from 1 to 100"),
        ({"max_turns": 2.0}, "max_turns must be a whole number"),
        ({"corpus": "c.jsonl"}, "need questions"),
        ({"test_questions": "q.jsonl"}, "need questions"),
        ({"questions": "q.jsonl"}, "something to search in"),
        ({"questions": "q.jsonl", "synthetic": {}}, "exclude each other"),
        ({"corpus": "c.jsonl", "retriever": {"url": "http://x"}}, "exclude each other"),
        ({"questions": "missing.jsonl", "corpus": "c.jsonl"}, "cannot be read"),
        ({"retriever": {"address": "http://x"}}, "with url"),
        ({"synthetic": {"num_hops": 9}}, "num_hops=9"),
    ],
)
def test_options_that_cannot_work_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SearchQAEnv(**options)


def test_actions_of_given_questions_cannot_be_listed(files):
    with pytest.raises(ValueError, match="list_actions=True needs the made-up world"):
        SearchQAEnv(**files, list_actions=True)


def test_a_missing_package_is_named_with_its_extra(files, monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "bm25s", None)
    files["corpus"] = write(tmp_path / "new.jsonl", PASSAGES)
    with pytest.raises(ImportError, match=r'pip install "rllib-gigpo\[search\]"'):
        SearchQAEnv(**files)
