"""`fetch NAME`: download an official checkpoint, resuming what an earlier attempt left."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tqdm import tqdm

from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.segmentation.networks.fetch import fetch_checkpoint


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("fetch", help="download an official checkpoint", description=__doc__)
    parser.add_argument("name", metavar="NAME", help="vit_b, vit_l or vit_h")
    parser.add_argument("--ckpt-folder", type=Path, default=CHECKPOINT_FOLDER, metavar="FOLDER")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Download with a progress bar on stderr.

    Raises:
        UserError: see `fetch_checkpoint`.
    """
    with tqdm(unit="B", unit_scale=True, unit_divisor=1024, desc=arguments.name) as bar:

        def progress(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        path = fetch_checkpoint(arguments.name, arguments.ckpt_folder, progress)
    print(f"{arguments.name} is at {path}")
    return 0
