"""Parse `python ultimate.py …`, run one command, turn its errors into an exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from server import __version__
from server.commands import (
    build_dataset,
    checkpoints,
    classify,
    copy_database,
    dataset_report,
    evaluate,
    fetch,
    finetune,
    segment,
    serve,
    train_embedded,
    train_upsampler,
    worker,
)
from server.errors import UserError

BAD_INPUT = 2
INTERRUPTED = 130


def main(arguments: Sequence[str]) -> int:
    """Run one command.

    Returns:
        0 when it worked, 2 after one line on stderr when the input is at fault, 130 after Ctrl-C. A bug leaves its
        traceback and, through the interpreter, exit status 1.
    """
    chosen = build_parser().parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
    except UserError as error:
        print(f"ultimate.py: {' '.join(error.message.split())}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; without a command it serves."""
    parser = argparse.ArgumentParser(
        prog="ultimate.py",
        description="Segment Anything in Remote Sensing Images. Without a command: serve page and HTTP interface.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    serve.add_arguments(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for module in (
        segment,
        classify,
        checkpoints,
        fetch,
        build_dataset,
        dataset_report,
        evaluate,
        finetune,
        train_embedded,
        train_upsampler,
        worker,
        copy_database,
    ):
        module.add_parser(commands)
    return parser
