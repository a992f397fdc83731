"""Both rasters of a classification while they are made: decided from logits, and decided again by SAM's objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from server.rasters.label_reader import LabelReader
from server.rasters.labels import LabelCanvas
from server.rasters.windows import PixelWindow
from server.segmentation.progress import Span
from server.segmentation.whole_raster.painting import split_into_blocks
from server.segmentation.whole_raster.rectangles import slices_of
from server.vocabulary.head import ClassMap, choose_classes, find_probabilities
from server.vocabulary.raster_viewer import RasterViewer
from server.vocabulary.refining import ObjectClasses, ObjectVotes
from server.vocabulary.strips import Logits

PERCENT = 100


@dataclass(frozen=True)
class ClassCanvas:
    """Where classes and probabilities are painted.

    Attributes:
        classes: gets 1 + the number of the class.
        probability: gets per cent, 1..100.
    """

    classes: LabelCanvas
    probability: LabelCanvas

    def write(self, block: PixelWindow, found: ClassMap, valid: np.ndarray) -> None:
        """Paint a block; where not `valid`, (H, W), it gets 0."""
        self.classes.write(block, np.where(valid, found.classes + 1, 0).astype(np.uint8))
        per_cent = np.clip(np.round(found.probability * PERCENT), 1, PERCENT)
        self.probability.write(block, np.where(valid, per_cent, 0).astype(np.int32))


class ClassPainting:
    """Decides about finished logits and paints them.

    Attributes:
        viewer: of the raster.
        n_pixels: of every class so far.
    """

    def __init__(
        self, viewer: RasterViewer, canvas: ClassCanvas, n_classes: int, objects: LabelReader | None = None
    ) -> None:
        """Prepare; with `objects`, ids of SAM's objects, their votes are counted on the way."""
        self.viewer = viewer
        self.n_pixels = np.zeros(n_classes, np.int64)
        self._canvas = canvas
        self._objects = objects
        self._votes = ObjectVotes(n_classes)

    def write(self, part: PixelWindow, logits: Logits) -> None:
        """Take finished logits (Q, part.height, part.width)."""
        looker = self.viewer.looker
        for block in split_into_blocks(part):
            valid = self.viewer.read_valid(block)
            if not valid.any():
                continue
            seen = torch.from_numpy(logits[(slice(None), *slices_of(block, part))])
            probabilities = find_probabilities(seen, looker.class_of, looker.settings.logit_scale)
            found = choose_classes(probabilities, looker.settings)
            if self._objects is not None:
                self._votes.add(np.where(valid, self._objects.read(block), 0), probabilities.cpu().numpy())
            self.n_pixels += np.bincount(found.classes[valid], minlength=len(self.n_pixels))
            self._canvas.write(block, found, valid)

    def refine(self, objects: LabelReader, span: Span) -> ObjectClasses:
        """Let the pixels of every object agree, and paint them again.

        Args:
            objects: ids of the objects, which were there when the votes were counted.
            span: of the work; may raise to stop.
        """
        decided = self._votes.decide(self.viewer.looker.settings)
        self.n_pixels[:] = 0
        blocks = list(split_into_blocks(self.viewer.ground.region))
        tell = span.stage("agreeing within objects")
        for done, block in enumerate(blocks):
            tell(done / len(blocks))
            values = self._canvas.classes.read(block)
            valid = values > 0
            found = ClassMap(
                np.where(valid, values - 1, 0).astype(np.uint8),
                (self._canvas.probability.read(block) / PERCENT).astype(np.float32),
            )
            refined = decided.refine(objects.read(block), found)
            self.n_pixels += np.bincount(refined.classes[valid], minlength=len(self.n_pixels))
            if valid.any():
                self._canvas.write(block, refined, valid)
        return decided
