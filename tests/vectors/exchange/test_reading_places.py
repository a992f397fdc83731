"""Files as places to point at: boxes around outlines, points in the file and inside of outlines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import shapely

from server.errors import BadParameter
from server.vectors.exchange import read_annotations, read_boxes, read_points
from server.vectors.exchange.placing import NO_OUTLINE, OUTSIDE
from server.vectors.exchange.read import TOO_THIN
from tests.vectors.exchange.layers import SPACES
from tests.vectors.exchange.test_reading import SQUARE, coco, feature, on_map, polygon, write_geojson

Rasters = Mapping[str, Path]
RING = shapely.geometry.mapping(shapely.Point(30, 20).buffer(10) - shapely.Point(30, 20).buffer(7))
LINE = {"type": "LineString", "coordinates": [[1, 1], [5, 5]]}


def point(x: float, y: float) -> dict[str, object]:
    return {"type": "Point", "coordinates": [x, y]}


def test_boxes_lie_around_what_is_on_the_raster(rasters: Rasters, tmp_path: Path) -> None:
    over = polygon([[50.0, 30.0], [70.0, 30.0], [70.0, 45.0], [50.0, 45.0], [50.0, 30.0]])
    thin = polygon([[5.0, 5.0], [5.5, 5.0], [5.5, 30.0], [5.0, 5.0]])
    sent = [feature(polygon(SQUARE), label="roof"), feature(over), feature(thin), feature(point(3, 3)), feature(LINE)]
    found = read_boxes(write_geojson(tmp_path, sent, space="pixel"), rasters["north up"])
    assert found.places == [(10, 10, 20, 20), (50, 30, 60, 40)]
    assert found.class_names == ["roof", None]
    assert f"{TOO_THIN}: 1." in found.notes
    assert f"{NO_OUTLINE}: 2." in found.notes


def test_points_keep_the_order_of_the_file(rasters: Rasters, tmp_path: Path) -> None:
    many = {"type": "MultiPoint", "coordinates": [[1, 2], [100, 2], [3, 4]]}
    sent = [feature(RING, label="a"), feature(point(7.25, 8), label="b"), feature(many, label="c"), feature(LINE)]
    found = read_points(write_geojson(tmp_path, sent, space="pixel"), rasters["rotated"])
    assert found.places[1:] == [(7.25, 8), (1, 2), (3, 4)]
    assert found.class_names == ["a", "b", "c", "c"]
    assert shapely.geometry.shape(RING).contains(shapely.Point(found.places[0]))
    assert found.notes == [f"{OUTSIDE}: 1.", f"{NO_OUTLINE}: 1.", 'Classes come from the column "label".']


def test_boxes_of_detectors_need_no_outline(rasters: Rasters, tmp_path: Path) -> None:
    boxes = [[10, 5, 4, 3.5], [1, 2, float("nan"), 4], [1, 2, 3], "none", [10**400, 1, 2, 3]]
    content = coco([{"bbox": box, "segmentation": []} for box in boxes])
    (tmp_path / "sent.json").write_text(json.dumps(content))
    found = read_boxes(tmp_path / "sent.json", rasters["rotated"])
    assert (found.places, found.class_names) == ([(10, 5, 14, 8.5)], ["car"])
    assert found.notes[0] == f"{NO_OUTLINE}: 4."


@pytest.mark.parametrize("space", [name for name, (crs, _) in SPACES.items() if crs is not None])
def test_points_of_a_file_in_the_rasters_crs(rasters: Rasters, space: str, tmp_path: Path) -> None:
    crs, _ = SPACES[space]
    sent = [feature(point(*place)) for place in on_map(space, [[7.0, 8.0]])]
    member = {"type": "name", "properties": {"name": crs}}
    found = read_points(write_geojson(tmp_path, sent, crs=member), rasters[space])
    assert found.places[0] == pytest.approx((7, 8), abs=1e-4)


def test_a_file_without_places_says_why(rasters: Rasters, tmp_path: Path) -> None:
    path = write_geojson(tmp_path, [feature(point(-5, 3)), feature(LINE)], space="pixel")
    with pytest.raises(BadParameter, match=r"no point or outline.*outside the raster: 1\..*: 1\."):
        read_points(path, rasters["north up"])
    for read in (read_boxes, read_annotations):
        with pytest.raises(BadParameter, match=r"no outline.*points, lines.*: 2\."):
            read(path, rasters["north up"])
