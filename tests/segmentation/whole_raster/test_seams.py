"""A mosaic cut in three ways by stand-ins that err as networks do: one id per object, no cut edges, the same result."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.known_objects import ArrayReader, Errors, KnowingGenerator, Labels, paint_mosaic
from benchmarks.seams import Cut, SeamFigures, measure_edges, measure_floor, measure_seams, segment_array
from server.rasters.windows import PixelWindow
from server.segmentation.progress import Progress, Span
from server.segmentation.whole_raster.looking import Viewer
from server.segmentation.whole_raster.merge import group_pieces
from server.segmentation.whole_raster.object_search import ObjectSearch
from server.segmentation.whole_raster.piece_store import PieceStore
from server.segmentation.whole_raster.window_plan import plan_grid

INPUT_SIZE = 192
# Outlines that wander by a pixel or two at their worst, and objects near borders that are not found.
NOISY = Errors(wobble_px=0.4, miss_share=0.2, rim_px=12)
# Near borders, objects come out too small or as one with a neighbour.
CONTEXT = Errors(wobble_px=0.25, miss_share=0.1, rim_px=12, shrink_share=0.3, melt_share=0.2)


@pytest.fixture(scope="module")
def mosaic() -> tuple[np.ndarray, Labels]:
    return paint_mosaic(2, 300, seed=40)


def measure(mosaic: tuple[np.ndarray, Labels], errors: Errors) -> SeamFigures:
    rgb, truth = mosaic
    reader = ArrayReader(rgb)
    generator = KnowingGenerator(reader, truth, INPUT_SIZE, errors)
    shape = (truth.shape[0], truth.shape[1])
    return measure_seams(truth, [segment_array(reader, generator, shape, offset) for offset in (0, 37, 91)])


@pytest.mark.parametrize("errors", [Errors(), NOISY, CONTEXT], ids=["exact", "noisy", "context"])
def test_seams_do_not_show(mosaic: tuple[np.ndarray, Labels], errors: Errors) -> None:
    figures = measure(mosaic, errors)
    assert figures.n_crossing > 100
    assert figures.one_id_share >= 0.98
    assert figures.n_missed <= 0.02 * figures.n_crossing
    # Two looks at the whole picture, without any seam, agree no better than `measure_floor`.
    assert figures.mean_iou >= measure_floor(mosaic[1], errors.wobble_px) - 0.02
    assert figures.mean_iou >= 0.95 or errors == NOISY
    assert figures.longest_edge_px <= 5


def test_the_measure_sees_a_cut(mosaic: tuple[np.ndarray, Labels]) -> None:
    """Windows laid side by side without any merging: what the figures above would be without the work."""
    _, truth = mosaic
    plan = plan_grid(PixelWindow(0, 0, truth.shape[1], truth.shape[0]), INPUT_SIZE)
    labels = np.zeros_like(truth)
    for cell in plan.cells:
        part = np.s_[cell.row : cell.row + cell.height, cell.col : cell.col + cell.width]
        labels[part] = np.where(truth[part] > 0, truth[part] + labels.max(), 0)
    labels = np.unique(labels, return_inverse=True)[1].reshape(truth.shape).astype(np.int32)
    figures = measure_seams(truth, [Cut(plan, labels), Cut(plan, truth)])
    assert figures.one_id_share < 0.8
    assert measure_edges(truth, Cut(plan, labels))[0].max() > 50


def blobs(seed: int, height: int, width: int) -> Labels:
    """Return a partition of the ground around random places, some of it background."""
    rng = np.random.default_rng(seed)
    n_places = int(rng.integers(1, 40))
    places = rng.uniform((0, 0), (height, width), (n_places, 2))
    rows, cols = np.mgrid[:height, :width]
    nearest = ((rows[..., None] - places[:, 0]) ** 2 + (cols[..., None] - places[:, 1]) ** 2).argmin(axis=2)
    return np.where(nearest % 5 == 0, 0, nearest + 1).astype(np.int32)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 200), width=st.integers(1, 200))
def test_merging_undoes_splitting(seed: int, height: int, width: int) -> None:
    truth = blobs(seed, height, width)
    reader = ArrayReader(np.zeros((height, width, 3), np.uint8))
    split = segment_array(reader, KnowingGenerator(reader, truth, 64), (height, width), 0).labels
    whole = segment_array(reader, KnowingGenerator(reader, truth, 256), (height, width), 0).labels
    assert set(np.unique(split)) - {0} == set(range(1, split.max() + 1))
    pairs = {(int(a), int(b)) for a, b in zip(split[split != 0], whole[split != 0], strict=True)}
    sizes = np.bincount(whole.ravel())
    for number in range(1, split.max() + 1):
        assert (split == number).any()
    if split.max() == whole.max():
        assert ((split > 0) == (whole > 0)).mean() > 0.99
    # Nothing that is one object in one picture may be many in the other, but for slivers at the edge of a zoomed look.
    for number in range(1, whole.max() + 1):
        partners = [a for a, b in pairs if b == number and ((split == a) & (whole == b)).sum() > 0.05 * sizes[b]]
        assert len(partners) <= 1


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_nothing_depends_on_the_order_of_the_windows(seed: int, tmp_path: Path) -> None:
    truth = blobs(seed, 150, 190)
    reader = ArrayReader(np.zeros((150, 190, 3), np.uint8))
    errors = Errors(wobble_px=0.7, miss_share=0.2, rim_px=6, shrink_share=0.3, melt_share=0.2)
    generator = KnowingGenerator(reader, truth, 64, errors)
    region = PixelWindow(0, 0, 190, 150)
    viewer = Viewer(reader, generator, region, 1.0, None)  # type: ignore[arg-type]
    plan = plan_grid(region, 64)
    search = ObjectSearch(viewer, plan)
    order = list(range(len(plan.windows)))
    results = []
    for _ in range(3):
        with PieceStore(tmp_path) as store:
            search.look_at_windows(store, viewer.find, order, Span(Progress(lambda _share, _step: None)))
            store.sort()
            names = [name for name in store.table.dtype.names or () if name != "offset"]
            results.append((store.table[names].tolist(), group_pieces(store, plan)))
        random.Random(seed).shuffle(order)
    assert results[1:] == results[:-1]
