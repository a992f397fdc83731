"""Kept encoder outputs: found again, bounded in bytes, and whole whatever happened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from server.segmentation.networks.embedded import EmbeddedSam
from server.training.finetuning.embedding_store import EmbeddingStore, digest_encoder, make_key, round_as_stored

ONE = torch.arange(512.0).reshape(1, 2, 16, 16) / 7
FILE_BYTES = 128 + 2 * 512  # numpy's header and half precision


def test_what_is_kept_is_found_by_a_later_run(tmp_path: Path) -> None:
    EmbeddingStore(tmp_path, 10_000).keep("one", ONE)
    later = EmbeddingStore(tmp_path, 10_000)
    found = later.find("one")
    assert found is not None
    assert torch.equal(found, round_as_stored(ONE))
    assert (later.find("two"), later.n_bytes) == (None, FILE_BYTES)


def test_drafts_and_damaged_files_of_a_cut_off_run_go(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, 10_000)
    store.keep("one", ONE)
    (tmp_path / "two.part").write_bytes(b"half")
    (tmp_path / "three.npy").write_bytes((tmp_path / "one.npy").read_bytes()[:300])
    (tmp_path / "four.npy").write_bytes(b"")
    later = EmbeddingStore(tmp_path, 10_000)
    assert later.find("three") is None
    assert later.find("four") is None
    assert [path.name for path in tmp_path.iterdir()] == ["one.npy"]
    assert later.n_bytes == FILE_BYTES


def test_the_bound_holds_and_files_in_use_stay(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, 2 * FILE_BYTES)
    for key in ("one", "two", "three"):
        store.keep(key, ONE)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["one", "two"]
    assert store.n_bytes == 2 * FILE_BYTES


def test_files_that_a_run_does_not_use_make_room(tmp_path: Path) -> None:
    first = EmbeddingStore(tmp_path, 2 * FILE_BYTES)
    first.keep("one", ONE)
    first.keep("two", ONE)
    second = EmbeddingStore(tmp_path, 2 * FILE_BYTES)
    assert second.find("one") is not None
    second.keep("three", ONE)
    second.keep("four", ONE)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["one", "three"]


def test_keys_follow_pixels_and_encoder_alone(untrained: EmbeddedSam) -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    before = digest_encoder(untrained)
    with torch.no_grad():
        untrained.mask_decoder.image.bias.add_(1.0)
    assert digest_encoder(untrained) == before
    with torch.no_grad():
        untrained.image_encoder.stem.bias[0] += 1e-3
    after = digest_encoder(untrained)
    assert after != before
    other = image.copy()
    other[3, 4, 1] = 1
    assert len({make_key(before, image), make_key(after, image), make_key(before, other)}) == 3
    assert make_key(before, image.copy()) == make_key(before, image)


@pytest.mark.parametrize("shape", [(1, 2, 16, 16), (1, 1, 4, 4)])
def test_shapes_come_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    store = EmbeddingStore(tmp_path, 10_000)
    store.keep("one", torch.ones(shape))
    found = store.find("one")
    assert found is not None
    assert found.shape == shape
