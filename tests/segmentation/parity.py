"""Compares our masks with those of the package's generator, and makes networks that give both something to do."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from server.segmentation.mask_records import MaskRecord

# Masks and ratings may differ by float rounding; these are the tolerances of one match.
MIN_IOU, MAX_RATING_DIFFERENCE = 0.99, 1e-3


def make_official_sam(input_size: int = 256, is_sharp: bool = True) -> Any:
    """Return a random Sam of the official classes: a tiny image encoder, but a decoder of the real sizes.

    Where `is_sharp`, masks and ratings differ from click to click, so that every filter divides them; such a network
    also makes fifty times more of every rounding.
    """
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    torch.manual_seed(1)
    grid = input_size // 16
    network = Sam(
        image_encoder=ImageEncoderViT(
            img_size=input_size,
            embed_dim=64,
            depth=2,
            num_heads=2,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=7,
            global_attn_indexes=(1,),
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=256,
            image_embedding_size=(grid, grid),
            input_image_size=(input_size, input_size),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=256, mlp_dim=2048, num_heads=8),
            transformer_dim=256,
        ),
    )
    _randomise_biases(network)
    if is_sharp:
        _sharpen(network)
    return network.eval().requires_grad_(False)


def _randomise_biases(network: Any) -> None:
    """Make biases and norms count, which a new network leaves at 0 and 1."""
    for name, values in [*network.mask_decoder.named_parameters(), *network.prompt_encoder.named_parameters()]:
        if values.dim() == 1:
            torch.nn.init.normal_(values, 1.0 if "norm" in name and name.endswith("weight") else 0.0, 0.2)


def _sharpen(network: Any) -> None:
    """Let image positions look at clicks near them, and let masks and ratings depend on what they see."""
    decoder = network.mask_decoder
    crossing = [
        attention
        for block in decoder.transformer.layers
        for attention in (block.cross_attn_token_to_image, block.cross_attn_image_to_token)
    ]
    with torch.no_grad():
        for attention in [*crossing, decoder.transformer.final_attn_token_to_image]:
            attention.k_proj.weight.copy_(attention.q_proj.weight * 8)
            attention.q_proj.weight *= 8
            attention.v_proj.weight *= 40
        network.prompt_encoder.point_embeddings[1].weight *= 0.3
        for strokes in decoder.output_hypernetworks_mlps:
            for layer, factor in zip(strokes.layers, (3, 3, 15), strict=True):
                layer.weight *= factor
        for layer in decoder.iou_prediction_head.layers:
            layer.weight *= 2
        decoder.iou_prediction_head.layers[-1].bias += torch.tensor([0, 1.5, 1.7, -0.5])


def draw_fields(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return uint8 (height, width, 3): rectangles of many sizes and colours with noise."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 110.0)
    for _ in range(40):
        y, x = int(rng.integers(0, height)), int(rng.integers(0, width))
        tall, wide = rng.integers(1, max(height, width) // 4 + 2, 2)
        image[y : y + tall, x : x + wide] = rng.integers(0, 256, 3)
    return (image + rng.normal(0, 8, image.shape)).clip(0, 255).astype(np.uint8)


def matched_share(ours: list[MaskRecord], theirs: list[dict[str, Any]]) -> float:
    """Return the share of masks that have their equal on the other side, 0..1; 1 where both found nothing.

    Args:
        ours: our records.
        theirs: the package's, with masks as bool (H, W).

    Masks without pixels count as nothing, and so do those of a single one, which may be the rounding of a logit.
    """
    ours = [record for record in ours if record.area_px > 1]
    left = [item for item in theirs if item["area"] > 1]
    n_total = max(len(ours), len(left))
    n_matched = 0
    for record in ours:
        index = next((number for number, item in enumerate(left) if _is_equal(record, item)), None)
        if index is not None:
            del left[index]
            n_matched += 1
    return n_matched / n_total if n_total else 1.0


def _is_equal(record: MaskRecord, item: dict[str, Any]) -> bool:
    x, y, width, height = record.bbox_xywh
    if [x, y, width - 1, height - 1] != item["bbox"] or list(record.point_xy) != item["point_coords"][0]:
        return False
    ratings = (record.predicted_iou - item["predicted_iou"], record.stability_score - item["stability_score"])
    if max(abs(difference) for difference in ratings) > MAX_RATING_DIFFERENCE:
        return False
    theirs = item["segmentation"][y : y + height, x : x + width]
    common = np.count_nonzero(record.mask & theirs)
    return common / (record.area_px + item["area"] - common) >= MIN_IOU
