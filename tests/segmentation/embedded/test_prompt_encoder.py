"""What the prompt encoder draws for clicks, boxes and an earlier mask."""

from __future__ import annotations

import pytest
import torch

from server.segmentation.embedded import EmbeddedSam

INSIDE_CLICKS, OUTSIDE_CLICKS, BOX, HAS_BOX, EARLIER, HAS_EARLIER = range(6)


def peak(drawn: torch.Tensor) -> tuple[int, int]:
    """Return row, col of the highest value."""
    return divmod(int(drawn.argmax()), drawn.shape[1])


@pytest.mark.parametrize(("label", "drawn_in", "empty"), [(1, 0, 1), (0, 1, 0)])
def test_a_click_is_drawn_where_it_is(untrained: EmbeddedSam, label: int, drawn_in: int, empty: int) -> None:
    points = (torch.tensor([[[21.0, 61.0]]]), torch.tensor([[label]]))
    maps = untrained.prompt_encoder.draw(points, None, None)[0]
    assert peak(maps[drawn_in]) == (30, 10)
    assert maps[drawn_in].max() == pytest.approx(1.0)
    assert (maps[empty] == 0).all()


def test_padding_clicks_are_not_drawn(untrained: EmbeddedSam) -> None:
    coords = torch.tensor([[[21.0, 61.0], [0.0, 0.0]]])
    one = untrained.prompt_encoder.draw((coords[:, :1], torch.tensor([[1]])), None, None)
    padded = untrained.prompt_encoder.draw((coords, torch.tensor([[1, -1]])), None, None)
    torch.testing.assert_close(one, padded)


def test_a_box_is_filled_and_flagged(untrained: EmbeddedSam) -> None:
    maps = untrained.prompt_encoder.draw(None, torch.tensor([[10.0, 20.0, 50.0, 40.0]]), None)[0]
    rows, cols = torch.nonzero(maps[BOX], as_tuple=True)
    assert (int(cols.min()), int(rows.min()), int(cols.max()), int(rows.max())) == (5, 10, 24, 19)
    assert (maps[HAS_BOX] == 1).all()


def test_an_earlier_mask_is_bounded_and_flagged(untrained: EmbeddedSam) -> None:
    logits = torch.linspace(-100, 100, 64 * 64).reshape(1, 1, 64, 64)
    maps = untrained.prompt_encoder.draw(None, None, logits)[0]
    assert maps[EARLIER].abs().max() <= 1
    assert ((maps[EARLIER] > 0) == (logits[0, 0] > 0)).all()
    assert (maps[HAS_EARLIER] == 1).all()


def test_dense_and_sparse_shapes(untrained: EmbeddedSam) -> None:
    points = (torch.rand(5, 2, 2) * 128, torch.ones(5, 2, dtype=torch.int64))
    sparse, dense = untrained.prompt_encoder(points, torch.rand(5, 4) * 128, torch.randn(5, 1, 64, 64))
    assert sparse.shape[:2] == (5, 0)
    assert dense.shape == (5, 67, 16, 16)
