"""The fences between packages hold, and the server starts without waking a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


def test_imports_respect_the_fences():
    tool = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run([tool, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("module", ["server", "server.app", "server.commands.main"])
def test_importing_the_server_loads_no_torch(module):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_serving_in_one_process_needs_no_package_of_several():
    absent = "celery", "kombu", "redis", "gunicorn", "psycopg"
    code = f"import sys; sys.modules.update(dict.fromkeys({absent})); import server.app, server.commands.main"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_every_module_tells_why_it_exists_and_stays_small():
    for path in sorted((REPOSITORY / "server").rglob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines, path
        assert lines[0].startswith('"""'), path
        assert len(lines) <= 400, f"{path} has {len(lines)} lines"
