"""Virtual environments of the programs this project is measured against, apart from its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from server.settings import REPOSITORY


def make_peer(name: str, packages: Sequence[str], probe: str) -> Path:
    """Install packages beside the project, once; return the folder of the environment's programs.

    Args:
        name: of the environment, a folder under `.bench-venv`.
        packages: what pip installs.
        probe: a line of Python that only runs where all of it is installed.
    """
    programs = REPOSITORY / ".bench-venv" / name / "bin"
    python = programs / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(programs.parent)], check=True)
    if subprocess.run([str(python), "-c", probe], capture_output=True).returncode:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
    return programs
