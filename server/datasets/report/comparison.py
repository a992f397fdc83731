"""Sets a dataset beside SAMRS, the largest one that was made of boxes, by the sizes that its authors published.

Wang et al., "SAMRS: Scaling-up Remote Sensing Segmentation Dataset with Segment Anything Model", NeurIPS 2023 Datasets
and Benchmarks, arXiv 2305.02034. The sizes are those of its abstract and overview; the largest size of masks that it
shows is that of its figure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from server.datasets.report.statistics import Statistics


@dataclass(frozen=True)
class PublishedPart:
    """A part of SAMRS.

    Attributes:
        name: of it.
        source: the set of boxes it was made of.
        n_images: in it.
        n_classes: in it.
        side_px: of the square images.
    """

    name: str
    source: str
    n_images: int
    n_classes: int
    side_px: int


PARTS = (
    PublishedPart("SOTA", "DOTA-v2", 17_480, 18, 1024),
    PublishedPart("SIOR", "DIOR", 23_463, 20, 800),
    PublishedPart("FAST", "FAIR1M", 64_147, 37, 600),
)
N_IMAGES, N_INSTANCES = 105_090, 1_668_241
SHOWN_SIZE_PX = 2500
LEAST_TOLD = 1e-4
CITATION = (
    "Wang et al., “SAMRS: Scaling-up Remote Sensing Segmentation Dataset with Segment Anything Model”, NeurIPS 2023 "
    "Datasets and Benchmarks, arXiv:2305.02034"
)


def compare_with_samrs(statistics: Statistics) -> list[str]:
    """Return sentences about a dataset with at least one object."""
    n_images = len(statistics.objects_per_image)
    sizes = statistics.sizes_px
    parts = ", ".join(
        f"{part.name} (from {part.source}) {part.n_images:,} of {part.side_px} × {part.side_px} pixels with "
        f"{part.n_classes} classes"
        for part in PARTS
    )
    share = statistics.n_objects / N_INSTANCES
    megapixels = statistics.image_px / n_images / 1e6
    n_small = int((sizes <= SHOWN_SIZE_PX).sum())
    published = f"SAMRS has {N_IMAGES:,} images with {N_INSTANCES:,} instances: {parts} ({CITATION})."
    counts = (
        f"Here there are {_count(n_images, 'image')}, {_count(statistics.n_objects, 'instance')} and "
        f"{_count(len(statistics.by_class), 'class', 'classes')}, which is "
        f"{f'{share:.2%}' if share >= LEAST_TOLD else 'less than 0.01%'} of the instances of SAMRS. There are "
        f"{statistics.n_objects / n_images:.1f} instances in an image of {megapixels:.2f} megapixels on average, "
        f"against {N_INSTANCES / N_IMAGES:.1f} in SAMRS."
    )
    sizes_told = (
        f"SAMRS shows sizes of masks up to {SHOWN_SIZE_PX:,} pixels; here {n_small / len(sizes):.1%} are not larger, "
        f"and half of the masks have {np.median(sizes):,.0f} pixels or less."
    )
    return [published, counts, sizes_told]


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
