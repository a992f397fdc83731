"""`copy-database`: a service moves from its SQLite file to PostgreSQL, and its clients notice nothing."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import shapely

import server
from server.app import find_background
from server.commands.main import main
from tests.routes.conftest import fake_engine, settings, start_app  # noqa: F401 - fixtures
from tests.routes.support import upload, with_token


def write_settings(folder: Path, database: str) -> str:
    path = folder / "configuration.json"
    path.write_text(json.dumps({"cache_folder": str(folder / "cache"), "database": database}))
    return str(path)


def read_everything(client) -> dict:
    return {
        "rasters": client.get("/rasters").get_json()["rasters"],
        "jobs": client.get("/jobs").get_json()["jobs"],
        "annotations": client.get("/annotations").get_json(),
        "labels": client.get("/download").data,
    }


def test_clients_find_everything_again_and_go_on(start_app, settings, make_url, make_raster, tmp_path, capsys):  # noqa: F811
    app = start_app(settings)
    client = with_token(app)
    assert upload(client, make_raster(crs=None)).status_code == 200
    assert client.post("/segment", json={}).status_code == 200
    square = shapely.geometry.mapping(shapely.box(10, 10, 30, 30))
    assert client.post("/annotations", json={"add": [{"geometry": square}]}).status_code == 200
    before = read_everything(client)
    assert before["annotations"]["objects"]
    find_background(app).stop(5)

    url = make_url()
    assert main(["copy-database", "--configuration", write_settings(tmp_path, url)]) == 0
    assert "PostgreSQL from its next start on" in capsys.readouterr().out

    client = with_token(start_app(dataclasses.replace(settings, database=url)))
    assert read_everything(client) == before
    assert client.post("/annotations/undo", json={}).get_json()["removed"] == [1]
    assert upload(client, make_raster(), "second.tif").status_code == 200
    assert client.post("/segment", json={"raster": "second.tif"}).status_code == 200
    assert len(client.get("/jobs").get_json()["jobs"]) == 2


def test_nothing_is_copied_while_the_service_runs(start_app, settings, make_url, tmp_path, capsys):  # noqa: F811
    start_app(settings)
    url = make_url()
    assert main(["copy-database", "--configuration", write_settings(tmp_path, url)]) == 2
    assert "stop the service first" in capsys.readouterr().err


def test_a_database_with_rows_is_left_alone(start_app, settings, make_url, make_raster, tmp_path, capsys):  # noqa: F811
    app = start_app(settings)
    with_token(app).get("/rasters")
    find_background(app).stop(5)
    configuration = write_settings(tmp_path, make_url())
    assert main(["copy-database", "--configuration", configuration]) == 0
    assert main(["copy-database", "--configuration", configuration]) == 2
    assert "is not empty" in capsys.readouterr().err


@pytest.mark.parametrize(("database", "sentence"), [("", 'setting "database" is empty'), ("postgresql://a@b/c", "no ")])
def test_what_is_missing_is_said(tmp_path, capsys, database, sentence):
    assert main(["copy-database", "--configuration", write_settings(tmp_path, database)]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_every_table_is_copied():
    """The command imports the application alone; a table that only something else imported would be forgotten."""
    code = "import server.app; from server.database import Base; print(*Base.metadata.tables)"
    copied = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    modules = Path(server.__file__).parent.rglob("*.py")
    declared = [name for module in modules for name in re.findall(r'__tablename__ = "(\w+)"', module.read_text())]
    assert sorted(copied) == sorted(declared)
