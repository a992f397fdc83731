"""What the prompt encoder draws for clicks, boxes and an earlier mask."""

from __future__ import annotations

import pytest
import torch

from server.segmentation.networks.embedded import EmbeddedSam

# Of every five click maps the first three are bells, narrow to wide, the others offsets along x and y.
BOX, HAS_BOX = 10, 11


def peak(drawn: torch.Tensor) -> tuple[int, int]:
    """Return row, col of the highest value."""
    return divmod(int(drawn.argmax()), drawn.shape[1])


@pytest.mark.parametrize(("label", "drawn", "empty"), [(1, 0, 5), (0, 5, 0)])
def test_a_click_is_drawn_where_it_is(untrained: EmbeddedSam, label: int, drawn: int, empty: int) -> None:
    points = (torch.tensor([[[22.0, 60.0]]]), torch.tensor([[label]]))
    maps = untrained.prompt_encoder.draw(points, None, None)[0]
    assert [peak(maps[drawn + bell]) for bell in range(3)] == [(7, 2)] * 3
    assert maps[drawn : drawn + 3].amax(dim=(1, 2)).tolist() == pytest.approx([0.8825, 0.9862, 0.9991], abs=1e-4)
    assert (maps[empty : empty + 5] == 0).all()


def test_the_place_inside_a_cell_is_told(untrained: EmbeddedSam) -> None:
    points = (torch.tensor([[[22.0, 61.0]]]), torch.tensor([[1]]))
    maps = untrained.prompt_encoder.draw(points, None, None)[0]
    weight = maps[0, 7, 2]
    assert (maps[3, 7, 2] / weight).item() == pytest.approx(2.5 - 22 / 8)
    assert (maps[4, 7, 2] / weight).item() == pytest.approx(7.5 - 61 / 8)


def test_two_clicks_keep_their_own_offsets(untrained: EmbeddedSam) -> None:
    coords = torch.tensor([[[22.0, 61.0], [100.0, 9.0]]])
    both = untrained.prompt_encoder.draw((coords, torch.ones(1, 2)), None, None)[0]
    for index in range(2):
        alone = untrained.prompt_encoder.draw((coords[:, [index]], torch.ones(1, 1)), None, None)[0]
        row, col = peak(alone[0])
        torch.testing.assert_close(both[:5, row, col], alone[:5, row, col])


def test_padding_clicks_are_not_drawn(untrained: EmbeddedSam) -> None:
    coords = torch.tensor([[[21.0, 61.0], [0.0, 0.0]]])
    one = untrained.prompt_encoder.draw((coords[:, :1], torch.tensor([[1]])), None, None)
    padded = untrained.prompt_encoder.draw((coords, torch.tensor([[1, -1]])), None, None)
    torch.testing.assert_close(one, padded)


def test_a_box_covers_cells_by_their_share(untrained: EmbeddedSam) -> None:
    maps = untrained.prompt_encoder.draw(None, torch.tensor([[12.0, 16.0, 32.0, 30.0]]), None)[0]
    expected = torch.zeros(16, 16)
    expected[2:4, 1:4] = torch.tensor([[1.0], [0.75]]) * torch.tensor([0.5, 1.0, 1.0])
    torch.testing.assert_close(maps[BOX], expected)
    assert (maps[HAS_BOX] == 1).all()


def test_an_earlier_mask_changes_the_embedding_where_it_is(untrained: EmbeddedSam) -> None:
    points = (torch.tensor([[[22.0, 61.0]]]), torch.tensor([[1]]))
    logits = torch.full((1, 1, 64, 64), -100.0)
    without = untrained.prompt_encoder(points, None, logits)[1]
    logits[:, :, 8:16, 20:24] = 100
    changed = (untrained.prompt_encoder(points, None, logits)[1] - without)[0].abs().sum(dim=0) > 0
    assert torch.nonzero(changed).tolist() == [[2, 5], [3, 5]]
    far_more_certain = untrained.prompt_encoder(points, None, logits * 100)[1]
    torch.testing.assert_close(far_more_certain, untrained.prompt_encoder(points, None, logits)[1])


def test_dense_and_sparse_shapes(untrained: EmbeddedSam) -> None:
    points = (torch.rand(5, 2, 2) * 128, torch.ones(5, 2, dtype=torch.int64))
    sparse, dense = untrained.prompt_encoder(points, torch.rand(5, 4) * 128, torch.randn(5, 1, 64, 64))
    assert sparse.shape[:2] == (5, 0)
    assert dense.shape == (5, 67, 16, 16)
