"""Classes by example: query vectors pooled from features of pixels that the user painted or clicked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from server.errors import BadParameter
from server.vocabulary.backbones import Backbone, DenseFeatures
from server.vocabulary.logits import Queries
from server.vocabulary.settings import VocabularySettings
from server.vocabulary.upsampler import Upsampler

N_KMEANS_ROUNDS = 25
# Windows of backbones that take any size are CLIP's own.
CLIP_WINDOW = 224


@dataclass(frozen=True)
class Example:
    """A picture with some pixels whose class is known.

    Attributes:
        rgb: uint8 (H, W, 3), at most as large as the backbone takes.
        marks: uint8 (H, W): 1 + the number of the class, 0 where nothing is known.
    """

    rgb: NDArray[np.uint8]
    marks: NDArray[np.uint8]


@dataclass(frozen=True)
class PrototypeSettings:
    """How examples become query vectors.

    Attributes:
        per_class: prototypes of each class, for classes that look different from place to place; 1 is the mean. A class
            with fewer different examples gets fewer.
        centred: compare what differs from the mean of all classes' examples instead of whole features. Encoders that
            were not trained for cosines need it, because all their features share a large part.
    """

    per_class: int = 1
    centred: bool = True

    def __post_init__(self) -> None:
        """Refuse a number that cannot be meant.

        Raises:
            BadParameter: it is out of range.
        """
        if not 1 <= self.per_class <= 32:
            raise BadParameter(f'"per_class" is {self.per_class}; expected 1 to 32.', "per_class")


def settings_by_example(backbone: Backbone) -> VocabularySettings:
    """Return settings for prototypes: windows as large as the backbone takes, pictures as they are, no global bias.

    An encoder without a token for the whole picture has only the mean of its places, and that is what the classes of a
    window are made of: taking it away made maps worse.
    """
    window = backbone.max_size or CLIP_WINDOW
    return VocabularySettings(long_side=None, window=window, stride=max(1, window * 3 // 4), global_bias=0.0)


def make_prototypes(
    backbone: Backbone,
    examples: Iterable[Example],
    names: tuple[str, ...],
    settings: PrototypeSettings,
    upsampler: Upsampler | None = None,
) -> Queries:
    """Pool prototypes of all classes from examples.

    Args:
        backbone: the one with which pictures will be classified.
        examples: pictures with marks; looked at one after the other.
        names: of the classes, by number.
        settings: how to pool.
        upsampler: the one with which pictures will be classified; None takes features between cells, bilinear.

    Raises:
        BadParameter: a class has no example.
    """
    found: list[list[Tensor]] = [[] for _ in names]
    for example in examples:
        marks, features = read_marked(backbone.encode(example.rgb), example.marks, upsampler)
        for number, of_class in enumerate(found):
            of_class.append(features[marks == number + 1])
    pooled = [torch.cat(of_class) if of_class else torch.empty(0) for of_class in found]
    missing = [name for name, features in zip(names, pooled, strict=True) if not len(features)]
    if missing:
        raise BadParameter(f"No example was given of: {', '.join(missing)}. Click or paint at least one.", "examples")
    # The mean of the classes' means, so that a class painted with a broad brush weighs no more than others.
    centre = torch.stack([features.mean(dim=0) for features in pooled]).mean(dim=0) if settings.centred else None
    vectors = [
        cluster_directions(features if centre is None else features - centre, settings.per_class) for features in pooled
    ]
    class_of = tuple(number for number, of_class in enumerate(vectors) for _ in of_class)
    return Queries(torch.cat(vectors), class_of, centre)


@torch.inference_mode()
def read_marked(seen: DenseFeatures, marks: NDArray[np.uint8], upsampler: Upsampler | None) -> tuple[Tensor, Tensor]:
    """Return the marks (P,) and features (P, C) of all marked pixels, row by row.

    Args:
        seen: features of a picture.
        marks: uint8 (H, W), 0 where nothing is known.
        upsampler: for features; None interpolates between cells.
    """
    rows, cols = (torch.from_numpy(places) for places in np.nonzero(marks))
    # Centres of the marked pixels as shares of the padded picture.
    height, width = seen.picture.shape[1:]
    ys, xs = (rows + seen.top + 0.5) / height, (cols + seen.left + 0.5) / width
    if upsampler is None:
        features = _sample(seen.patches, ys, xs)
    else:
        bands = upsampler.bands(seen.patches[None], seen.picture[None])
        n_rows, n_cols = (side * upsampler.scale for side in seen.patches.shape[1:])
        features = torch.cat(list(_pick(bands, (ys * n_rows).long(), (xs * n_cols).long())))
    return torch.from_numpy(marks[marks > 0]), features.cpu()


def _sample(patches: Tensor, ys: Tensor, xs: Tensor) -> Tensor:
    """Return (P, C): (C, h, w) features at places given as shares of the sides, bilinear."""
    places = torch.stack([xs, ys], dim=1).float().to(patches.device) * 2 - 1
    sampled = functional.grid_sample(patches[None], places[None, None], padding_mode="border", align_corners=False)
    return sampled[0, :, 0].mT


def _pick(bands: Iterator[Tensor], rows: Tensor, cols: Tensor) -> Iterator[Tensor]:
    """Yield (p, C) for the pixels of each band (1, C, n, W) from top to bottom; `rows` rise."""
    first = 0
    for band in bands:
        is_inside = (rows >= first) & (rows < first + band.shape[2])
        yield band[0, :, rows[is_inside] - first, cols[is_inside]].mT
        first += band.shape[2]


def cluster_directions(features: Tensor, n_clusters: int) -> Tensor:
    """Return (n, C), each of length 1: centres of groups of (P, C) features by their direction; n <= n_clusters.

    With one cluster that is the normalised mean of the normalised features. The first centres are chosen far from each
    other, without chance, so the same examples always give the same prototypes.
    """
    unit = functional.normalize(features, dim=1)
    centres = functional.normalize(unit.mean(dim=0, keepdim=True), dim=1)
    if n_clusters == 1:
        return centres
    centres = _spread_centres(unit, n_clusters)
    for _ in range(N_KMEANS_ROUNDS):
        nearest = (unit @ centres.T).argmax(dim=1)
        moved = torch.zeros_like(centres).index_add_(0, nearest, unit)
        updated = functional.normalize(moved[moved.norm(dim=1) > 0], dim=1)
        if updated.shape == centres.shape and torch.allclose(updated, centres, atol=1e-6):
            break
        centres = updated
    return centres


def _spread_centres(unit: Tensor, n_clusters: int) -> Tensor:
    """Return up to `n_clusters` different rows of `unit`: the first, then always the one least like those chosen."""
    chosen = [0]
    for _ in range(n_clusters - 1):
        likeness, _ = (unit @ unit[chosen].T).max(dim=1)
        farthest = int(likeness.argmin())
        if float(likeness[farthest]) > 1 - 1e-6:
            break
        chosen.append(farthest)
    return unit[chosen]
