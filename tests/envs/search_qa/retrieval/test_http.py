"""The client with services that are down, slow or faulty; the server with good and bad clients."""

import contextlib
import http.client
import json
import pickle
import threading
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.games import fake_retriever as fake

from rllib_gigpo.envs.search_qa.retrieval import (
    BM25Retriever,
    HttpRetriever,
    HttpSettings,
    Passage,
    RetrieverError,
    RetrieverServer,
    shared_http,
)
from rllib_gigpo.envs.search_qa.retrieval.protocol import decode_request, decode_results

QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=100)
PASSAGES = (
    Passage("p1", "Velden", "A town on the river Mora."),
    Passage("p2", "Orcal", "A company in Velden."),
    Passage("p3", "", "Lamps."),
)


@pytest.fixture
def serve():
    """Start a fake service that responds in a given way."""
    with contextlib.ExitStack() as stack:
        yield lambda respond: stack.enter_context(fake.serving(fake.FakeService(respond)))


@pytest.fixture(scope="module")
def server():
    with fake.serving(RetrieverServer(("127.0.0.1", 0), BM25Retriever(PASSAGES), top_k=2)) as up:
        yield up


def client(*urls, **options):
    quick = {"request_timeout_s": 5.0, "search_timeout_s": 10.0}
    return HttpRetriever(HttpSettings(url=urls, **{**quick, **options}))


# The client.


@pytest.mark.parametrize("shape", ["queries", "query"])
def test_both_request_shapes_find_what_a_search_in_process_finds(server, shape):
    queries = ["river of Velden", "company", "unknownword"]
    found = client(server.url, request_shape=shape).search(queries, top_k=2)
    assert found == BM25Retriever(PASSAGES).search(queries, top_k=2)


def test_requests_have_the_shapes_of_search_r1_and_of_verl_agent(serve):
    service = serve(fake.answer_json({"result": [[], []]}))
    client(service.url).search(["a", "b"], top_k=3)
    assert service.requests == [{"queries": ["a", "b"], "topk": 3, "return_scores": True}]
    service = serve(fake.answer_json({"result": [[]]}))
    client(service.url, request_shape="query").search(["a", "b"], top_k=3)
    assert service.requests == [
        {"query": query, "topk": 3, "return_scores": True} for query in ("a", "b")
    ]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"document": {"id": 7, "contents": '"T"\nx'}, "score": 1}, Passage("7", "T", "x")),
        ({"id": "7", "contents": "x"}, Passage("7", "", "x")),
        ({"document": {"id": "7", "title": "T", "text": "x"}}, Passage("7", "T", "x")),
        ({"contents": '"T"\nx'}, Passage('"T"\nx', "T", "x")),
        ({"id": None, "contents": '"T"\nx'}, Passage('"T"\nx', "T", "x")),
        ({"id": None, "title": "T", "text": "x"}, Passage("T\nx", "T", "x")),
        ({"document": '"T"\nx'}, Passage('"T"\nx', "T", "x")),
        ({"title": None, "text": "x"}, Passage("x", "", "x")),
        ({"id": "7", "text": "x\ud800"}, Passage("7", "", "x?")),
    ],
)
def test_documents_of_all_forms_are_read(item, expected):
    body = json.dumps({"result": [[item]]}).encode()
    ((hit,),) = decode_results(body, num_queries=1)
    # A passage without an id is named by its contents.
    assert (hit.passage.id.strip(), hit.passage.title, hit.passage.text) == (
        expected.id,
        expected.title,
        expected.text,
    )


def test_more_passages_than_asked_for_are_cut(serve):
    item = fake.GOOD["result"][0][0]
    service = serve(fake.answer_json({"result": [[item] * 5]}))
    assert len(client(service.url).search(["a"], top_k=2)[0]) == 2


@pytest.mark.parametrize(
    "fault",
    [
        fake.answer_json({"error": "busy"}, status=500),
        fake.answer(503, b""),
        fake.hang_up,
        fake.garbage,
        fake.answer(200, b"<html>"),
        fake.answer_json({"results": []}),
    ],
)
def test_a_fault_that_passes_is_tried_again(serve, fault):
    service = serve(fake.in_turn(fault, fault, fake.answer_json(fake.GOOD)))
    ((hit,),) = client(service.url).search(["a"], top_k=3)
    assert (hit.passage, hit.score) == (Passage("7", "Velden", "A town."), 2.5)
    assert len(service.requests) == 3


@pytest.mark.parametrize(
    ("respond", "reason"),
    [
        (fake.answer(500, b"boom"), "the service returned status 500"),
        (fake.hang_up, "the service could not be reached"),
        (fake.garbage, "the service could not be reached"),
        (fake.answer(200, b"no json"), "the service's answer was invalid"),
        (fake.answer(200, b"\xff\xfe"), "the service's answer was invalid"),
        (fake.answer(200, b"[" * 100_000), "the service's answer was invalid"),
        (fake.answer_json([]), "the service's answer was invalid"),
        (fake.answer_json({"result": [3]}), "the service's answer was invalid"),
        (fake.answer_json({"result": [[3]]}), "the service's answer was invalid"),
        (fake.answer_json({"result": [[], []]}), "the service's answer was invalid"),
        (fake.answer_json({"result": [[{"document": {}}]]}), "the service's answer was invalid"),
        (fake.answer_json({"result": [[{"document": "x", "score": "high"}]]}), "was invalid"),
        (fake.answer_json({"result": [[{"document": "x", "score": 10**400}]]}), "was invalid"),
    ],
)
def test_a_fault_that_stays_is_an_error_with_its_reason(serve, respond, reason):
    service = serve(respond)
    with pytest.raises(RetrieverError, match="The search failed after 2 attempts") as error:
        client(service.url, max_attempts=2).search(["a"], top_k=3)
    assert reason in error.value.reason
    assert service.url not in error.value.reason
    assert len(service.requests) == 2


def test_a_refused_request_is_not_repeated(serve):
    service = serve(fake.answer_json({"detail": "field required"}, status=422))
    with pytest.raises(RetrieverError, match="field required"):
        client(service.url).search(["a"], top_k=3)
    assert len(service.requests) == 1


@pytest.mark.parametrize("respond", [fake.sleep, fake.trickle, fake.trickle_headers])
def test_a_search_ends_in_bounded_time_however_slow_the_service(serve, respond):
    service = serve(respond)
    retriever = client(service.url, request_timeout_s=0.2, search_timeout_s=0.6, max_attempts=9)
    with pytest.raises(RetrieverError, match="did not answer in time"):
        retriever.search(["a"], top_k=3)
    assert not service.has_outlasted_a_client
    assert 1 <= len(service.requests) <= 3


def test_several_services_take_turns_and_stand_in_for_each_other(serve):
    services = [serve(fake.answer_json(fake.GOOD)) for _ in range(2)]
    retriever = client(*(service.url for service in services))
    for _ in range(6):
        retriever.search(["a"], top_k=3)
    assert [len(service.requests) for service in services] == [3, 3]
    down = f"http://127.0.0.1:{fake.free_port()}/retrieve"
    retriever = client(down, services[0].url)
    for _ in range(3):
        assert retriever.search(["a"], top_k=3)


def test_at_the_start_a_service_that_is_down_is_an_error_with_the_fix():
    url = f"http://127.0.0.1:{fake.free_port()}/retrieve"
    settings_ = HttpSettings(url=url)
    with pytest.raises(RetrieverError, match="rllib serve-retriever") as error:
        shared_http(settings_)
    assert url in str(error.value)


def test_a_wrong_shape_is_noticed_at_the_start(serve):
    service = serve(fake.answer_json({"detail": "query: field required"}, status=422))
    with pytest.raises(RetrieverError, match=r"request_shape \(sent: 'queries'\)"):
        shared_http(HttpSettings(url=service.url))


@pytest.mark.parametrize("respond", [fake.sleep, fake.garbage, fake.answer(200, b"[]")])
def test_a_service_that_is_slow_or_talks_nonsense_is_noticed_at_the_start(serve, respond):
    service = serve(respond)
    with pytest.raises(RetrieverError, match="Cannot use the retrieval service") as error:
        shared_http(HttpSettings(url=service.url, request_timeout_s=0.5))
    assert service.url in str(error.value)
    assert not service.has_outlasted_a_client


def test_a_service_that_works_is_checked_once_in_a_process(serve):
    service = serve(fake.answer_json({"result": [[]]}))
    first, second = (shared_http(HttpSettings(url=service.url)) for _ in range(2))
    assert first is second
    assert len(service.requests) == 1


def test_the_error_survives_the_way_to_another_process():
    error = pickle.loads(pickle.dumps(RetrieverError("long story", reason="down")))
    assert (str(error), error.reason) == ("long story", "down")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "with url"),
        ("http://x", "Use a dict"),
        ({"url": "http://x", "timeout": 3}, "request_timeout_s"),
        ({"url": "localhost:8000"}, "'localhost:8000'"),
        ({"url": "ftp://x"}, "Use an address"),
        ({"url": "http://x:port/"}, "Use an address"),
        ({"url": []}, "Use an address"),
        ({"url": None}, "Use an address"),
        ({"url": ["http://x", 3]}, "Use an address"),
        ({"url": "http://x", "request_shape": "post"}, "'queries', 'query'"),
        ({"url": "http://x", "request_timeout_s": 0}, "request_timeout_s is 0"),
        ({"url": "http://x", "search_timeout_s": float("inf")}, "search_timeout_s is inf"),
        (
            {"url": "http://x", "request_timeout_s": 60.0},
            r"request_timeout_s=60\.0 is more than its search_timeout_s=30\.0",
        ),
        ({"url": "http://x", "max_attempts": 0}, "max_attempts is 0"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        HttpSettings.create(options)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["result", "document", "id", "contents", "title", "text", "score"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@QUICK
@given(JSON, st.integers(0, 2))
def test_any_json_is_read_or_refused(value, num_queries):
    try:
        results = decode_results(json.dumps(value).encode(), num_queries=num_queries)
    except ValueError:
        return
    assert len(results) == num_queries


@QUICK
@given(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_request_or_refused(body):
    try:
        request = decode_request(body, default_top_k=3)
    except ValueError:
        return
    assert request.queries


# The server.


def post(server, body, *, path="/retrieve", headers=None):
    """Return (status, answer) of one request."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    try:
        connection.request("POST", path, body, headers or {})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_the_server_answers_without_scores_unless_they_are_asked_for(server):
    status, answer = post(server, json.dumps({"query": "town", "topk": 1}))
    document = {"id": "p1", "contents": '"Velden"\nA town on the river Mora.'}
    assert (status, answer) == (200, {"result": [[document]]})
    body = {"queries": ["town", "lamps"], "topk": 1, "return_scores": True}
    status, answer = post(server, json.dumps(body))
    assert [[item["document"]["id"] for item in items] for items in answer["result"]] == [
        ["p1"],
        ["p3"],
    ]
    assert all(item["score"] > 0 for items in answer["result"] for item in items)


def test_the_servers_own_number_of_passages_is_the_default(server):
    _, answer = post(server, json.dumps({"query": "Velden"}))
    assert len(answer["result"][0]) == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "not JSON"),
        ("[1]", "JSON object"),
        ("{}", 'either "queries"'),
        ('{"query": "a", "queries": ["a"]}', 'either "queries"'),
        ('{"query": 3}', "one string"),
        ('{"queries": "a"}', "list of strings"),
        ('{"queries": ["a", null]}', "list of strings"),
        ('{"queries": []}', "1 to 1024 queries"),
        ('{"query": "a", "topk": 0}', '"topk"'),
        ('{"query": "a", "topk": true}', '"topk"'),
        ('{"query": "a", "topk": 101}', '"topk"'),
        ('{"query": "a", "return_scores": 1}', '"return_scores"'),
    ],
)
def test_bad_requests_are_answered_with_400_and_the_mistake(server, body, message):
    status, answer = post(server, body)
    assert status == 400
    assert message in answer["error"]


def test_other_paths_methods_and_lengths_are_refused(server):
    assert post(server, "{}", path="/other")[0] == 404
    assert post(server, None, headers={"Content-Length": "x"})[0] == 411
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    connection.request("POST", "/retrieve", None, {"Content-Length": "99999999999"})
    response = connection.getresponse()
    # The body is not read as the next request.
    assert (response.status, response.getheader("Connection")) == (413, "close")
    response.read()
    for path, status in (("/retrieve", 405), ("/health", 200), ("/", 404)):
        connection.request("GET", path)
        response = connection.getresponse()
        assert response.status == status
        assert json.loads(response.read())
    connection.close()


def test_a_connection_can_be_used_again_after_a_mistake(server):
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    statuses = []
    for path, body in (("/retrieve", "oops"), ("/x", "{}"), ("/retrieve", '{"query": "town"}')):
        connection.request("POST", path, body)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()
    assert statuses == [400, 404, 200]


def test_a_retriever_that_fails_behind_the_server_is_a_502():
    class Broken(BM25Retriever):
        def search(self, queries, *, top_k):
            raise RetrieverError("the index is gone", "down")

    with fake.serving(RetrieverServer(("127.0.0.1", 0), Broken(PASSAGES))) as server:
        assert post(server, '{"query": "a"}') == (502, {"error": "the index is gone"})


def test_many_clients_at_once_get_their_own_answers(server):
    expected = {query: client(server.url).search([query], top_k=1) for query in ("town", "lamps")}
    wrong = []

    def ask(query):
        retriever = client(server.url)
        wrong.extend(1 for _ in range(5) if retriever.search([query], top_k=1) != expected[query])

    threads = [threading.Thread(target=ask, args=[q]) for q in ("town", "lamps") for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_taken_port_and_an_odd_top_k_are_refused(server):
    with pytest.raises(OSError, match="in use"):
        RetrieverServer(("127.0.0.1", urlsplit(server.url).port), BM25Retriever(PASSAGES))
    with pytest.raises(ValueError, match="top_k is 0"):
        RetrieverServer(("127.0.0.1", 0), BM25Retriever(PASSAGES), top_k=0)
