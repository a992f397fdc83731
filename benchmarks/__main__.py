"""`python -m benchmarks`: run every benchmark, one after the other."""

from __future__ import annotations

import sys

from benchmarks import embedded_network, tiles

for module in (embedded_network, tiles):
    print(f"== {module.__name__}")
    status = module.main(sys.argv[1:])
    if status:
        sys.exit(status)
