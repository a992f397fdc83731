"""Examples are the same whether encoder outputs are kept, found again, or had no room."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch

from server.datasets.scenes import Dataset
from server.segmentation.networks.embedded import EmbeddedSam
from server.training.finetuning.answering import encode
from server.training.finetuning.embedding_store import EmbeddingStore, round_as_stored
from server.training.finetuning.examples import FreshExamples, KeptExamples, Views
from server.training.finetuning.windows import plan_training_windows


@pytest.mark.parametrize("room", [1 << 24, 1])
def test_kept_and_fresh_examples_are_equal(roads: Dataset, untrained: EmbeddedSam, tmp_path: Path, room: int) -> None:
    windows = plan_training_windows(roads[:2], 1, 64, lambda _: None)
    fresh = FreshExamples(Views(roads[:2], windows, 1, 64), partial(encode, untrained), 0)
    kept = KeptExamples(fresh, EmbeddingStore(tmp_path, room), "one")
    for _ in range(2):
        for number, variant in ((0, 0), (1, 0), (1, 3)):
            expected, labels = fresh.get(number, variant)
            embedding, kept_labels = kept.get(number, variant)
            assert torch.equal(embedding, round_as_stored(expected))
            assert (kept_labels == labels).all()
    assert len(list(tmp_path.iterdir())) == (3 if room > 1 else 0)


def test_memory_for_scenes_is_bounded(roads: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    from server.training.finetuning import examples

    windows = plan_training_windows(roads[:4], 1, 64, lambda _: None)
    views = Views(roads[:4], windows, 1, 64)
    monkeypatch.setattr(examples, "SCENES_BYTES", 80 * 64 * 7 * 2)  # two scenes of 80 x 64 pixels
    shown = [views.show(number, 0, 0) for number in range(len(windows))]
    assert len(views._scenes) == 2
    assert (views.show(0, 0, 0).rgb == shown[0].rgb).all()
