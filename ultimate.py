"""`python ultimate.py` serves the page and the HTTP interface; `python ultimate.py --help` tells the rest."""

import sys

from server.commands.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
