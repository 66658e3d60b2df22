"""`rllib serve-retriever`: serves a corpus on the requested port, or reports why it cannot."""

import argparse
import json
import threading

import pytest
from support.games import fake_retriever as fake

from rllib_gigpo.cli import main
from rllib_gigpo.cli.serving import serve_retriever
from rllib_gigpo.envs.search_qa.retrieval import HttpRetriever, HttpSettings, Passage
from rllib_gigpo.errors import ConfigError, MissingExtraError

PASSAGES = [
    {"id": "p1", "contents": '"Velden"\nA town.'},
    {"id": "p2", "title": "Orcal", "text": "A company in Velden."},
]


@pytest.fixture
def corpus(tmp_path):
    file = tmp_path / "corpus.jsonl"
    file.write_text("\n".join(map(json.dumps, PASSAGES)))
    return file


def parse(*argv):
    parser = argparse.ArgumentParser()
    serve_retriever.add_parser(parser.add_subparsers())
    return parser.parse_args(["serve-retriever", *map(str, argv)])


@pytest.mark.parametrize("shape", ["queries", "query"])
def test_it_serves_the_corpus_in_both_request_shapes(corpus, shape):
    with fake.serving(serve_retriever.make_server(parse("--corpus", corpus, "--port", 0))) as up:
        retriever = HttpRetriever(HttpSettings(url=up.url, request_shape=shape))
        retriever.check()
        town, company = retriever.search(["towns", "company"], top_k=3)
    assert [hit.passage for hit in town] == [Passage("p1", "Velden", "A town.")]
    assert [hit.passage for hit in company] == [Passage("p2", "Orcal", "A company in Velden.")]


def test_it_tells_its_address_and_stops_at_an_interrupt(corpus, capsys, monkeypatch):
    from rllib_gigpo.envs.search_qa.retrieval import RetrieverServer

    def interrupted(server):
        raise KeyboardInterrupt

    monkeypatch.setattr(RetrieverServer, "serve_forever", interrupted)
    assert serve_retriever.run(parse("--corpus", corpus, "--port", 0)) == 0
    out, err = capsys.readouterr()
    assert out.startswith("retriever  http://127.0.0.1:")
    assert out.endswith("/retrieve\n")
    assert err == "stopped\n"


def test_the_command_serves_while_a_client_asks(corpus, capsys, monkeypatch):
    servers = []
    make_server = serve_retriever.make_server

    def make_and_keep(args):
        servers.append(make_server(args))
        return servers[-1]

    monkeypatch.setattr(serve_retriever, "make_server", make_and_keep)
    port = fake.free_port()
    argv = ["serve-retriever", "--corpus", str(corpus), "--port", str(port), "--top-k", "1"]
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(main.main(argv)))
    thread.start()
    settings = HttpSettings(url=f"http://127.0.0.1:{port}/retrieve", max_attempts=10)
    try:
        ((hit, *_),) = HttpRetriever(settings).search(["towns"], top_k=3)
    finally:
        servers[0].shutdown()
        thread.join()
    assert hit.passage.title == "Velden"
    assert statuses == [0]


def test_a_bad_corpus_is_told_in_one_line(tmp_path, capsys):
    assert main.main(["serve-retriever", "--corpus", str(tmp_path / "missing.jsonl")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("rllib: error: ")
    assert "missing.jsonl cannot be read" in err
    assert err.count("\n") == 1


def test_a_taken_port_is_told_with_the_fix(corpus):
    with fake.serving(serve_retriever.make_server(parse("--corpus", corpus, "--port", 0))) as up:
        port = up.server_address[1]
        with pytest.raises(ConfigError, match=f"Cannot listen on 127.0.0.1:{port}.*--port"):
            serve_retriever.make_server(parse("--corpus", corpus, "--port", port))


@pytest.mark.parametrize("port", ["-1", "65536", "http", "²"])
def test_an_impossible_port_is_refused(corpus, capsys, port):
    with pytest.raises(SystemExit):
        parse("--corpus", corpus, f"--port={port}")
    assert "is not a whole number from 0 to 65535" in capsys.readouterr().err


def test_an_odd_number_of_passages_is_refused(corpus):
    with pytest.raises(ConfigError, match="top_k is 0"):
        serve_retriever.make_server(parse("--corpus", corpus, "--port", 0, "--top-k", 0))


def test_a_missing_package_is_named_with_its_extra(corpus, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(MissingExtraError, match=r"rllib-gigpo\[search\]"):
        serve_retriever.make_server(parse("--corpus", corpus, "--port", 0))
