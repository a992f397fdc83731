"""The sample scene: what a visitor without imagery tries the service on."""

from __future__ import annotations

from pathlib import Path

from affine import Affine

from server.rasters.labels import write_bands
from server.training.sample_scene import generate_sample_scene

SAMPLE_NAME = "sample_scene.tif"


def write_sample_scene(path: Path) -> None:
    """Write the generated scene, four uint16 bands with nodata 0, as a georeferenced GeoTIFF at `path`."""
    scene = generate_sample_scene()
    write_bands(
        path,
        scene.bands,
        crs=f"EPSG:{scene.epsg}",
        transform=Affine(*scene.transform),
        nodata=0,
        descriptions=("red", "green", "blue", "near infrared"),
    )
