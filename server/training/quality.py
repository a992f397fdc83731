"""Teaches the predicted IoU anew when everything else has been learned, on images as large as the network's input.

Training shows small images to a network that is still changing; what it rates later are full-size inputs and masks that
stand still. The rating reads a short description of each mask, so it can be fitted to thousands of them in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from server.segmentation.networks.embedded import EmbeddedSam
from server.segmentation.networks.embedded.prompt_encoder import PromptMaps
from server.training.labelled_images import UNKNOWN, LabelledImage, object_ids
from server.training.losses import mask_ious, to_mask_resolution
from server.training.prompts import centre_click, choose_objects, drawn_box, random_click
from server.training.scene_canvas import Mask

PROMPTS_PER_IMAGE = 24
# The rest are clicks: everything-mode clicks anywhere on an object, people in the middle.
BOX_SHARE, CENTRE_SHARE = 0.25, 0.5
# Images, not masks, are held out: masks of one image resemble each other.
HELD_OUT_SHARE = 0.2
BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 512, 3e-3, 1e-2
N_EPOCHS, PATIENCE = 200, 20
# Synthetic scenes and regions of one colour are full of small things; what people outline is more often the whole. So
# much is added to the log-odds of the mask that tends to be the largest, the middle one and the smallest.
EXTENT_ODDS = (0.25, 0.0, -0.25)


@dataclass(frozen=True)
class RatedSamples:
    """Masks of one image with what the rating sees and what it should say.

    Attributes:
        described: float32 (N, 3, D), see `MaskDecoder.describe`.
        ious: float32 (N, 3), true IoU.
        areas: float32 (N, 3), share of the image that each mask covers.
    """

    described: torch.Tensor
    ious: torch.Tensor
    areas: torch.Tensor

    @staticmethod
    def join(parts: Sequence[RatedSamples]) -> RatedSamples:
        """Return all samples of several images."""
        return RatedSamples(
            torch.cat([part.described for part in parts]),
            torch.cat([part.ious for part in parts]),
            torch.cat([part.areas for part in parts]),
        )


@dataclass(frozen=True)
class FittedRating:
    """What fitting did.

    Attributes:
        before: mean over held-out prompts of the chosen mask's IoU, with the rating as it was.
        after: the same afterwards.
        preference: float32 (3,), what to add to the log-odds of each mask, see `EXTENT_ODDS`.
    """

    before: float
    after: float
    preference: torch.Tensor


def fit_quality(network: EmbeddedSam, images: Sequence[LabelledImage], seed: int) -> FittedRating:
    """Fit the network's rating to the true IoU of its masks; the one that is best on held-out images stays.

    Args:
        network: in evaluation mode.
        images: squares of its input size, at least two with objects.
        seed: of prompts and order.
    """
    rng = np.random.default_rng(seed)
    samples = [collect_samples(network, image, rng) for image in tqdm(images, unit="image") if _has_objects(image)]
    n_held_out = max(1, round(HELD_OUT_SHARE * len(samples)))
    held_out, shown = RatedSamples.join(samples[:n_held_out]), RatedSamples.join(samples[n_held_out:])
    head = network.mask_decoder.quality
    before = chosen_iou(head, held_out)
    with torch.enable_grad():
        _fit(head.requires_grad_(True), shown, held_out, torch.Generator().manual_seed(seed))
    head.requires_grad_(False)
    return FittedRating(before, chosen_iou(head, held_out), prefer_larger(shown.areas))


def prefer_larger(areas: torch.Tensor) -> torch.Tensor:
    """Return (3,): the `EXTENT_ODDS` of the masks whose areas, (N, 3), tend to be large, middling and small."""
    preference = torch.zeros(areas.shape[1])
    preference[areas.mean(dim=0).argsort(descending=True)] = torch.tensor(EXTENT_ODDS)
    return preference


def _fit(head: nn.Module, shown: RatedSamples, held_out: RatedSamples, order: torch.Generator) -> None:
    """Descend until the held-out loss has not fallen for a while; leave the best weights in `head`."""
    optimizer = torch.optim.AdamW(head.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    best, best_weights, n_worse = _loss(head, held_out.described, held_out.ious).item(), _copy_weights(head), 0
    for _ in range(N_EPOCHS):
        for rows in torch.split(torch.randperm(len(shown.ious), generator=order), BATCH_SIZE):
            optimizer.zero_grad(set_to_none=True)
            _loss(head, shown.described[rows], shown.ious[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        now = _loss(head, held_out.described, held_out.ious).item()
        n_worse = 0 if now < best else n_worse + 1
        if now < best:
            best, best_weights = now, _copy_weights(head)
        if n_worse > PATIENCE:
            break
    head.load_state_dict(best_weights)


def _copy_weights(head: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in head.state_dict().items()}


def _loss(head: nn.Module, described: torch.Tensor, ious: torch.Tensor) -> torch.Tensor:
    """Return the cross-entropy, whose minimum is the expected IoU."""
    return functional.binary_cross_entropy_with_logits(head(described).squeeze(2), ious)


def chosen_iou(head: nn.Module, samples: RatedSamples) -> float:
    """Return the mean true IoU of the masks that `head` rates highest."""
    with torch.no_grad():
        chosen = head(samples.described).squeeze(2).argmax(dim=1, keepdim=True)
    return float(samples.ious.gather(1, chosen).mean())


def collect_samples(network: EmbeddedSam, image: LabelledImage, rng: np.random.Generator) -> RatedSamples:
    """Click on objects of an image or draw their boxes, once each; describe and measure the masks."""
    ids = choose_objects(image.labels, object_ids(image.labels), PROMPTS_PER_IMAGE, rng)
    meant = np.stack([image.labels == chosen for chosen in ids])
    prompts = [_draw_prompt(network, mask, rng) for mask in meant]
    known = to_mask_resolution(torch.from_numpy(image.labels != UNKNOWN)[None])
    targets = to_mask_resolution(torch.from_numpy(meant))
    with torch.no_grad():
        rgb = torch.from_numpy(image.rgb).permute(2, 0, 1)[None].float()
        embeddings = network.image_encoder(network.preprocess(rgb))
        return RatedSamples.join(list(_rate(network, embeddings, prompts, (targets, known))))


def _draw_prompt(network: EmbeddedSam, mask: Mask, rng: np.random.Generator) -> PromptMaps:
    """Return a box around `mask`, bool (H, W), or a click on it, as the decoder gets them."""
    with torch.no_grad():
        if rng.random() < BOX_SHARE:
            box = torch.tensor([drawn_box(mask, rng)], dtype=torch.float32)
            return PromptMaps.split(network.prompt_encoder(None, box, None)[1])
        click = centre_click(mask) if rng.random() < CENTRE_SHARE else random_click(mask, rng)
        return network.prompt_encoder.encode_clicks(torch.tensor([click], dtype=torch.float32))


def _rate(
    network: EmbeddedSam,
    embeddings: torch.Tensor,
    prompts: Sequence[PromptMaps],
    truth: tuple[torch.Tensor, torch.Tensor],
) -> Iterator[RatedSamples]:
    """Yield the samples of one prompt after the other."""
    decoder = network.mask_decoder
    shared = decoder.share(embeddings)
    for index, prompt in enumerate(prompts):
        described, features = decoder.describe(shared, prompt)
        logits = decoder.draw(embeddings, features)
        ious = mask_ious(logits, truth[0][index : index + 1], truth[1])
        yield RatedSamples(described, ious, (logits > 0).float().mean(dim=(2, 3)))


def _has_objects(image: LabelledImage) -> bool:
    return len(object_ids(image.labels)) > 0
