"""From logits of queries to one class per pixel: softmax over all queries, the best synonym, a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from server.vocabulary.settings import VocabularySettings


class ClassMap(NamedTuple):
    """What every pixel is.

    Attributes:
        classes: uint8 (H, W), numbers of the list of classes, from 0.
        probability: float32 (H, W), 0..1, of the likeliest class, also where the threshold made it background.
    """

    classes: NDArray[np.uint8]
    probability: NDArray[np.float32]


def find_probabilities(logits: Tensor, class_of: Sequence[int], logit_scale: float = 50.0) -> Tensor:
    """Return (K, H, W): for each of K classes the probability of its likeliest query.

    The softmax runs over all queries, so the probabilities of a pixel's classes may sum to less than 1.

    Args:
        logits: (Q, H, W).
        class_of: (Q,) class of each query, 0..K - 1, none left out.
        logit_scale: factor of the logits.
    """
    probabilities = torch.softmax(logits * logit_scale, dim=0)
    members = [[query for query, of in enumerate(class_of) if of == number] for number in range(max(class_of) + 1)]
    if not all(members):
        raise ValueError(f"class {members.index([])} has no query")
    return torch.stack([probabilities[queries].amax(dim=0) for queries in members])


def choose_classes(probabilities: Tensor, settings: VocabularySettings) -> ClassMap:
    """Give every pixel its likeliest class, or the background where that is not likely enough.

    Args:
        probabilities: (K, H, W).
        settings: the threshold and the number of the background.
    """
    best, classes = probabilities.max(dim=0)
    classes = torch.where(best < settings.prob_thd, settings.bg_idx, classes)
    return ClassMap(classes.to(torch.uint8).cpu().numpy(), best.float().cpu().numpy())
