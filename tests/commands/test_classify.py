"""The `classify` command: examples from a file, outputs, areas, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
from pyproj import Transformer

from server.commands.main import main
from server.vocabulary.service import OpenVocabularyEngine
from tests.routes.fake_engine import ColourCells

COLOURS = {"meadow": (40, 200, 60), "sand": (230, 190, 90), "water": (30, 60, 200)}
HECTARES_PER_PIXEL = 0.25 / 10_000
# Pixels of the raster, in which a polygon lies inside of the last stripe.
POINTS = {"meadow": (10, 10), "sand": (40, 12)}
POLYGON = [(68, 4), (90, 4), (90, 40), (68, 40), (68, 4)]


@pytest.fixture
def stripes(make_raster: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(OpenVocabularyEngine, "_make_backbone", lambda *_: ColourCells())
    bands = np.zeros((3, 48, 96), np.uint8)
    for number, colour in enumerate(COLOURS.values()):
        bands[:, :, 32 * number : 32 * (number + 1)] = np.array(colour, np.uint8)[:, None, None]
    return make_raster(bands=bands)


@pytest.fixture
def write_examples(stripes: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of the examples in longitude and latitude."""

    def to_degrees(place: tuple[float, float]) -> list[float]:
        with rasterio.open(stripes) as raster:
            return list(
                Transformer.from_crs(raster.crs, "EPSG:4326", always_xy=True).transform(*(raster.transform * place))
            )

    def write(*more: dict[str, Any]) -> Path:
        shapes = [(name, {"type": "Point", "coordinates": to_degrees(place)}) for name, place in POINTS.items()]
        shapes.append(("water", {"type": "Polygon", "coordinates": [[to_degrees(place) for place in POLYGON]]}))
        features = [{"type": "Feature", "properties": {"class": name}, "geometry": shape} for name, shape in shapes]
        path = tmp_path / "examples.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": [*features, *more]}))
        return path

    return write


def test_examples_become_a_class_raster_polygons_and_areas(
    stripes: Path, write_examples: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, vector = tmp_path / "classes.tif", tmp_path / "classes.gpkg"
    words = ["classify", stripes, output, "--examples", write_examples(), "--vector", vector, "--json"]
    assert main(list(map(str, words))) == 0
    out, err = capsys.readouterr()
    summary = json.loads(out.splitlines()[-1])
    assert "was reprojected to that of the raster" in err
    assert "was reprojected to that of the raster" in " ".join(summary["notes"])
    assert [row["name"] for row in summary["classes"]] == list(COLOURS)
    for row in summary["classes"]:
        assert row["area_ha"] == pytest.approx(row["n_pixels"] * HECTARES_PER_PIXEL, rel=0.01)
        assert row["area_m2"] == pytest.approx(row["area_ha"] * 10_000, rel=0.01)
    with rasterio.open(output) as raster:
        expected = np.repeat([1, 2, 3], 32)[None].repeat(48, axis=0)
        assert (raster.read(1) == expected).mean() > 0.85
        assert len({raster.colormap(1)[value][:3] for value in (1, 2, 3)}) == 3
    _, _, _, columns = pyogrio.raw.read(vector, columns=["class"], read_geometry=False)
    assert sorted(columns[0]) == sorted(COLOURS)
    assert summary["n_objects"] == 3
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["classes.gpkg", "classes.tif", "examples.geojson", "scene.tif"]


def test_the_summary_is_readable_without_json(
    stripes: Path, write_examples: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["classify", stripes, tmp_path / "out.tif", "--examples", write_examples(), "--window", 0, 0, 60, 40]
    assert main(list(map(str, words))) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("meadow: ")
    assert "water: 0 pixels (0.0%)" in lines[2]
    assert "2 polygons in" in lines[3]


def test_words_without_clip_say_how_to_get_it(
    stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["classify", stripes, tmp_path / "out.tif", "--classes", "building; roof, water", "--ckpt-folder", tmp_path]
    assert main(list(map(str, words))) == 2
    out, err = capsys.readouterr()
    assert "huggingface.co" in err
    assert str(tmp_path / "clip" / "ViT-B-16-openai.safetensors") in err
    assert out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scene.tif"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--examples", "missing.geojson"], "does not exist"),
        (["--classes", "a, b, a"], "given twice"),
        (["--classes", " , "], "were given; expected 1 to"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main(["classify", str(stripes), str(tmp_path / "out.tif"), *words]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_threshold_needs_a_background(
    stripes: Path, write_examples: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["classify", str(stripes), str(tmp_path / "out.tif"), "--examples", str(write_examples())]
    assert main([*words, "--background-threshold", "0.5"]) == 2
    assert 'No class is called "background"' in capsys.readouterr().err
    assert main([*words, "--background-threshold", "0.99", "--background", "sand", "--logit-scale", "1"]) == 0
    with rasterio.open(tmp_path / "out.tif") as raster:
        assert (raster.read(1) == 2).all()


def test_features_without_a_class_are_left_out_and_told(
    stripes: Path, write_examples: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with rasterio.open(stripes) as raster:
        lon, lat = Transformer.from_crs(raster.crs, "EPSG:4326", always_xy=True).transform(*(raster.transform * (3, 3)))
    nameless = {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [lon, lat]}}
    words = ["classify", stripes, tmp_path / "out.tif", "--examples", write_examples(nameless), "--json"]
    assert main(list(map(str, words))) == 0
    assert "Left out, because they have no class: 1." in json.loads(capsys.readouterr().out.splitlines()[-1])["notes"]
