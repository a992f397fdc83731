"""Two stages with few tokens give the numbers of the package's one call."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from server.segmentation.networks.decoding.choice import choose_decoder
from server.segmentation.networks.decoding.embedded import EmbeddedDecoder
from server.segmentation.networks.decoding.official import OfficialDecoder
from server.segmentation.networks.decoding.stages import RatedClicks
from server.segmentation.networks.embedded import build_embedded_sam
from tests.segmentation.parity import make_official_sam


class PlainDecoder:
    """The network's own decoder in one call."""

    def __init__(self, network: Any) -> None:
        self.network = network

    def start(self, image_embedding: torch.Tensor) -> None:
        self.embedding = image_embedding

    def rate(self, points: torch.Tensor) -> RatedClicks:
        sparse, dense = self.network.prompt_encoder((points[:, None], torch.ones(len(points), 1)), None, None)
        logits, quality = self.network.mask_decoder(
            image_embeddings=self.embedding,
            image_pe=self.network.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        return RatedClicks(quality, (logits,))

    def draw(self, rated: RatedClicks) -> torch.Tensor:
        return rated.features[0]


@pytest.fixture(scope="module")
def network() -> Any:
    return make_official_sam(is_sharp=False)


def make_scene(network: Any, n_clicks: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return an image embedding and clicks (n_clicks, 2) in pixels of the network's input."""
    torch.manual_seed(3)
    grid = network.prompt_encoder.image_embedding_size
    return torch.randn(1, 256, *grid), torch.rand(n_clicks, 2) * network.image_encoder.img_size


def relative_error(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).norm() / theirs.norm())


@pytest.mark.parametrize("n_clicks", [1, 5])
def test_numbers_are_those_of_one_call(network: Any, n_clicks: int) -> None:
    embedding, points = make_scene(network, n_clicks)
    ours, theirs = OfficialDecoder(network), PlainDecoder(network)
    with torch.inference_mode():
        for decoder in (ours, theirs):
            decoder.start(torch.zeros_like(embedding))  # an earlier image leaves nothing behind
            decoder.start(embedding)
        rated, expected = ours.rate(points), theirs.rate(points)
        assert relative_error(rated.quality, expected.quality) < 1e-5
        assert relative_error(ours.draw(rated), theirs.draw(expected)) < 1e-5


def test_selected_clicks_are_drawn_as_among_all(network: Any) -> None:
    embedding, points = make_scene(network, 5)
    decoder = OfficialDecoder(network)
    with torch.inference_mode():
        decoder.start(embedding)
        rated = decoder.rate(points)
        rows = torch.tensor([1, 4])
        some = rated.select(rows)
        assert torch.equal(some.quality, rated.quality[rows])
        torch.testing.assert_close(decoder.draw(some), decoder.draw(rated)[rows])
    assert rated.select(torch.arange(5)) is rated


def test_rating_draws_nothing(network: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    embedding, points = make_scene(network, 2)
    decoder = OfficialDecoder(network)

    def refuse(*_: object) -> None:
        raise AssertionError("upscaled before it was asked to")

    monkeypatch.setattr(decoder._upscaling, "draw", refuse)
    with torch.inference_mode():
        decoder.start(embedding)
        rated = decoder.rate(points)
        with pytest.raises(AssertionError):
            decoder.draw(rated)


def test_lower_precision_is_close() -> None:
    network = make_official_sam(input_size=64, is_sharp=False)
    embedding, points = make_scene(network, 2)
    decoder = OfficialDecoder(network)
    with torch.inference_mode():
        decoder.start(embedding)
        exact = decoder.rate(points)
        logits = decoder.draw(exact)
        with torch.autocast("cpu", torch.bfloat16):
            decoder.start(embedding)
            rough = decoder.rate(points)
            assert relative_error(decoder.draw(rough), logits) < 0.05
    assert rough.quality.dtype == torch.float32
    assert relative_error(rough.quality, exact.quality) < 0.05


def test_every_network_gets_its_decoder(network: Any, tiny_sam: Any) -> None:
    assert isinstance(choose_decoder(network), OfficialDecoder)
    assert isinstance(choose_decoder(tiny_sam), OfficialDecoder)


def test_the_embedded_network_in_two_stages_gives_the_numbers_of_one_call() -> None:
    torch.manual_seed(0)
    network = build_embedded_sam(128).eval()
    ours, theirs = choose_decoder(network), PlainDecoder(network)
    assert isinstance(ours, EmbeddedDecoder)
    points = torch.rand(5, 2) * 128
    with torch.inference_mode():
        embedding = network.image_encoder(torch.randn(1, 3, 128, 128))
        for decoder in (ours, theirs):
            decoder.start(embedding)
        rated, expected = ours.rate(points), theirs.rate(points)
        assert relative_error(rated.quality, expected.quality) < 1e-5
        rows = torch.tensor([0, 3])
        assert relative_error(ours.draw(rated.select(rows)), theirs.draw(expected)[rows]) < 1e-5
