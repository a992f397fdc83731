"""Small archives of images and labels, and a stand-in that outlines what is bright."""

from __future__ import annotations

import io
import time
import zipfile
from typing import Any

import cv2
import numpy as np
from flask.testing import FlaskClient

from server.segmentation.batch_prompts.prompts import PromptBatch
from server.segmentation.mask_records import MaskRecord, crop_mask

SIZE = (120, 80)
# class number, then x0, y0, x1, y1; the last box of b lies on dark ground.
BOXES = {
    "a": [(0, 10, 10, 30, 20), (1, 50, 5, 60, 40), (0, 100, 60, 118, 70)],
    "b": [(1, 5, 5, 25, 15), (0, 40, 30, 50, 36), (0, 70, 50, 80, 60)],
}
DARK = ("b", 2)


class BrightBatch:
    """Implements `BatchNetwork`: the bright area under the place of each prompt."""

    input_size = 64

    def answer(self, rgb: np.ndarray, prompts: PromptBatch, *, multimask: bool) -> list[list[MaskRecord]]:
        _, areas = cv2.connectedComponents((rgb[..., 0] > 128).astype(np.uint8), connectivity=4)
        answers = []
        for x, y in prompts.places_xy.tolist():
            area = areas[int(y), int(x)]
            cropped = crop_mask((areas == area) & (area > 0))
            # Taller objects are rated lower, so that an order by score shows.
            found = [] if cropped is None else [MaskRecord(*cropped, 0.95 - cropped[1][3] / 100, 0.99, (x, y))]
            answers.append(found)
        return answers


def draw_image(name: str) -> np.ndarray:
    image = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
    for number, (_, x0, y0, x1, y1) in enumerate(BOXES[name]):
        if (name, number) != DARK:
            image[y0:y1, x0:x1] = 220
    return image


def encode_image(name: str) -> bytes:
    return cv2.imencode(".png", draw_image(name))[1].tobytes()


def write_labels(name: str) -> str:
    width, height = SIZE
    rows = [
        f"{number} {(x0 + x1) / 2 / width} {(y0 + y1) / 2 / height} {(x1 - x0) / width} {(y1 - y0) / height}"
        for number, x0, y0, x1, y1 in BOXES[name]
    ]
    return "\n".join(rows)


def scene_files() -> dict[str, bytes | str]:
    """Return what a data set in YOLO's form holds."""
    files: dict[str, bytes | str] = {"set/classes.txt": "car\nbus\n"}
    for name in BOXES:
        files[f"set/images/{name}.png"] = encode_image(name)
        files[f"set/labels/{name}.txt"] = write_labels(name)
    return files


def pack(files: dict[str, bytes | str] | list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    """Return a zip archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, content)
    return target.getvalue()


def send(client: FlaskClient, archive: bytes, name: str = "scenes.zip", **fields: str) -> Any:
    # The stand-in rates by height, not by worth.
    data = {"format": "yolo", "min_iou": "0.5", **fields, "file": (io.BytesIO(archive), name)}
    return client.post("/datasets", data=data, content_type="multipart/form-data")


def wait_until_built(client: FlaskClient, dataset: str, *, timeout_s: float = 20) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        described = client.get(f"/datasets/{dataset}").get_json()
        if described["state"] not in ("queued", "running"):
            return described
        time.sleep(0.05)
    raise AssertionError(f"dataset {dataset} is still {described['state']}: {described['job']}")
