"""The mask decoder: rates every prompt on a coarse sketch, and draws the fine masks only of those that are wanted."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import nn
from torch.nn import functional

from server.segmentation.networks.embedded.image_encoder import DETAIL_CHANNELS, EMBEDDING_CHANNELS, FEATURE_CHANNELS
from server.segmentation.networks.embedded.layers import AttentionBlock, ResidualBlock, make_norm, project
from server.segmentation.networks.embedded.prompt_encoder import N_POOLED, PROMPT_CHANNELS, PromptMaps

N_MASKS = 3
# Similarities are computed in several subspaces, so that colour, texture and edges can be told apart.
N_SUBSPACES, SUBSPACE_CHANNELS = 8, 16
CHANNELS, MIDDLE_CHANNELS, DEEP_CHANNELS = PROMPT_CHANNELS, 96, 128
N_ATTENTION_BLOCKS, N_HEADS = 2, 4
# What a mask is rated by: certainty, area, number, how it lies to the two others, stability, is its extent said.
N_DESCRIBED, QUALITY_CHANNELS = 13, 16
# Between these shares of certainty lies the border of a sketch: logits of -1 and +1, as in SAM's stability score.
LOOSE, STRICT = 0.27, 0.73
# On a processor, activations of a few prompts stay in its cache; of sixty they do not, and take four times as long.
N_PROMPTS_AT_ONCE = 4


class ImageShare(NamedTuple):
    """What all prompts on an image have in common.

    Attributes:
        base: (1 or B, 64, S/8, S/8), what the image adds to the features of every prompt.
        keys: (1 or B, 8, 16, S/8, S/8), unit vectors to compare positions with.
    """

    base: torch.Tensor
    keys: torch.Tensor


class MaskDecoder(nn.Module):
    """One image embedding and B prompts to masks (B, 3, S/2, S/2) and their predicted IoU (B, 3).

    It works in two stages that can be called one by one: `rate` gives the predicted IoU and costs little, `draw` gives
    the masks. `forward` is both.

    Attributes:
        logit_gain: factor on the logits, which sharpens masks so that stability scores compare with SAM's.
        quality_shift: (3,), their mean is added to the log-odds of predicted IoU; differences between the three say
            which extent is meant in case of doubt.
    """

    logit_gain: torch.Tensor
    quality_shift: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self._recalled: tuple[torch.Tensor, ImageShare] | None = None
        self.register_buffer("logit_gain", torch.ones(()))
        self.register_buffer("quality_shift", torch.zeros(N_MASKS))
        self.keys = nn.Conv2d(EMBEDDING_CHANNELS, N_SUBSPACES * SUBSPACE_CHANNELS, 1)
        self.image = nn.Conv2d(EMBEDDING_CHANNELS, CHANNELS, 1)
        self.similarity = nn.Conv2d(N_POOLED * N_SUBSPACES, CHANNELS, 1)
        self.down16 = nn.Sequential(make_norm(CHANNELS), nn.GELU(), nn.Conv2d(CHANNELS, MIDDLE_CHANNELS, 3, 2, 1))
        self.middle = ResidualBlock(MIDDLE_CHANNELS)
        self.down32 = nn.Sequential(
            make_norm(MIDDLE_CHANNELS), nn.GELU(), nn.Conv2d(MIDDLE_CHANNELS, DEEP_CHANNELS, 3, 2, 1)
        )
        self.deep = nn.Sequential(*(AttentionBlock(DEEP_CHANNELS, N_HEADS) for _ in range(N_ATTENTION_BLOCKS)))
        self.up16 = nn.Conv2d(DEEP_CHANNELS, MIDDLE_CHANNELS, 1)
        self.up8 = nn.Conv2d(MIDDLE_CHANNELS, CHANNELS, 1)
        self.sketch = nn.Sequential(make_norm(CHANNELS), nn.GELU(), nn.Conv2d(CHANNELS, 4 * N_MASKS, 1))
        # It sees no features: what they tell about masks of images it was fitted to is wrong on others.
        self.quality = nn.Sequential(
            nn.Linear(N_DESCRIBED, QUALITY_CHANNELS),
            nn.GELU(),
            nn.Linear(QUALITY_CHANNELS, QUALITY_CHANNELS),
            nn.GELU(),
            nn.Linear(QUALITY_CHANNELS, 1),
        )
        self.leave = ResidualBlock(CHANNELS)
        self.up4 = nn.Conv2d(CHANNELS, 4 * DETAIL_CHANNELS, 1)
        self.mix4 = nn.Sequential(
            make_norm(DETAIL_CHANNELS), nn.GELU(), nn.Conv2d(DETAIL_CHANNELS, DETAIL_CHANNELS, 3, 1, 1)
        )
        self.masks = nn.Sequential(
            make_norm(DETAIL_CHANNELS), nn.GELU(), nn.Conv2d(DETAIL_CHANNELS, 4 * N_MASKS, 3, 1, 1)
        )

    def forward(
        self,
        image_embeddings: torch.Tensor,
        image_pe: torch.Tensor,  # noqa: ARG002 - part of SAM's signature; positions are in the prompt maps
        sparse_prompt_embeddings: torch.Tensor,  # noqa: ARG002 - part of SAM's signature; always empty here
        dense_prompt_embeddings: torch.Tensor,
        multimask_output: bool,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Decode B prompts on one image.

        Args:
            image_embeddings: (1, 256, S/8, S/8), or (B, …) with one image per prompt.
            image_pe: ignored.
            sparse_prompt_embeddings: ignored.
            dense_prompt_embeddings: (B, 67, S/8, S/8).
            multimask_output: True for three masks, False for the one the network expects to be best.

        Returns:
            Logits (B, 3 or 1, S/2, S/2) and predicted IoU (B, 3 or 1), 0..1.
        """
        quality, features = self.rate(image_embeddings, dense_prompt_embeddings)
        masks = self.draw(image_embeddings, features)
        if multimask_output:
            return masks, quality
        best = self.choose_single(quality, PromptMaps.split(dense_prompt_embeddings).leave_doubt())
        rows = torch.arange(len(masks), device=masks.device)
        return masks[rows, best].unsqueeze(1), quality[rows, best].unsqueeze(1)

    def choose_single(self, quality: torch.Tensor, leave_doubt: torch.Tensor) -> torch.Tensor:
        """Return int64 (B,): which mask answers when only one is wanted.

        Who wants one asks for the best, so a preference for an extent that `quality` holds counts for nothing here.

        Args:
            quality: (B, 3), predicted IoU.
            leave_doubt: bool (B,), see `PromptMaps.leave_doubt`.
        """
        return (torch.logit(quality, eps=1e-6) - self._prefer(leave_doubt)).argmax(dim=1)

    def rate(self, embeddings: torch.Tensor, dense: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the first stage.

        Args:
            embeddings: (1, 256, S/8, S/8), or (B, …) with one image per prompt.
            dense: (B, 67, S/8, S/8).

        Returns:
            Predicted IoU (B, 3), 0..1, and the features (B, 64, S/8, S/8) that `draw` goes on from.
        """
        image = self.share(embeddings)
        parts = self._split(dense) if len(embeddings) == 1 else [dense]
        rated = (self.rate_shared(image, PromptMaps.split(part)) for part in parts)
        quality, features = zip(*rated, strict=True)
        return torch.cat(quality), torch.cat(features)

    def share(self, embeddings: torch.Tensor) -> ImageShare:
        """Return what all prompts on an image have in common; `embeddings` as in `rate`."""
        recalled = self._recalled
        if recalled is not None and recalled[0] is embeddings:
            return recalled[1]
        return ImageShare(self.image(embeddings), self._make_keys(embeddings))

    def recall(self, embeddings: torch.Tensor, share: ImageShare) -> None:
        """Let `share` return what it once did for `embeddings`, this very tensor, until another one is recalled."""
        self._recalled = embeddings, share

    def rate_shared(self, image: ImageShare, prompt: PromptMaps) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the first stage on a few prompts.

        Args:
            image: of the image, or of one image per prompt.
            prompt: of B prompts.

        Returns:
            As `rate`.
        """
        described, features = self.describe(image, prompt)
        odds = self.quality(described).squeeze(2) + self.quality_shift.mean() + self._prefer(prompt.leave_doubt())
        return torch.sigmoid(odds), features

    def describe(self, image: ImageShare, prompt: PromptMaps) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what each mask of a few prompts is rated by, (B, 3, 13), and the features, as `rate_shared` does."""
        features = self._look(image, prompt)
        return _describe(self._sketch_cells(features).detach(), prompt.leave_doubt()), features

    def _prefer(self, leave_doubt: torch.Tensor) -> torch.Tensor:
        """Return (B, 3): what is added to the log-odds of each mask because of its extent alone."""
        return (self.quality_shift - self.quality_shift.mean()) * leave_doubt[:, None]

    def draw(self, embeddings: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Run the second stage.

        Args:
            embeddings: as in `rate`.
            features: what `rate` returned, or some rows of it.

        Returns:
            Logits (B, 3, S/2, S/2).
        """
        detail = functional.pixel_shuffle(embeddings[:, FEATURE_CHANNELS:], 2)
        parts = self._split(features) if len(embeddings) == 1 else [features]
        masks = torch.cat([self._draw(detail, part) for part in parts])
        return masks * self.logit_gain

    def draw_sketch(self, features: torch.Tensor) -> torch.Tensor:
        """Return the first stage's coarse logits (B, 3, S/4, S/4); training shows them what is meant, too."""
        return functional.pixel_shuffle(self._sketch_cells(features), 2)

    def _sketch_cells(self, features: torch.Tensor) -> torch.Tensor:
        """Return the sketch with the four pixels of every cell as neighbouring channels, (B, 12, S/8, S/8)."""
        inner: torch.Tensor = self.sketch[:2](features)
        project = cast("nn.Conv2d", self.sketch[2])
        # A product of matrices: for so few outputs a convolution takes three times as long.
        cells = project.weight.flatten(1) @ inner.flatten(2) + cast("torch.Tensor", project.bias)[:, None]
        return cells.view(len(cells), -1, *features.shape[2:])

    def _split(self, batch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        is_split = not self.training and batch.device.type == "cpu"
        return torch.split(batch, N_PROMPTS_AT_ONCE) if is_split else (batch,)

    def _look(self, image: ImageShare, prompt: PromptMaps) -> torch.Tensor:
        """Return the first stage's features (B, 64, S/8, S/8)."""
        alike = _compare(image.keys, prompt.pooled)
        stride8 = project(self.similarity, alike).add_(prompt.embedded).add_(image.base)
        stride16 = self.middle(self.down16(stride8))
        # Attention leaves channels last; mixed with channels first, everything after it takes three times as long.
        stride32 = self.deep(self.down32(stride16)).contiguous()
        stride16 = stride16 + functional.interpolate(self.up16(stride32), scale_factor=2.0, mode="bilinear")
        return stride8 + functional.interpolate(self.up8(stride16), scale_factor=2.0, mode="bilinear")

    def _draw(self, detail: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, 3, S/2, S/2): the sketch, and what the fine features correct."""
        stride8 = self.leave(features)
        stride4 = functional.pixel_shuffle(self.up4(stride8), 2) + detail
        stride4 = stride4 + self.mix4(stride4)
        corrections = functional.pixel_shuffle(self.masks(stride4), 2)
        return corrections + functional.interpolate(self.draw_sketch(features), scale_factor=2.0, mode="bilinear")

    def _make_keys(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (B, 8, 16, h, w) to compare positions with."""
        keys: torch.Tensor = self.keys(embeddings)
        split = keys.reshape(len(keys), N_SUBSPACES, SUBSPACE_CHANNELS, *keys.shape[-2:])
        return functional.normalize(split, dim=2)


def _describe(cells: torch.Tensor, leave_doubt: torch.Tensor) -> torch.Tensor:
    """Return (B, 3, 13) of each sketch: certainty, area, number, how it lies to the others, stability, is it said."""
    shares = torch.sigmoid(cells).reshape(len(cells), N_MASKS, 4, -1)
    inside = shares.mean(dim=2)
    area = inside.sum(dim=2, keepdim=True)
    certainty = (inside * (2 * inside - 1).abs()).sum(dim=2, keepdim=True) / area.clamp(min=1e-3)
    share = torch.log(area.clamp(min=1e-1) / inside.shape[2]) / 10
    which = torch.eye(N_MASKS, device=cells.device).expand(len(cells), -1, -1)
    stability = (shares > STRICT).sum(dim=(2, 3)) / (shares > LOOSE).sum(dim=(2, 3)).clamp(min=1)
    said = (~leave_doubt)[:, None, None].expand(-1, N_MASKS, -1).to(cells)
    return torch.cat([certainty, share, which, _relate(inside, area), stability[:, :, None], said], dim=2)


def _relate(inside: torch.Tensor, area: torch.Tensor) -> torch.Tensor:
    """Return (B, 3, 6): of each mask IoU with the next two, the share of it that they hold, and the log ratio of areas.

    Args:
        inside: (B, 3, P), shares of the cells.
        area: (B, 3, 1), their sums.
    """
    both = inside @ inside.transpose(1, 2)
    others = area.transpose(1, 2)
    iou = both / (area + others - both).clamp(min=1e-3)
    held = both / area.clamp(min=1e-3)
    ratio = torch.log(others.clamp(min=1e-1) / area.clamp(min=1e-1)) / 3
    pairs = torch.stack([iou, held, ratio], dim=3)
    rows = torch.arange(N_MASKS, device=inside.device)
    return torch.cat([pairs[:, rows, (rows + step) % N_MASKS] for step in (1, 2)], dim=2)


def _compare(keys: torch.Tensor, pooled: torch.Tensor) -> torch.Tensor:
    """Return cosine similarities (B, 8 K, h, w) of every position to what lies under clicks and box.

    Args:
        keys: unit vectors (1 or B, 8, 16, h, w).
        pooled: (B, K, h, w), where clicks and box are.
    """
    flat = keys.flatten(3)
    weights = pooled.flatten(2)
    weights = weights / weights.sum(dim=2, keepdim=True).clamp(min=1e-6)
    if len(flat) == 1:
        asked = torch.einsum("scp,bkp->bksc", flat[0], weights)
        alike = torch.einsum("scp,bksc->bksp", flat[0], functional.normalize(asked, dim=3, eps=1e-6))
    else:
        asked = torch.einsum("bscp,bkp->bksc", flat, weights)
        alike = torch.einsum("bscp,bksc->bksp", flat, functional.normalize(asked, dim=3, eps=1e-6))
    return alike.reshape(len(pooled), -1, *keys.shape[-2:])
