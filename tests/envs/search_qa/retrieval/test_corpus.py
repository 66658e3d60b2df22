import json

import pytest

from rllib_gigpo.envs.search_qa.retrieval import BM25Retriever, Passage, read_corpus, shared_bm25
from rllib_gigpo.envs.search_qa.retrieval.bm25_retriever import K1, B


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_jsonl_in_both_forms_and_without_ids(tmp_path):
    lines = [
        {"id": "a", "contents": '"Velden"\nA town.\nOn a river.'},
        {"id": 5, "contents": "No title here."},
        {"id": "c", "title": "Orcal", "text": " A company. "},
        {"title": "Aran", "text": "A region."},
        {"text": "Alone."},
    ]
    file = write(tmp_path / "c.jsonl", "\n\n".join(map(json.dumps, lines)) + "\n")
    assert read_corpus(file) == (
        Passage("a", "Velden", "A town.\nOn a river."),
        Passage("5", "", "No title here."),
        Passage("c", "Orcal", "A company."),
        Passage("3", "Aran", "A region."),
        Passage("4", "", "Alone."),
    )


def test_hipporags_two_json_forms(tmp_path):
    listed = write(tmp_path / "l.json", json.dumps([{"title": "A", "text": "One. Two."}]))
    keyed = write(tmp_path / "k.json", json.dumps({"A": ["One.", " Two."]}))
    assert read_corpus(listed) == read_corpus(keyed) == (Passage("0", "A", "One. Two."),)


@pytest.mark.parametrize("name", ["c.jsonl", "c.json"])
def test_a_byte_order_mark_at_the_start_is_no_part_of_the_text(tmp_path, name):
    record = {"id": "a", "title": "A", "text": "x"}
    text = json.dumps([record] if name == "c.json" else record)
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert read_corpus(tmp_path / name) == (Passage("a", "A", "x"),)


def test_contents_are_written_as_they_are_read():
    assert Passage("1", "Velden", "A town.").contents == '"Velden"\nA town.'
    assert Passage("1", "", "A town.").contents == "A town."


def test_halves_of_surrogate_pairs_are_replaced(tmp_path):
    file = write(tmp_path / "c.jsonl", '{"id": "\\ud800", "title": "\\udc00", "text": "x\\ud83d"}')
    assert read_corpus(file) == (Passage("?", "?", "x?"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "contains no passages"),
        ('{"id": "a", "text": "x"}\n{oops', "line 2 is not JSON"),
        ("[" * 100_000, "line 1 is not JSON"),
        ('{"id": "a"}', "line 1 has the keys"),
        ('{"id": null, "text": "x"}', "has the id None"),
        ("[1]", "line 1 is of type list"),
        ('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}', "2 passages with the id 'a'"),
        ('{"id": "a", "title": 3, "text": "x"}', "a corpus is JSONL"),
    ],
)
def test_a_bad_corpus_is_refused_with_the_place_and_the_forms(tmp_path, text, message):
    file = write(tmp_path / "corpus.jsonl", text)
    with pytest.raises(ValueError, match=message) as error:
        read_corpus(file)
    assert str(file) in str(error.value)


def test_files_that_are_missing_binary_or_of_another_json_form(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        read_corpus(tmp_path / "missing.jsonl")
    with pytest.raises(ValueError, match="Check the path"):
        shared_bm25(tmp_path / "missing.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="cannot be read"):
        read_corpus(tmp_path / "binary.jsonl")
    with pytest.raises(ValueError, match="is of type int"):
        read_corpus(write(tmp_path / "number.json", "3"))


PASSAGES = (
    Passage("0", "", "river river river boats"),
    Passage("1", "", "river town"),
    Passage("2", "", "a town of lamps and more lamps"),
    Passage("3", "", "river town"),
)


def bm25(tf, length, df, *, num=4, mean_length=3.0):
    """Compute Lucene's formula with a passage's exact length instead of its one-byte norm."""
    import math

    idf = math.log(1 + (num - df + 0.5) / (df + 0.5))
    return idf * tf / (tf + K1 * (1 - B + B * length / mean_length))


def test_scores_are_lucenes_and_ties_keep_the_order_of_the_corpus():
    # Words without stop words ("a", "of", "and"): 4, 2, 4, 2, so 12 in 4 passages.
    (hits,) = BM25Retriever(PASSAGES).search(["rivers"], top_k=3)
    assert [hit.passage.id for hit in hits] == ["0", "1", "3"]
    wanted = [bm25(3, 4, 3), bm25(1, 2, 3), bm25(1, 2, 3)]
    assert [hit.score for hit in hits] == pytest.approx(wanted, rel=1e-5)
    (hits,) = BM25Retriever(PASSAGES).search(["Town lamp"], top_k=1)
    assert hits[0].passage.id == "2"
    assert hits[0].score == pytest.approx(bm25(1, 4, 3) + bm25(2, 4, 1), rel=1e-5)


@pytest.mark.parametrize("query", ["", "   ", "zzz", "the of", "\x00", "\ud800", "?!"])
def test_a_query_without_known_words_finds_nothing(query):
    assert BM25Retriever(PASSAGES).search([query], top_k=3) == [[]]


def test_queries_are_answered_each_for_itself_and_very_long_ones_are_cut():
    retriever = BM25Retriever(PASSAGES)
    first, second = retriever.search(["lamps", "boats"], top_k=2)
    assert [hits[0].passage.id for hits in (first, second)] == ["2", "0"]
    assert retriever.search(["x " * 600 + "lamps"], top_k=2) == [[]]


def test_a_corpus_without_words_is_refused():
    with pytest.raises(ValueError, match="contains no words"):
        BM25Retriever([Passage("1", "", "?")])


def test_an_index_is_shared_until_its_file_changes(tmp_path):
    file = write(tmp_path / "c.jsonl", json.dumps({"text": "boats"}))
    index = shared_bm25(file)
    assert shared_bm25(str(file)) is index
    write(file, json.dumps({"text": "boats and lamps"}))
    assert shared_bm25(file) is not index


def test_threads_find_what_one_thread_finds():
    from concurrent.futures import ThreadPoolExecutor

    retriever = BM25Retriever(PASSAGES)
    queries = ["river", "towns", "lamps", "boats and towns"] * 25
    expected = [retriever.search([query], top_k=3) for query in queries]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda q: retriever.search([q], top_k=3), queries)) == expected
