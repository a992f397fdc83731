"""GeoJSON and COCO as other programs see them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask
from rasterio.features import rasterize

from server.vectors.annotated import ObjectFacts
from server.vectors.exchange import Layer, coco_file, write_annotations
from server.vectors.exchange.attributes import ATTRIBUTES
from server.vectors.outlines import outline_mask
from server.vectors.packed_counts import unpack_counts
from tests.vectors.exchange.layers import CLASSES, HEIGHT, WIDTH, make_objects

# COCO's own library has not heard of NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
MakeLayer = Callable[..., Layer]


def export(layer: Layer, kind: str, folder: Path) -> dict[str, Any]:
    write_annotations(folder / "out.json", kind, layer)
    content: dict[str, Any] = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("space", ["north up", "south up", "rotated", "millimetres", "geographic"])
def test_geojson_follows_rfc_7946(make_layer: MakeLayer, space: str, tmp_path: Path) -> None:
    content = export(make_layer(space), "geojson", tmp_path)
    assert (content["type"], content["space"], "crs" in content) == ("FeatureCollection", "lonlat", False)
    assert [item["id"] for item in content["features"]] == [1, 4, 7]
    for feature in content["features"]:
        outline = shapely.geometry.shape(feature["geometry"])
        assert outline.is_valid
        for part in shapely.get_parts(outline).tolist():
            assert part.exterior.is_ccw
            assert not any(hole.is_ccw for hole in part.interiors)
        assert (np.abs(shapely.get_coordinates(outline) - (117, 39.87)) < 0.2).all()
        assert list(feature["properties"]) == list(ATTRIBUTES)
    assert content["features"][0]["properties"]["bbox"] == [1, 1, 10, 10]
    assert content["features"][1]["properties"]["class"] is None


def test_geojson_without_a_place_says_that_it_is_in_pixels(make_layer: MakeLayer, tmp_path: Path) -> None:
    for space in ("no CRS", "nothing"):
        content = export(make_layer(space), "geojson", tmp_path)
        assert content["space"] == "pixel"
        assert shapely.geometry.shape(content["features"][0]["geometry"]).bounds == (1, 1, 11, 11)
        assert content["features"][0]["properties"]["area_m2"] is None


def test_coco_has_polygons_and_run_lengths(make_layer: MakeLayer, tmp_path: Path) -> None:
    content = export(make_layer(), "coco", tmp_path)
    assert content["images"] == [{"id": 1, "file_name": "my scene.tif", "width": WIDTH, "height": HEIGHT}]
    assert {row["id"]: (row["name"], row["color"]) for row in content["categories"]} == {
        1: ("roof", [255, 0, 0]),
        7: (CLASSES[1].name, [0, 255, 128]),
        256: ("object", [255, 196, 0]),
    }
    ring, parts, triangle = content["annotations"]
    assert [item["category_id"] for item in (ring, parts, triangle)] == [1, 256, 7]
    assert len({item["id"] for item in content["annotations"]}) == 3
    assert ring["segmentation"]["size"] == [HEIGHT, WIDTH]
    mask = decode(ring["segmentation"])
    assert (mask.sum(), ring["area"], ring["bbox"]) == (91, 91, [1, 1, 10, 10])
    assert not mask[3:6, 3:6].any()
    assert [len(ring) for ring in parts["segmentation"]] == [8, 8]
    assert sorted(triangle["segmentation"][0]) == sorted([30.25, 2.5, 58.5, 10.125, 41, 19.75])
    assert all(item["iscrowd"] == 0 and item["image_id"] == 1 for item in content["annotations"])


def decode(segmentation: dict[str, Any]) -> np.ndarray:
    """Return run lengths as bool (H, W), by the reference implementation."""
    return np.asarray(coco_mask.decode(coco_mask.frPyObjects(segmentation, *segmentation["size"])), dtype=bool)


@settings(deadline=None, max_examples=40)
@given(arrays(np.bool_, (7, 9)).filter(np.any), st.integers(0, 3), st.sampled_from([1, 8, 1_000]))
def test_run_lengths_are_the_pixels(mask: np.ndarray, corner: int, strip_px: int) -> None:
    outline = outline_mask(mask, (corner, corner))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coco_file, "STRIP_PX", strip_px)
        runs = list(coco_file._find_runs(outline, (9 + corner, 7 + corner)))
    counts = coco_file.count_runs(runs, (9 + corner) * (7 + corner))
    expected = np.pad(mask, ((corner, 0), (corner, 0)))
    np.testing.assert_array_equal(decode({"size": list(expected.shape), "counts": counts}), expected)


@settings(deadline=None, max_examples=40)
@given(arrays(np.bool_, (12, 13)))
def test_compressed_counts_are_read_as_the_reference_writes_them(mask: np.ndarray) -> None:
    packed = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    counts = unpack_counts(packed["counts"].decode("ascii"))
    assert counts is not None
    np.testing.assert_array_equal(decode({"size": [12, 13], "counts": counts}), mask)


def test_holes_off_the_grid_are_drawn_to_the_nearest_pixels(make_layer: MakeLayer, tmp_path: Path) -> None:
    disc = shapely.Point(20, 20).buffer(9.3).difference(shapely.Point(20, 20).buffer(4.2))
    layer = make_layer(objects=make_objects([ObjectFacts(shapely.MultiPolygon([disc]))]))
    (item,) = export(layer, "coco", tmp_path)["annotations"]
    expected = rasterize([disc], (HEIGHT, WIDTH), transform=Affine.identity(), dtype="uint8").astype(bool)
    np.testing.assert_array_equal(decode(item["segmentation"]), expected)
