"""`checkpoints`: which networks can be named, and which of them are on this machine."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER, Checkpoint, list_checkpoints

ROW = "{:<24} {:<9} {:>12} {:>6}  {:<9} {:<11} {}"


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("checkpoints", help="list the networks", description=__doc__)
    parser.add_argument("--ckpt-folder", type=Path, default=CHECKPOINT_FOLDER, metavar="FOLDER")
    parser.add_argument("--json", action="store_true", help="print a JSON array instead of a table")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    checkpoints = list_checkpoints(arguments.ckpt_folder)
    if arguments.json:
        print(json.dumps([dataclasses.asdict(item) for item in checkpoints]))
        return 0
    print(ROW.format("name", "kind", "parameters", "input", "available", "licence", "note"))
    for item in checkpoints:
        print(_format(item))
    return 0


def _format(item: Checkpoint) -> str:
    parameters = "-" if item.parameters is None else f"{item.parameters:,}"
    available = "yes" if item.available else "no"
    return ROW.format(item.name, item.kind, parameters, item.input_size, available, item.licence, item.note)
