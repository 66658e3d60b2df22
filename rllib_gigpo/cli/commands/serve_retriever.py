"""`rllib serve-retriever`: serves a corpus by BM25, for the searches of many training processes."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rllib_gigpo.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from rllib_gigpo.envs.search_qa.retrieval import RetrieverServer

_HIGHEST_PORT = 65535


def add_parser(subparsers: Any) -> None:
    """Add ``serve-retriever`` to the command."""
    parser = subparsers.add_parser(
        "serve-retriever",
        help="serve a corpus of passages over HTTP, for the environment SearchQA",
        description="Search a corpus by BM25 behind POST /retrieve, in the request shapes of "
        'Search-R1 ({"queries": [...], "topk": 3}) and of verl-agent ({"query": "..."}). '
        "Runs until it is interrupted.",
    )
    parser.add_argument(
        "--corpus",
        metavar="FILE",
        type=Path,
        required=True,
        help='JSONL, each line {"id", "contents"} or {"id", "title", "text"}',
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (default: 127.0.0.1, this machine)",
    )
    parser.add_argument(
        "--port", metavar="N", type=_port, default=8000, help="0 takes a free one (default: 8000)"
    )
    parser.add_argument(
        "--top-k",
        metavar="N",
        type=int,
        default=3,
        help="passages per query where a request does not say (default: 3)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out ``rllib serve-retriever``; returns the exit status after an interrupt."""
    with make_server(args) as server:
        print(f"retriever  {server.url}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
    return 0


def make_server(args: argparse.Namespace) -> "RetrieverServer":
    """Index the corpus and bind the address.

    Raises:
        ConfigError: The corpus cannot be read, or the address cannot be used.
        MissingExtraError: bm25s or PyStemmer is not installed.
    """
    from rllib_gigpo.envs.search_qa.retrieval import BM25Retriever, RetrieverServer, read_corpus

    try:
        retriever = BM25Retriever(read_corpus(args.corpus))
        return RetrieverServer((args.host, args.port), retriever, top_k=args.top_k)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    except ImportError as error:
        raise MissingExtraError(str(error)) from error
    except OSError as error:
        raise ConfigError(
            f"Cannot listen at {args.host}:{args.port}: {error}. Is another server there? Take "
            "another --port, or 0 for a free one."
        ) from error


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give 0 to {_HIGHEST_PORT}")
    return int(text)
