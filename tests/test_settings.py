"""Every key is checked at start-up and named when it is wrong."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from server.errors import BadParameter
from server.settings import REPOSITORY, Settings, make_settings, read_settings


def test_shipped_configuration_is_valid_and_holds_the_classic_keys():
    content = json.loads((REPOSITORY / "configuration.json").read_text())
    assert {"host", "port", "debug", "multi_thread", "ip_access_limit"} <= set(content)
    assert read_settings().port == content["port"]


def test_defaults_hold_where_no_key_is_given(tmp_path):
    settings = make_settings({}, tmp_path)
    assert settings.human_check is True
    assert settings.api_tokens == ()
    assert settings.segment_wait_s == 25
    assert settings.cache_folder == REPOSITORY / "cache"


def test_relative_folders_count_from_the_configuration_file(tmp_path, monkeypatch):
    path = tmp_path / "here" / "configuration.json"
    path.parent.mkdir()
    path.write_text('{"cache_folder": "work", "checkpoint_folder": "/weights"}')
    monkeypatch.chdir("/")
    settings = read_settings(path)
    assert settings.cache_folder == tmp_path / "here" / "work"
    assert settings.checkpoint_folder == Path("/weights")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("port", 70_000),
        ("port", "8000"),
        ("port", True),
        ("debug", 1),
        ("host", ""),
        ("ip_access_limit", "many"),
        ("api_tokens", "secret"),
        ("api_tokens", [""]),
        ("device", "tpu"),
        ("basemap_url", "https://tiles.example.org/{z}/{x}.png"),
        ("basemap_url", "tiles.example.org/{z}/{x}/{y}.png"),
        ("basemap_url", "https://tiles.example.org/{z}/{x}/{y}.png; script-src *"),
        ("segment_wait_s", -1),
        ("segment_wait_s", float("nan")),
        ("max_pixels", 10**20),
        ("cache_folder", 5),
        ("prot", 8000),
        ("queue", "celery"),
        ("queue", {"engine": "rabbit"}),
        ("queue", {"engine": "celery"}),
        ("queue", {"engine": "celery", "broker": "amqp://host"}),
        ("queue", {"engine": "celery", "broker": "redis://host", "lease_s": 0}),
        ("queue", {"engine": "local", "lease_s": True}),
        ("queue", {"engin": "local"}),
    ],
)
def test_a_wrong_key_is_named(key, value, tmp_path):
    with pytest.raises(BadParameter, match=key) as caught:
        make_settings({key: value}, tmp_path)
    assert caught.value.field == key


def test_who_works_on_jobs(tmp_path):
    assert make_settings({}, tmp_path).queue.engine == "local"
    assert make_settings({"queue": {}}, tmp_path).queue.engine == "local"
    queue = make_settings({"queue": {"engine": "celery", "broker": "redis://host/0", "lease_s": 5}}, tmp_path).queue
    assert (queue.engine, queue.broker, queue.lease_s) == ("celery", "redis://host/0", 5.0)


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"port": }'])
def test_a_file_that_is_no_json_object_is_refused(text, tmp_path):
    path = tmp_path / "configuration.json"
    path.write_text(text)
    with pytest.raises(BadParameter, match=r"configuration\.json"):
        read_settings(path)


def test_a_missing_file_that_was_asked_for_is_refused(tmp_path):
    with pytest.raises(BadParameter, match="Cannot read"):
        read_settings(tmp_path / "absent.json")


def test_every_setting_is_described():
    assert all(item.metadata["about"].endswith(".") for item in dataclasses.fields(Settings))


def test_every_setting_stands_in_the_readme():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    missing = [item.name for item in dataclasses.fields(Settings) if f"`{item.name}`" not in readme]
    assert not missing
