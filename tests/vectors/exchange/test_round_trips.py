"""What was written comes back the same, in every format and on every kind of raster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from server.rasters.opening import open_raster
from server.vectors.annotated import SOURCES, AnnotatedObject, ObjectClass, ObjectFacts
from server.vectors.exchange import Layer, read_annotations, write_annotations
from server.vectors.outlines import outline_mask
from server.vectors.placement import read_placement
from tests.vectors.exchange.layers import (
    CLASSES,
    HEIGHT,
    SPACES,
    SUFFIXES,
    WIDTH,
    make_objects,
    make_sample,
    write_raster,
)

# Pixels by which corners may move; see `read_annotations`.
TOLERANCES = {"gpkg": 1e-6, "shp": 1e-6, "fgb": 1e-6, "coco": 1e-6, "geojson": 1e-3}
CONTROL_POINT_TOLERANCE = 0.01
EXAMPLES = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def send_through(layer: Layer, kind: str, folder: Path) -> list[ObjectFacts]:
    """Write a layer, read it, and return the objects in the order of the layer."""
    target = folder / f"file{SUFFIXES[kind]}"
    write_annotations(target, kind, layer)
    imported = list(read_annotations(target, layer.raster).objects)
    assert len(imported) == len(layer.objects)
    if kind == "fgb":  # ordered by place
        imported = [
            min(imported, key=lambda found: shapely.hausdorff_distance(found.outline, item.facts.outline))
            for item in layer.objects
        ]
    return imported


def assert_same(found: ObjectFacts, expected: ObjectFacts, tolerance: float) -> None:
    assert found.outline.is_valid
    assert shapely.hausdorff_distance(found.outline, expected.outline) <= 1.5 * tolerance
    difference = shapely.symmetric_difference(found.outline, expected.outline).area
    assert difference <= 2 * tolerance * expected.outline.length
    for name in ("class_name", "source", "checkpoint", "point_xy"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("predicted_iou", "stability_score"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-14)


@pytest.mark.parametrize("kind", SUFFIXES)
@pytest.mark.parametrize("space", [*SPACES, "control points"])
def test_objects_come_back(make_layer: Callable[..., Layer], kind: str, space: str, tmp_path: Path) -> None:
    layer = make_layer(space)
    tolerance = TOLERANCES[kind] if space != "control points" else CONTROL_POINT_TOLERANCE
    for found, item in zip(send_through(layer, kind, tmp_path), layer.objects, strict=True):
        assert_same(found, item.facts, tolerance)


@st.composite
def draw_facts(draw: st.DrawFn) -> ObjectFacts:
    """Return an object with an outline along pixel borders, holes and parts included, or a convex one off them."""
    if draw(st.booleans()):
        mask = draw(arrays(np.bool_, (6, 7)).filter(np.any))
        outline = outline_mask(mask, (draw(st.integers(0, WIDTH - 7)), draw(st.integers(0, HEIGHT - 6))))
    else:
        points = draw(arrays(np.float64, (5, 2), elements=st.floats(0, HEIGHT, width=16).map(lambda x: round(x, 3))))
        hull = shapely.MultiPoint(points).convex_hull
        outline = shapely.MultiPolygon([hull if hull.area > 1 else shapely.box(0, 0, 1, 1)])
    share = st.none() | st.floats(0, 1)
    click = st.integers(0, 3900).map(lambda number: number / 100)
    return ObjectFacts(
        outline,
        draw(st.sampled_from([None, CLASSES[0].name, CLASSES[1].name])),
        draw(st.sampled_from(SOURCES)),
        draw(st.sampled_from([None, "embedded", "vit_b, 建物"])),
        draw(share),
        draw(share),
        draw(st.none() | st.tuples(click, click)),
    )


@pytest.mark.parametrize("kind", SUFFIXES)
@EXAMPLES
@given(facts=st.lists(draw_facts(), min_size=1, max_size=3), space=st.sampled_from(sorted(SPACES)))
def test_any_objects_come_back(
    facts: list[ObjectFacts], space: str, kind: str, rasters: Mapping[str, Path], tmp_path: Path
) -> None:
    layer = Layer(make_objects(facts), CLASSES, rasters[space], "scene.tif")
    target = tmp_path / f"file{SUFFIXES[kind]}"
    write_annotations(target, kind, layer)
    imported = list(read_annotations(target, layer.raster).objects)
    if kind == "fgb":  # ordered by place; equal outlines may stand in any order
        key = repr
        assert sorted(map(key, map(describe, imported))) == sorted(map(key, map(describe, facts)))
        return
    for found, expected in zip(imported, facts, strict=True):
        assert_same(found, expected, TOLERANCES[kind])


def describe(facts: ObjectFacts) -> tuple[object, ...]:
    """Return what identifies an object, with numbers rounded to what a file keeps."""
    shares = [None if share is None else round(share, 12) for share in (facts.predicted_iou, facts.stability_score)]
    numbers = [round(number, 4) for number in (facts.outline.area, *facts.outline.bounds)]
    return (facts.class_name or "", facts.source, facts.checkpoint or "", facts.point_xy, *shares, *numbers)


@pytest.mark.parametrize("kind", SUFFIXES)
@EXAMPLES
@given(labels=arrays(np.uint8, (9, 11), elements=st.integers(0, 4)), space=st.sampled_from(sorted(SPACES)))
def test_labels_to_polygons_to_labels(
    labels: np.ndarray, space: str, kind: str, rasters: Mapping[str, Path], tmp_path: Path
) -> None:
    ids = [value for value in np.unique(labels).tolist() if value]
    if not ids:
        return
    facts = [ObjectFacts(outline_mask(labels == value, (3, 5)), f"class {value}") for value in ids]
    classes = [ObjectClass(value, f"class {value}", f"#0000{value:02x}") for value in ids]
    layer = Layer(make_objects(facts), classes, rasters[space], "scene.tif")
    vectors, drawn = tmp_path / f"file{SUFFIXES[kind]}", tmp_path / "classes.tif"
    write_annotations(vectors, kind, layer)
    back = make_objects(read_annotations(vectors, layer.raster).objects)
    write_annotations(drawn, "classes", Layer(back, classes, layer.raster, "scene.tif"))
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[5:14, 3:14] = labels
    with open_raster(drawn) as raster:
        np.testing.assert_array_equal(raster.read(1), expected)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(x=st.floats(0, WIDTH), y=st.floats(0, HEIGHT), space=st.sampled_from(sorted(SPACES)))
def test_pixel_to_map_to_pixel(x: float, y: float, space: str, rasters: Mapping[str, Path]) -> None:
    with open_raster(rasters[space]) as raster:
        placement = read_placement(raster)
    pixel = np.array([[x, y]])
    on_map = placement.from_lonlat(placement.to_lonlat(placement.to_map(pixel)))
    np.testing.assert_allclose(placement.to_pixel(on_map), pixel, atol=1e-5)


def test_a_layer_of_one_format_goes_through_all(make_layer: Callable[..., Layer], tmp_path: Path) -> None:
    layer = make_layer("rotated")
    objects: list[AnnotatedObject] = list(layer.objects)
    for kind in ("gpkg", "shp", "coco", "geojson"):
        objects = make_objects(send_through(make_layer("rotated", objects), kind, tmp_path))
    for item, expected in zip(objects, make_sample(), strict=True):
        assert_same(item.facts, expected.facts, TOLERANCES["geojson"])


def test_an_outline_across_the_antimeridian_comes_back(tmp_path: Path) -> None:
    transform = rasterio.Affine(1000.0, 0, -30_000, 0, -1000.0, 0)  # from 30 km west to 30 km east of 180 degrees
    raster = write_raster(tmp_path / "pacific.tif", "+proj=merc +lon_0=180 +datum=WGS84", transform)
    outline = shapely.MultiPolygon([shapely.box(20, 5, 40, 15)])
    layer = Layer(make_objects([ObjectFacts(outline)]), (), raster, "pacific.tif")
    for kind in SUFFIXES:
        (found,) = send_through(layer, kind, tmp_path)
        assert_same(found, layer.objects[0].facts, 1e-3)
        assert len(found.outline.geoms) == 1
