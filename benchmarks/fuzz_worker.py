"""The process that `benchmarks.fuzz` sends damaged rasters through: the service with a stand-in for the network."""

from __future__ import annotations

import argparse
import json
import logging
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import morecantile
import numpy as np
from flask import Flask
from flask.testing import FlaskClient

from benchmarks.fuzz_cases import Case, Corpus
from server.app import create_app, find_background
from server.observability.logs import configure_logging
from server.segmentation.mask_records import MaskRecord, Thresholds
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.progress import Report
from server.segmentation.whole_raster.segmenting import SegmentRequest, SegmentResult, segment_raster
from server.settings import make_settings

TOKEN = "fuzz"  # noqa: S105 - for a service that lives as long as this run
# The pixels a damaged header may claim before the service refuses; more would only make each case slower.
MAX_PIXELS = 20_000_000
MAX_SEGMENTED_PX = 300_000
SEGMENTED_EVERY = 8


class SquareGenerator:
    """Finds an 8 x 8 square in every 16 columns of a patch."""

    input_size = 64
    patches_at_once = 1

    def generate(self, rgb: np.ndarray, tell: Callable[[float], None]) -> list[MaskRecord]:
        """Return the squares of one patch, uint8 (H, W, 3)."""
        tell(0.5)
        mask = np.ones((min(8, rgb.shape[0]), 8), dtype=bool)
        return [
            MaskRecord(mask, (x, 0, 8, mask.shape[0]), 0.9, 0.97, (x + 4.0, mask.shape[0] / 2))
            for x in range(0, rgb.shape[1] - 8, 16)
        ]

    def generate_at(
        self, _rgb: np.ndarray, _points: np.ndarray, _thresholds: Thresholds, _tell: Callable[[float], None]
    ) -> list[MaskRecord]:
        """Find nothing more."""
        return []


class Squares:
    """Takes the engine's place in jobs; everything around the network is the real thing."""

    def segment(
        self, source: Path, folder: Path, request: SegmentRequest, report: Report, _kept: Path | None = None
    ) -> SegmentResult:
        """Segment `source` as the engine would, with squares for masks."""
        return segment_raster(source, folder, request, self._make_generator, report)

    def _make_generator(
        self, _checkpoint: str, _settings: MaskGeneratorSettings, _check: Callable[[], None]
    ) -> SquareGenerator:
        return SquareGenerator()


class Visitor:
    """Sends cases to the service and looks at what comes back and what stays behind."""

    def __init__(self, app: Flask, cache: Path) -> None:
        self._client: FlaskClient = app.test_client()
        self._client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
        self._cache = cache

    def try_case(self, case: Case) -> dict[str, Any]:
        """Upload, look at, segment and delete one case; return its statuses and what was wrong."""
        head = f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{case.name}"\r\n\r\n'
        body = head.encode() + case.content + b"\r\n--edge--\r\n"
        wrong: list[str] = []
        statuses = {"upload": self._ask("POST", "/upload", wrong, data=body,
                                        content_type="multipart/form-data; boundary=edge")}  # fmt: skip
        if statuses["upload"] == 200:
            statuses |= self._look(case, wrong)
            self._ask("DELETE", f"/rasters/{case.name}", wrong)
        wrong += [f"left behind: {path.relative_to(self._cache)}" for path in self._left_over()]
        return {"statuses": statuses, "wrong": wrong}

    def _look(self, case: Case, wrong: list[str]) -> dict[str, int]:
        name = case.name
        statuses = {
            "meta": self._ask("GET", f"/raster_meta?raster={name}", wrong),
            "preview": self._ask("POST", "/preview_raster", wrong, json={"raster": name, "max_size": 64}),
            "world": self._ask("GET", f"/tiles/{name}/0/0/0.png", wrong),
        }
        path = self._tile_path(name)
        if path is not None:
            statuses["tile"] = self._ask("GET", path, wrong)
        if case.number % SEGMENTED_EVERY == 0:
            statuses["segment"] = self._ask(
                "POST", "/segment", wrong, json={"raster": name, "window": [0, 0, 256, 256]}, may_miss=True
            )
        return statuses

    def _tile_path(self, name: str) -> str | None:
        """Return the address of a tile in the middle of the raster, as fine as it is; None without a place."""
        place = self._client.get(f"/tiles/{name}/tilejson.json").get_json()
        if "center" not in place or place.get("space") != "map":
            return None
        lon, lat, zoom = *place["center"][:2], place["maxzoom"]
        tile = morecantile.tms.get("WebMercatorQuad").tile(lon, max(-85.0, min(85.0, lat)), zoom)
        return f"/tiles/{name}/{zoom}/{tile.x}/{tile.y}.png"

    def _ask(self, method: str, path: str, wrong: list[str], may_miss: bool = False, **options: Any) -> int:
        response = self._client.open(path, method=method, buffered=True, **options)
        if response.status_code >= 500:
            wrong.append(f"{method} {path}: {response.status_code} {response.get_data(as_text=True)[:300]}")
        if response.status_code >= 400:
            content = response.get_json(silent=True) or {}
            if not {"error", "message", "field"} <= set(content):
                wrong.append(f"{method} {path}: {response.status_code} without a sentence")
        elif may_miss and response.status_code not in (200, 202):
            wrong.append(f"{method} {path}: unexpected {response.status_code}")
        return int(response.status_code)

    def _left_over(self) -> list[Path]:
        """Return files below the cache that no raster owns once every raster is deleted."""
        folders = [self._cache / name for name in ("staging", "spool", "trash", "clients", "jobs")]
        return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


def main(arguments: list[str]) -> int:
    """Work through cases and print one line of JSON before and one after each."""
    parser = argparse.ArgumentParser()
    for name in ("--seed", "--first", "--end"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--zoo", type=Path)
    chosen = parser.parse_args(arguments)
    app = make_app(chosen.cache)
    visitor = Visitor(app, chosen.cache)
    corpus = Corpus(chosen.zoo)
    find_background(app).queue.start()
    try:
        for number in range(chosen.first, chosen.end):
            case = corpus.make(chosen.seed, number)
            _tell({"began": number, "story": case.story})
            started = time.monotonic()
            found = visitor.try_case(case)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            _tell({"ended": number, "seconds": round(time.monotonic() - started, 3), "peak_bytes": peak, **found})
    finally:
        find_background(app).stop(5)
    return 0


def make_app(cache: Path) -> Flask:
    """Return the service with its files under `cache` and no limit of rate that would hide errors."""
    checkpoints = cache / "ckpt"
    checkpoints.mkdir(parents=True, exist_ok=True)
    (checkpoints / "embedded.safetensors").touch()  # the stand-in never opens it
    rates = dict.fromkeys(("ip_access_limit", "interactive_access_limit", "tile_access_limit"), "1000000 per second")
    values = {"cache_folder": str(cache), "checkpoint_folder": str(checkpoints), "api_tokens": [TOKEN],
              "max_pixels": MAX_PIXELS, **rates}  # fmt: skip
    configure_logging("text", is_debug=False)
    logging.getLogger().setLevel(logging.CRITICAL)
    return create_app(make_settings(values, cache), segmenter=Squares())  # type: ignore[arg-type]  # others are not asked


def _tell(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
