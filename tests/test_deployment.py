"""Image, compose files and settings fit together: what they name exists, and one says what the other expects."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from server.commands.main import build_parser
from server.settings import REPOSITORY, Settings, make_settings

MOUNTED = "/etc/segment-anything-rs/configuration.json"


def read_dockerfile() -> list[tuple[str, str]]:
    """Return the instructions: a word and what stands behind it, lines joined."""
    text = re.sub(r"\\\n\s*", " ", (REPOSITORY / "Dockerfile").read_text())
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    return read_dockerfile()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def settings() -> Settings:
    return make_settings(json.loads((REPOSITORY / "deploy" / "configuration.json").read_text()), Path("/"))


def last(instructions: list[tuple[str, str]], word: str) -> str:
    return [rest for name, rest in instructions if name == word][-1]


def test_everything_copied_into_the_image_exists_and_is_not_ignored(instructions):
    ignored = {line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[:1] not in ("", "#")}
    copied = [shlex.split(rest)[:-1] for word, rest in instructions if word == "COPY" and "--from" not in rest]
    for source in (source for sources in copied for source in sources):
        assert (REPOSITORY / source).exists(), source
        assert source not in ignored, source


def test_what_must_not_get_into_the_image_is_ignored():
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert {".git", ".env", "cache", "front_end/node_modules"} <= set(ignored)


def test_the_image_holds_every_module_the_service_imports(instructions):
    copied = " ".join(rest for word, rest in instructions if word == "COPY")
    for needed in ("server", "ultimate.py", "requirements.txt", "requirements-cluster.txt", "ckpt", "front_end"):
        assert needed in copied


def test_the_image_runs_as_nobody_special(instructions):
    assert last(instructions, "USER") not in ("root", "0")
    words = [word for word, _ in instructions]
    assert words.index("USER") < words.index("CMD")


def test_the_health_check_asks_where_the_service_listens(instructions, compose, settings):
    assert f"http://127.0.0.1:{settings.port}/health" in last(instructions, "HEALTHCHECK")
    assert last(instructions, "EXPOSE") == str(settings.port)
    assert [port.rsplit(":", 1)[1] for port in compose["services"]["web"]["ports"]] == [str(settings.port)]
    assert settings.host == "0.0.0.0"


def test_image_and_compose_start_the_same_web_processes(instructions, compose):
    command = json.loads(last(instructions, "CMD"))
    assert compose["services"]["web"]["command"] == command
    module = command[-1].removeprefix("python:")
    assert (REPOSITORY / Path(*module.split("."))).with_suffix(".py").exists()


def test_workers_are_started_by_a_command_there_is(compose):
    program, script, *arguments = compose["services"]["worker"]["command"]
    assert (program, script) == ("python", "ultimate.py")
    assert str(build_parser().parse_args(arguments).configuration) == MOUNTED


def test_settings_are_mounted_where_they_are_looked_for(instructions, compose):
    assert f"SEGMENT_ANYTHING_RS_CONFIGURATION={MOUNTED}" in last(instructions, "ENV")
    for name in ("web", "worker"):
        sources = dict(item.split(":")[:2] for item in compose["services"][name]["volumes"])
        assert sources["./deploy/configuration.json"] == MOUNTED
        assert all((REPOSITORY / source).exists() for source in sources if source.startswith("./"))
        assert set(compose["volumes"]) >= {source for source in sources if not source.startswith("./")}


def test_settings_name_services_there_are(compose, settings):
    for url in (settings.database, settings.limits_storage, settings.queue.broker):
        assert urlsplit(url).hostname in compose["services"]
    database, postgres = urlsplit(settings.database), compose["services"]["postgres"]["environment"]
    assert (database.username, database.path) == (postgres["POSTGRES_USER"], f"/{postgres['POSTGRES_DB']}")
    assert database.password is None  # it comes from the environment
    assert settings.queue.engine == "celery"


def test_files_lie_where_all_services_see_them(instructions, compose, settings):
    assert last(instructions, "VOLUME") == str(settings.cache_folder)
    for name in ("web", "worker"):
        assert f"cache:{settings.cache_folder}" in compose["services"][name]["volumes"]
        assert f"./ckpt:{settings.checkpoint_folder}:ro" in compose["services"][name]["volumes"]


def test_every_service_is_bounded_and_comes_back(compose):
    for name, service in compose["services"].items():
        assert {"cpus", "memory"} <= set(service["deploy"]["resources"]["limits"]), name
        assert service["restart"] == "unless-stopped", name
        assert "healthcheck" in service or name == "web", name  # the image has that of web
    assert int(compose["services"]["web"]["stop_grace_period"].rstrip("s")) > make_settings({}, Path("/")).drain_s


def test_gpus_are_added_to_services_there_are(compose):
    added = yaml.safe_load((REPOSITORY / "compose.gpu.yaml").read_text())["services"]
    assert set(added) == {"web", "worker"} <= set(compose["services"])
    names = {rest.split("=")[0] for word, rest in read_dockerfile() if word == "ARG"}
    assert set(added["worker"]["build"]["args"]) <= names


def test_packages_are_pinned_with_reason_and_licence():
    for line in (REPOSITORY / "requirements-cluster.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.fullmatch(r"[\w\[\]-]+==[\d.]+ +# .+; [\w.-]+(, .+)?", line), line
