"""How long the embedded network takes for one window, one click, and sixty-four clicks at once."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import torch

from benchmarks.timing import median_seconds
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.segmentation.networks.embedded import load_embedded_sam


def main(arguments: Sequence[str]) -> int:
    """Print median milliseconds on this machine's processor."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.embedded_network", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=10)
    chosen = parser.parse_args(arguments)
    network = load_embedded_sam(CHECKPOINT_FOLDER / "embedded.safetensors")
    image = torch.rand(1, 3, 512, 512)
    with torch.inference_mode():
        embedding = network.image_encoder(image)

        def click(n_clicks: int) -> None:
            points = (torch.rand(n_clicks, 1, 2) * 512, torch.ones(n_clicks, 1))
            sparse, dense = network.prompt_encoder(points=points, boxes=None, masks=None)
            network.mask_decoder(embedding, network.prompt_encoder.get_dense_pe(), sparse, dense, True)

        sides = {
            "encode": lambda: network.image_encoder(image),
            "click": lambda: click(1),
            "64 clicks": lambda: click(64),
        }
        medians = median_seconds(sides, chosen.rounds)
    figures = {f"{name.replace(' ', '_')}_ms": round(1000 * seconds, 1) for name, seconds in medians.items()}
    figures["threads"] = torch.get_num_threads()
    for name, value in figures.items():
        print(f"{name:16} {value}")
    if chosen.json:
        print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
