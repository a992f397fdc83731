"""`worker` works for services whose queue is one for workers, and says so otherwise."""

from __future__ import annotations

import json

import pytest

from server.commands.main import main


@pytest.mark.parametrize(
    ("queue", "sentence"),
    [
        ({"engine": "local"}, "jobs run in the process that serves"),
        ({"engine": "celery"}, 'a "broker" such as redis://'),
    ],
)
def test_a_queue_without_workers_is_refused(tmp_path, capsys, queue, sentence):
    path = tmp_path / "configuration.json"
    path.write_text(json.dumps({"queue": queue, "cache_folder": str(tmp_path / "cache")}))
    assert main(["worker", "--configuration", str(path)]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()
