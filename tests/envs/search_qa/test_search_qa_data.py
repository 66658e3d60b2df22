"""Search QA on real questions: NQ, and HotpotQA and MuSiQue as HippoRAG ships them."""

from collections import Counter
from pathlib import Path

import pytest

from rllib_gigpo.envs import check_env
from rllib_gigpo.envs.search_qa.questions import FIRST_TEST_SEED, read_questions
from rllib_gigpo.envs.search_qa.retrieval import read_corpus, shared_bm25
from rllib_gigpo.envs.search_qa.search_qa_env import SearchQAEnv

DATA = Path(__file__).parents[4] / "shared" / "data" / "qa"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the questions are not in {DATA}")


def options(name):
    return {
        "questions": str(DATA / f"hipporag_{name}_train.json"),
        "corpus": str(DATA / f"hipporag_{name}_train_corpus.json"),
    }


def test_the_questions_are_all_read():
    nq = read_questions(DATA / "nq_open_dev.jsonl")
    assert len(nq) == 3610
    assert nq[1].text == "who wrote he ain't heavy he's my brother lyrics"
    assert nq[1].answers == ("Bobby Scott", "Bob Russell")
    assert {question.hops for question in nq} == {()}


def test_supporting_facts_become_hops():
    hotpotqa = read_questions(DATA / "hipporag_hotpotqa_train.json")
    assert Counter(len(question.hops) for question in hotpotqa) == {2: 100}
    assert hotpotqa[3].hops == ("Leland, North Carolina", "Maximum Overdrive")
    musique = read_questions(DATA / "hipporag_musique_train.json")
    # The ids hold the numbers, such as 2hop__... and 3hop1__...
    assert Counter(len(question.hops) for question in musique) == {2: 68, 3: 27, 4: 5}
    assert all(question.id[0] == str(len(question.hops)) for question in musique)
    assert musique[0].answers == ("G. Stanley Hall", "Stanley Hall")


@pytest.mark.parametrize(("name", "size"), [("hotpotqa", 994), ("musique", 1890)])
def test_the_corpora_hold_every_supporting_passage(name, size):
    corpus = read_corpus(options(name)["corpus"])
    assert len(corpus) == size
    titles = {passage.title for passage in corpus}
    questions = read_questions(Path(options(name)["questions"]))
    missing = {title for question in questions for title in question.hops} - titles
    assert missing == set()


@pytest.mark.parametrize(("name", "low", "high"), [("hotpotqa", 0.5, 0.8), ("musique", 0.2, 0.6)])
def test_one_search_is_often_not_enough(name, low, high):
    """Return whether the answer is in the five passages that the question itself finds."""
    retriever = shared_bm25(options(name)["corpus"])
    questions = read_questions(Path(options(name)["questions"]))
    found = retriever.search([question.text for question in questions], top_k=5)
    answered = [
        any(a.lower() in hit.passage.contents.lower() for hit in hits for a in question.answers)
        for question, hits in zip(questions, found, strict=True)
    ]
    assert low < sum(answered) / len(answered) < high


@pytest.mark.parametrize("name", ["hotpotqa", "musique"])
def test_the_expert_finds_the_supporting_passages_and_answers(name):
    env = SearchQAEnv(**options(name), max_turns=5)
    num_found = num_hops = 0
    for seed in (*range(80), *range(FIRST_TEST_SEED, FIRST_TEST_SEED + 20)):
        _, info = env.reset(seed=seed)
        while "expert_action" in info:
            _, reward, terminated, _, info = env.step(info["expert_action"])
        assert (reward, terminated, info["won"], info["score"]) == (1.0, True, True, 1.0)
        hops = env._episode.question.hops
        num_hops += len(hops)
        num_found += sum(title in env._episode.found.values() for title in hops)
    assert num_found / num_hops > 0.95


@pytest.mark.parametrize("name", ["hotpotqa", "musique"])
def test_it_keeps_the_contract_on_real_data(name):
    report = check_env("rllib_gigpo.envs:SearchQA-v0", env_config=options(name))
    report.raise_if_broken()
    assert report.expert_wins == 1.0
