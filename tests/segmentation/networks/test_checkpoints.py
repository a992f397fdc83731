"""The list of checkpoints, without loading one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from server.errors import BadParameter, CheckpointMissing
from server.segmentation.networks.checkpoints import find_checkpoint, list_checkpoints, read_sources


def test_known_checkpoints_are_listed_in_an_empty_folder(tmp_path: Path) -> None:
    listed = list_checkpoints(tmp_path)
    assert [item.name for item in listed] == ["embedded", "vit_b", "vit_l", "vit_h"]
    assert not any(item.available for item in listed)
    assert [item.embedded for item in listed] == [True, False, False, False]
    assert [item.input_size for item in listed] == [512, 1024, 1024, 1024]
    assert {item.licence for item in listed} == {"Apache-2.0"}


def test_official_sources_are_complete() -> None:
    for name in ("vit_b", "vit_l", "vit_h"):
        source = read_sources()[name]
        assert source.url is not None
        assert source.url.endswith("/" + source.file)
        assert source.sha256 is not None
        assert len(source.sha256) == 64
        assert source.size_bytes is not None


def test_a_folder_that_does_not_exist_is_an_empty_one(tmp_path: Path) -> None:
    assert not any(item.available for item in list_checkpoints(tmp_path / "absent"))


def test_parameters_of_the_embedded_one_are_counted(tmp_path: Path) -> None:
    tensors = {"a": np.zeros((3, 4), np.float32), "b": np.zeros(5, np.float32)}
    save_file(tensors, tmp_path / "embedded.safetensors", metadata={"trained": "no"})
    embedded = list_checkpoints(tmp_path)[0]
    assert (embedded.available, embedded.parameters) == (True, 17)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x05\0\0\0\0\0\0\0[1]  "])
def test_a_damaged_embedded_file_does_not_break_the_list(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "embedded.safetensors").write_bytes(content)
    assert list_checkpoints(tmp_path)[0].parameters is None


def test_files_of_the_operator_appear(tmp_path: Path) -> None:
    for name in ("sam_vit_b_01ec64.pth", "sidewalks_ViT_L_v2.pth", "mine.pth", "notes.txt", "half.pth.part"):
        (tmp_path / name).touch()
    listed = {item.name: item for item in list_checkpoints(tmp_path)}
    assert [name for name, item in listed.items() if item.available] == ["vit_b", "mine", "sidewalks_ViT_L_v2"]
    assert (listed["mine"].kind, listed["sidewalks_ViT_L_v2"].kind) == ("unknown", "vit_l")
    assert find_checkpoint(tmp_path, "mine") == tmp_path / "mine.pth"


@pytest.mark.parametrize("name", ["", "../mine", "mine.pth", "vit_B"])
def test_unknown_names_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.pth").touch()
    with pytest.raises(BadParameter, match="known are embedded, vit_b, vit_l, vit_h, mine") as error:
        find_checkpoint(tmp_path, name)
    assert error.value.field == "checkpoint"


def test_a_missing_file_tells_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissing, match=r"fetch vit_h"):
        find_checkpoint(tmp_path, "vit_h")
    with pytest.raises(CheckpointMissing, match=r"repository"):
        find_checkpoint(tmp_path, "embedded")
