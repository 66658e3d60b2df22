import json
import os
import subprocess
import sys

import pytest

from rllib_gigpo.envs.search_qa.questions import (
    FIRST_TEST_SEED,
    Question,
    given_questions,
    read_questions,
)
from rllib_gigpo.envs.search_qa.synthetic_world import KnowledgeSpec, knowledge_base


def write(path, records):
    as_list = path.suffix == ".json"
    path.write_text(json.dumps(records) if as_list else "\n".join(map(json.dumps, records)))
    return path


def numbered(number, prefix="q"):
    return [{"id": n, "question": f"{prefix}{n}?", "golden_answers": ["a"]} for n in range(number)]


def test_a_byte_order_mark_at_the_start_is_no_part_of_a_question(tmp_path):
    [record] = numbered(1)
    (tmp_path / "q.jsonl").write_text(json.dumps(record), encoding="utf-8-sig")
    assert read_questions(tmp_path / "q.jsonl") == (Question("0", "q0?", ("a",), "q"),)


def test_flashrags_form(tmp_path):
    facts = {"title": ["Orcal", "Lena Moor", "Orcal"], "sent_id": [0, 1, 2]}
    records = [
        {"id": "dev_0", "question": " Who? ", "golden_answers": ["Ann", "Ann", " ", "Anna"]},
        {
            "id": "dev_1",
            "question": "What does the employer of Lena Moor make?",
            "golden_answers": ["boats"],
            "metadata": {"type": "bridge", "supporting_facts": facts},
        },
    ]
    assert read_questions(write(tmp_path / "hotpotqa.jsonl", records)) == (
        Question("dev_0", "Who?", ("Ann", "Anna"), "hotpotqa"),
        # The passage that the question names comes first.
        Question("dev_1", records[1]["question"], ("boats",), "hotpotqa", ("Lena Moor", "Orcal")),
    )


def test_hipporags_forms(tmp_path):
    paragraphs = [{"title": title, "paragraph_text": "x"} for title in ("A", "B", "C")]
    steps = [{"paragraph_support_idx": 2}, {"paragraph_support_idx": 0}]
    records = [
        {
            "_id": "h",
            "question": "Is A?",
            "answer": "yes",
            "supporting_facts": [["B", 3], ["A", 0], ["B", 1]],
        },
        {
            "id": "2hop__1_2",
            "question": "Who?",
            "answer": "Ann",
            "answer_aliases": ["Anna"],
            "paragraphs": paragraphs,
            "question_decomposition": steps,
        },
    ]
    assert read_questions(write(tmp_path / "x.json", records)) == (
        Question("h", "Is A?", ("yes",), "x", ("A", "B")),
        Question("2hop__1_2", "Who?", ("Ann", "Anna"), "x", ("C", "A")),
    )


def test_lists_of_answers_without_ids(tmp_path):
    file = write(tmp_path / "nq.jsonl", [{"question": "Who?", "answer": ["Ann", "Bob"]}])
    (question,) = read_questions(file)
    assert question.answers == ("Ann", "Bob")
    assert question.id


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"golden_answers": ["a"]}, "line 1 has no question"),
        ([], "line 1 has no question"),
        ({"question": " ", "golden_answers": ["a"]}, "empty question"),
        ({"question": "q"}, "no answer"),
        ({"question": "q", "golden_answers": []}, "no answer"),
        ({"question": "q", "answer": 3}, "no answer"),
        ({"question": "q", "answer": "a", "supporting_facts": [1]}, "supporting facts"),
        (
            {"question": "q", "answer": "a", "question_decomposition": [{}], "paragraphs": []},
            "supporting facts",
        ),
    ],
)
def test_bad_records_are_refused_with_the_place_and_the_forms(tmp_path, record, message):
    file = write(tmp_path / "bad.jsonl", [record])
    with pytest.raises(ValueError, match=message) as error:
        read_questions(file)
    assert "FlashRAG" in str(error.value)


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Check the path"):
        given_questions(tmp_path / "missing.jsonl")
    with pytest.raises(ValueError, match="contains no questions"):
        given_questions(write(tmp_path / "empty.jsonl", []))
    with pytest.raises(ValueError, match="4 questions are too few"):
        given_questions(write(tmp_path / "few.jsonl", numbered(4)))


def test_every_fifth_question_is_held_out_for_the_test_seeds(tmp_path):
    split = given_questions(write(tmp_path / "q.jsonl", numbered(11)))
    assert [question.id for question in split.test] == ["4", "9"]
    assert len(split.train) == 9
    assert split.pick(0) == split.pick(9) == split.train[0]
    assert split.pick(FIRST_TEST_SEED + 3) == split.test[1]


def test_a_second_file_holds_the_test_questions(tmp_path):
    train = write(tmp_path / "train.jsonl", numbered(2))
    test = write(tmp_path / "test.jsonl", numbered(3, prefix="t"))
    split = given_questions(train, test)
    assert (len(split.train), len(split.test)) == (2, 3)
    write(test, numbered(1))
    with pytest.raises(ValueError, match="1 questions in common, such as 'q0"):
        given_questions(train, test)


def test_files_are_read_once_until_they_change(tmp_path):
    file = write(tmp_path / "q.jsonl", numbered(5))
    split = given_questions(file)
    assert given_questions(str(file)) is split
    write(file, numbered(6))
    assert len(given_questions(file).train) == 5


# The made-up world.


@pytest.mark.parametrize("num_hops", [1, 2, 3])
def test_the_passages_on_the_way_lead_to_the_answer_and_no_shorter_way_does(num_hops):
    base = knowledge_base(KnowledgeSpec(num_people=50, num_hops=num_hops))
    by_title = {passage.title: passage for passage in base.passages}
    for question in (*base.questions.train, *base.questions.test):
        assert len(question.hops) == num_hops
        way = [question.text, *(by_title[title].text for title in question.hops)]
        # Each text names the next entity, and only the last names the answer.
        names = [*question.hops, *question.answers]
        assert all(name in text for name, text in zip(names, way, strict=True))
        assert not any(question.answers[0] in text for text in way[:-1])


def test_one_search_finds_the_next_passage_but_hardly_ever_the_one_after_it():
    base = knowledge_base(KnowledgeSpec())
    one_search_suffices = []
    for question in base.questions.test:
        for title in question.hops:
            (hits,) = base.retriever.search([title], top_k=1)
            assert hits[0].passage.title == title
        (hits,) = base.retriever.search([question.text], top_k=3)
        found = {hit.passage.title for hit in hits}
        assert question.hops[0] in found
        one_search_suffices.append(found >= set(question.hops))
    assert sum(one_search_suffices) < 0.1 * len(one_search_suffices)


def test_a_world_has_no_two_entities_or_stems_of_one_name():
    import Stemmer

    base = knowledge_base(KnowledgeSpec(num_people=500))
    names = {name for named in base.mentions.values() for name in named}
    words = {word for name in names for word in name.lower().split()}
    stems = Stemmer.Stemmer("porter").stemWords(sorted(words))
    assert len(set(stems)) == len(words)
    assert len({passage.title for passage in base.passages}) == len(base.passages) == 700
    assert len({passage.id for passage in base.passages}) == 700


def test_questions_are_all_different_and_test_questions_are_held_out():
    questions = knowledge_base(KnowledgeSpec()).questions
    texts = [question.text for question in (*questions.train, *questions.test)]
    assert len(set(texts)) == len(texts)
    assert 1500 < len(texts) <= 4 * 400
    assert len(questions.test) == len(texts) // 5


def test_a_world_depends_on_its_specification_alone():
    first = knowledge_base(KnowledgeSpec(num_people=30))
    knowledge_base.cache_clear()
    again, other = (knowledge_base(KnowledgeSpec(num_people=30, seed=seed)) for seed in (0, 1))
    assert again is not first
    assert (again.passages, again.questions) == (first.passages, first.questions)
    assert other.passages != first.passages


def test_a_world_is_the_same_in_every_process():
    code = (
        "from rllib_gigpo.envs.search_qa.synthetic_world import *\n"
        "base = knowledge_base(KnowledgeSpec(num_people=20))\n"
        "print(repr((base.passages, base.questions)))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    base = knowledge_base(KnowledgeSpec(num_people=20))
    assert outputs == {repr((base.passages, base.questions)) + "\n"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"people": 3}, "num_people, num_hops, seed"),
        ({"num_people": 19}, "from 20 to 2000"),
        ({"num_people": 50.0}, "num_people=50.0"),
        ({"num_hops": 4}, "from 1 to 3"),
        ({"num_hops": True}, "num_hops=True"),
        ({"seed": -1}, "seed=-1"),
        ("small", "Use a dict"),
    ],
)
def test_impossible_worlds_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        KnowledgeSpec.create(options)
