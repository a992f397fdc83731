"""SAM's own mask decoder in two stages: the same numbers as the package's, with less than half of the arithmetic."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from server.segmentation.networks.decoding.few_tokens import ImageToToken, TokenToImage
from server.segmentation.networks.decoding.stages import RatedClicks


class _Block:
    """One two-way block of the package's transformer with the cheap order of products."""

    def __init__(self, block: Any, positions: torch.Tensor) -> None:
        self._block = block
        self._to_image = TokenToImage(block.cross_attn_token_to_image, positions)
        self._to_tokens = ImageToToken(block.cross_attn_image_to_token, positions)

    def start(self, image: torch.Tensor) -> None:
        """Take the sequence (N, C) that all clicks share; only the first block has one."""
        self._image = image
        self._keys_values = self._to_image.share(image)
        self._queries = self._to_tokens.share(image)

    def run_on_shared(self, tokens: torch.Tensor, click: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the new tokens (B, T, C) and each click's own image sequence (B, N, C).

        Args:
            tokens: (B, T, C).
            click: (B, T, C), the tokens as they entered the transformer, which serve as position encoding.
        """
        tokens = self._attend_to_each_other(tokens, click)
        tokens = self._think(tokens, self._to_image.look_at_shared(tokens + click, self._keys_values))
        images = self._to_tokens.add_to_shared(self._image, self._queries, tokens + click, tokens)
        return tokens, self._block.norm4(images)

    def run_on_own(
        self, tokens: torch.Tensor, click: torch.Tensor, images: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Do the same where every click has its own image sequence (B, N, C), which is overwritten."""
        tokens = self._attend_to_each_other(tokens, click)
        tokens = self._think(tokens, self._to_image.look_at_own(tokens + click, images))
        images = self._to_tokens.add_to_own(images, tokens + click, tokens)
        return tokens, self._block.norm4(images)

    def _attend_to_each_other(self, tokens: torch.Tensor, click: torch.Tensor) -> torch.Tensor:
        block = self._block
        if block.skip_first_layer_pe:
            attended = block.self_attn(q=tokens, k=tokens, v=tokens)
        else:
            asked = tokens + click
            attended = tokens + block.self_attn(q=asked, k=asked, v=tokens)
        result: torch.Tensor = block.norm1(attended)
        return result

    def _think(self, tokens: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        block = self._block
        tokens = block.norm2(tokens + seen)
        result: torch.Tensor = block.norm3(tokens + block.mlp(tokens))
        return result


class OfficialDecoder:
    """Implements `StagedDecoder` for `segment_anything.modeling.MaskDecoder` with its three masks per click."""

    def __init__(self, network: Any) -> None:
        """Prepare for `network`, a `segment_anything.modeling.Sam`; its weights are used where they lie."""
        self._prompt_encoder = network.prompt_encoder
        self._decoder = network.mask_decoder
        transformer = self._decoder.transformer
        with torch.no_grad():
            positions = self._prompt_encoder.get_dense_pe()[0].flatten(1).T.contiguous()
            self._blocks = [_Block(block, positions) for block in transformer.layers]
            self._final = TokenToImage(transformer.final_attn_token_to_image, positions)
            self._upscaling = _Upscaling(self._decoder.output_upscaling)

    def start(self, image_embedding: torch.Tensor) -> None:
        """Take a new image; see `StagedDecoder`."""
        # Without a mask prompt the dense prompt is one vector, equal at every position and for every click.
        image = image_embedding[0] + self._prompt_encoder.no_mask_embed.weight.view(-1, 1, 1)
        self._grid = image.shape[1:]
        self._blocks[0].start(image.flatten(1).T.contiguous())

    def rate(self, points: torch.Tensor) -> RatedClicks:
        """Return predicted IoUs; see `StagedDecoder`. Upscaling, a third of the work, has not happened yet."""
        labels = torch.ones(len(points), 1, dtype=torch.int, device=points.device)
        sparse, _ = self._prompt_encoder((points[:, None], labels), None, None)
        quality, tokens, images = self._look(sparse)
        return RatedClicks(quality[:, 1:], (tokens[:, 1:], images))

    def draw(self, rated: RatedClicks) -> torch.Tensor:
        """Return the logits; see `StagedDecoder`."""
        tokens, images = rated.features
        return self._draw(tokens, images, self._decoder.output_hypernetworks_mlps[1:])

    def decode(self, sparse: torch.Tensor, *, multimask: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits (B, M, side, side) and predicted IoU (B, M) of prompts of any kind but masks.

        Args:
            sparse: (B, T, C), tokens as the prompt encoder makes them of clicks and boxes.
            multimask: the three masks of different extent; False for the one of unambiguous prompts.
        """
        which = slice(1, None) if multimask else slice(1)
        quality, tokens, images = self._look(sparse)
        logits = self._draw(tokens[:, which], images, self._decoder.output_hypernetworks_mlps[which])
        return logits, quality[:, which]

    def _look(self, sparse: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return predicted IoU (B, 4), tokens (B, 4, C) of the masks, the single one first, and images (B, N, C)."""
        decoder = self._decoder
        outputs = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        prompt = torch.cat([outputs.expand(len(sparse), -1, -1), sparse], dim=1)
        tokens, images = self._blocks[0].run_on_shared(prompt, prompt)
        for block in self._blocks[1:]:
            tokens, images = block.run_on_own(tokens, prompt, images)
        seen = self._final.look_at_own(tokens + prompt, images)
        tokens = decoder.transformer.norm_final_attn(tokens + seen)
        quality = decoder.iou_prediction_head(tokens[:, 0]).float()
        return quality, tokens[:, 1 : 1 + decoder.num_mask_tokens], images

    def _draw(self, tokens: torch.Tensor, images: torch.Tensor, networks: Any) -> torch.Tensor:
        """Return the logits of masks, (B, M, side, side), of their tokens (B, M, C)."""
        strokes = torch.stack([network(tokens[:, number]) for number, network in enumerate(networks)], dim=1)
        # On a processor one prompt at a time: its upscaled features, 13 MB, then stay in the cache.
        n_at_once = 1 if images.device.type == "cpu" else len(images)
        parts = zip(torch.split(images, n_at_once), torch.split(strokes, n_at_once), strict=True)
        return torch.cat([self._upscaling.draw(*part, self._grid) for part in parts]).float()


class _Upscaling:
    """The package's `output_upscaling`: transposed 2 x 2 convolutions do not overlap, so they are matrix products."""

    def __init__(self, layers: Any) -> None:
        first, self._norm, self._activate, second, self._activate_last = layers
        self._first, self._second = _UnfoldedConvolution(first), _UnfoldedConvolution(second)

    def draw(self, images: torch.Tensor, strokes: torch.Tensor, grid: torch.Size) -> torch.Tensor:
        """Return logits (B, M, 4 h, 4 w).

        Args:
            images: (B, h * w, C), the image sequences after the transformer.
            strokes: (B, M, C / 8), what each of M masks multiplies the upscaled features with.
            grid: h and w.
        """
        norm = self._norm
        doubled = self._first.apply(images)
        doubled = functional.layer_norm(doubled, doubled.shape[-1:], norm.weight, norm.bias, norm.eps)
        quadrupled = self._activate_last(self._second.apply(self._activate(doubled)))
        logits: torch.Tensor = strokes @ quadrupled.flatten(1, -2).transpose(1, 2)
        # Positions are in the order row, column, row and column within 2 x 2, and those within these 2 x 2 again.
        logits = logits.view(*logits.shape[:2], *grid, 2, 2, 2, 2).permute(0, 1, 2, 4, 6, 3, 5, 7)
        return logits.reshape(*strokes.shape[:2], 4 * grid[0], 4 * grid[1])


class _UnfoldedConvolution:
    """A transposed convolution with kernel and stride 2 as one matrix product."""

    def __init__(self, convolution: nn.ConvTranspose2d) -> None:
        in_channels, self._out_channels = convolution.weight.shape[:2]
        self._weight = convolution.weight.permute(0, 2, 3, 1).reshape(in_channels, -1).T.contiguous()
        # Transposed convolutions of the package always have a bias.
        self._bias = torch.as_tensor(convolution.bias).repeat(4)

    def apply(self, values: torch.Tensor) -> torch.Tensor:
        """Return (..., 2, 2, D), the 2 x 2 results at every position, for values (..., C)."""
        spread = functional.linear(values, self._weight, self._bias)
        return spread.view(*values.shape[:-1], 2, 2, self._out_channels)
