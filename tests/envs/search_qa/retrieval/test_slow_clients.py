"""The server with clients that are slow to send, or to read."""

import contextlib
import http.client
import socket
import threading
import time

import pytest
from support.games import fake_retriever as fake

from rllib_gigpo.envs.search_qa.retrieval import BM25Retriever, Passage, RetrieverServer

PASSAGES = (Passage("p1", "Velden", "A town on the river Mora."),)


def search(server):
    """Return the status of a search by a client that is not slow."""
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=60)
    with contextlib.closing(connection):
        connection.request("POST", "/retrieve", '{"query": "town"}')
        return connection.getresponse().status


@pytest.fixture
def serve_briefly():
    """Start a server with little patience; return it with a function that connects to it."""
    options = {"client_timeout_s": 0.2, "max_connections": 16}
    server = RetrieverServer(("127.0.0.1", 0), BM25Retriever(PASSAGES), **options)
    with fake.serving(server), contextlib.ExitStack() as stack:

        def connect(request=b""):
            connection = socket.create_connection(server.server_address[:2], timeout=60)
            stack.enter_context(connection)
            connection.sendall(request)
            return connection

        yield server, connect


def is_dropped(connection):
    """Wait until the server has closed a connection."""
    try:
        while connection.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


def send_for_ever(connection, data, *, pause_s):
    while True:
        connection.sendall(data)
        time.sleep(pause_s)


HEAD = b"POST /retrieve HTTP/1.1\r\nContent-Length: 16\r\n"
UNFINISHED = {
    "nothing": b"",
    "half a request line": b"POST /ret",
    "half of the headers": HEAD,
    "half a body": HEAD + b'\r\n{"query":',
    "a whole request, and no more": HEAD.replace(b"16", b"17") + b'\r\n{"query": "town"}',
}


@pytest.mark.fault("B21", promise="A client that sends too slowly is dropped, whatever it sent.")
@pytest.mark.parametrize("request_", UNFINISHED.values(), ids=UNFINISHED)
def test_a_client_that_stops_is_dropped(serve_briefly, request_, capfd):
    server, connect = serve_briefly
    assert is_dropped(connect(request_))
    assert search(server) == 200
    assert capfd.readouterr().err == ""


@pytest.mark.fault("B21", promise="Bytes that trickle do not prolong the time of a request.")
@pytest.mark.parametrize("first", [b"", HEAD + b"X: ", HEAD.replace(b"16", b"4000000") + b"\r\n"])
def test_a_client_that_trickles_is_dropped(serve_briefly, first):
    _, connect = serve_briefly
    connection = connect(first)
    with pytest.raises(ConnectionError):
        send_for_ever(connection, b"x", pause_s=0.02)


@pytest.mark.fault("B21", promise="A client that does not read its answers is dropped.")
def test_a_client_that_does_not_read_is_dropped(serve_briefly):
    _, connect = serve_briefly
    connection = connect()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with pytest.raises(ConnectionError):
        send_for_ever(connection, b"GET /health HTTP/1.1\r\n\r\n" * 100, pause_s=0.0)


@pytest.mark.fault("B21", promise="300 slow clients hold few threads, and others are served.")
def test_slow_clients_hold_few_threads_and_let_others_in(serve_briefly, record_property):
    server, connect = serve_briefly
    before = threading.active_count()
    slow = [connect(b"POST /ret") for _ in range(300)]
    assert search(server) == 200
    most = threading.active_count() - before
    assert all(is_dropped(connection) for connection in slow)
    while len(server.connections):
        time.sleep(0.01)
    record_property("happened", f"{most} more threads with 300 slow clients; all were dropped")
    assert most < 2 * 16  # some may be about to end


def test_a_search_may_take_longer_than_a_client():
    class Slow(BM25Retriever):
        def search(self, queries, *, top_k):
            time.sleep(0.5)
            return super().search(queries, top_k=top_k)

    server = RetrieverServer(("127.0.0.1", 0), Slow(PASSAGES), client_timeout_s=0.1)
    with fake.serving(server):
        assert search(server) == 200
