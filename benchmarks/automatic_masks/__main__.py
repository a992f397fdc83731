"""`python -m benchmarks.automatic_masks`."""

import sys

from benchmarks.automatic_masks.command import main

sys.exit(main(sys.argv[1:]))
