"""Whoever runs one process needs none of the packages of a cluster."""

from __future__ import annotations

import subprocess
import sys

from tests.serving import REPOSITORY

PACKAGES = ("celery", "kombu", "redis", "psycopg", "gunicorn")


def test_serving_and_the_command_line_load_no_package_of_a_cluster():
    code = f"import sys, server.app, server.commands.main; print([name for name in {PACKAGES} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
