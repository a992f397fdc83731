"""Makes objects of a class map: every connected area of one class is one object."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from server.datasets.scenes import NOTHING, UNKNOWN, Labels


def label_components(classes: Labels) -> Labels:
    """Return object ids (H, W) from 1 for a class map (H, W); 0 and -1 stay. Corners alone do not connect."""
    objects = np.where(classes == UNKNOWN, UNKNOWN, NOTHING).astype(np.int32)
    n_objects = 0
    for number in np.unique(classes[classes > 0]).tolist():
        where: NDArray[np.bool_] = classes == number
        n_areas, areas = cv2.connectedComponents(where.astype(np.uint8), connectivity=4)
        objects[where] = areas[where] + n_objects
        n_objects += n_areas - 1
    return objects
