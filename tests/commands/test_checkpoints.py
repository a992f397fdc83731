"""The `checkpoints` and `fetch` commands."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from server.commands import checkpoints, fetch
from server.errors import BadParameter


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    checkpoints.add_parser(commands)
    fetch.add_parser(commands)
    arguments = parser.parse_args([str(word) for word in words])
    status: int = arguments.run(arguments)
    return status


def test_the_table_has_a_line_per_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine_vit_l.pth").touch()
    assert run("checkpoints", "--ckpt-folder", tmp_path) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["name", "kind"]
    assert [line.split()[0] for line in lines] == ["embedded", "vit_b", "vit_l", "vit_h", "mine_vit_l"]
    assert lines[-1].split()[1:5] == ["vit_l", "-", "1024", "yes"]


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("checkpoints", "--json", "--ckpt-folder", tmp_path)
    listed = json.loads(capsys.readouterr().out)
    fields = {"name", "kind", "parameters", "available", "embedded", "input_size", "licence", "note", "class_name"}
    assert all(set(item) == fields for item in listed)


def test_a_file_that_is_here_is_not_downloaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sam_vit_b_01ec64.pth").touch()
    assert run("fetch", "vit_b", "--ckpt-folder", tmp_path) == 0
    assert "sam_vit_b_01ec64.pth" in capsys.readouterr().out


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="vit_b, vit_l, vit_h"):
        run("fetch", "vit_z", "--ckpt-folder", tmp_path)
