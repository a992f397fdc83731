"""The checkpoint's file: what goes in comes out, and what is no checkpoint is refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from server.errors import CheckpointMissing
from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.segmentation.networks.embedded import EmbeddedSam, load_embedded_sam, save_embedded_sam
from server.segmentation.networks.embedded.weights import FORMAT, VERSION


def test_round_trip_in_float16(untrained: EmbeddedSam, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_embedded_sam(untrained, path, {"steps": "7"})
    loaded = load_embedded_sam(path)
    assert not loaded.training
    for name, value in untrained.state_dict().items():
        assert loaded.state_dict()[name].dtype == torch.float32
        torch.testing.assert_close(loaded.state_dict()[name], value.half().float(), rtol=0, atol=0)
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["steps"] == "7"
        assert file.metadata()["format"] == FORMAT


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not safetensors", b"\xff" * 64])
def test_damaged_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointMissing, match=r"weights\.safetensors"):
        load_embedded_sam(path)


def test_a_truncated_file_is_refused(untrained: EmbeddedSam, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_embedded_sam(untrained, path, {})
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointMissing, match=r"weights\.safetensors"):
        load_embedded_sam(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissing, match="missing"):
        load_embedded_sam(tmp_path / "weights.safetensors")


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"format": "something else", "version": VERSION})
    with pytest.raises(CheckpointMissing, match="something else"):
        load_embedded_sam(path)


def test_tensors_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"format": FORMAT, "version": VERSION})
    with pytest.raises(CheckpointMissing, match="another network"):
        load_embedded_sam(path)


def test_the_shipped_file_is_small_and_says_what_it_is(trained: EmbeddedSam) -> None:
    path = CHECKPOINT_FOLDER / "embedded.safetensors"
    assert path.stat().st_size < 16e6
    with safe_open(path, framework="pt") as file:
        assert {"format", "version", "architecture"} <= file.metadata().keys()
    assert all(torch.isfinite(value).all() for value in trained.state_dict().values())


def test_an_earlier_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"format": FORMAT, "version": "2"})
    with pytest.raises(CheckpointMissing, match=f'version 2; expected "{FORMAT}" version {VERSION}'):
        load_embedded_sam(path)
