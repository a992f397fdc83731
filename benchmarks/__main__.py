"""`python -m benchmarks [--json]`: run every benchmark, one after the other; each alone has options of its own."""

from __future__ import annotations

import sys

from benchmarks import click_latency, embedded_network, jbu, samgeo_masks, seams, tiles, whole_raster
from benchmarks.automatic_masks import command as automatic_masks

for module in (embedded_network, click_latency, tiles, jbu, automatic_masks, samgeo_masks, seams, whole_raster):
    print(f"== {module.__name__}")
    status = module.main(sys.argv[1:])
    if status:
        sys.exit(status)
