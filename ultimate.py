"""Segment Anything in Remote Sensing Images: `python ultimate.py` serves, `python ultimate.py --help` tells the rest."""

import sys

from server.commands.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
