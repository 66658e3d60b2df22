"""`rllib serve-retriever`: serves BM25 search over a corpus to many training processes."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rllib_gigpo.cli.serving.listening import add_address_options, refusals
from rllib_gigpo.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from rllib_gigpo.envs.search_qa.retrieval import RetrieverServer


def add_parser(subparsers: Any) -> None:
    """Add the ``serve-retriever`` subcommand."""
    parser = subparsers.add_parser(
        "serve-retriever",
        help="serve a corpus of passages over HTTP, for the SearchQA environment",
        description="Serve BM25 search over a corpus at POST /retrieve. Accepts requests in the "
        'formats of Search-R1 ({"queries": [...], "topk": 3}) and verl-agent ({"query": "..."}). '
        "Runs until interrupted.",
    )
    parser.add_argument(
        "--corpus",
        metavar="FILE",
        type=Path,
        required=True,
        help='JSONL file; each line is {"id", "contents"} or {"id", "title", "text"}',
    )
    add_address_options(parser)
    parser.add_argument(
        "--top-k",
        metavar="N",
        type=int,
        default=3,
        help="passages per query, if the request does not set it (default: 3)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib serve-retriever`` until an interrupt and return the exit status."""
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
        with refusals(args):
            return RetrieverServer((args.host, args.port), retriever, top_k=args.top_k)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    except ImportError as error:
        raise MissingExtraError(str(error)) from error
