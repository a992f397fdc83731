"""Where everything of a built dataset lies, and how files come into being whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Not what anybody calls an image.
DRAFT_ENDING = "~draft"


@dataclass(frozen=True)
class Layout:
    """Paths below the folder of a dataset.

    Attributes:
        root: the folder.
    """

    root: Path

    def classes_png(self, name: str) -> Path:
        """Classes of an image, 255 where nothing is labelled."""
        return self.root / "masks" / f"{name}.png"

    def objects_png(self, name: str) -> Path:
        """Object ids of an image."""
        return self.root / "instances" / f"{name}.png"

    def objects_large(self, name: str) -> Path:
        """Object ids of an image that has more objects than 16 bits can number."""
        return self.root / "instances" / f"{name}.tif"

    def classes_tif(self, name: str) -> Path:
        """Classes of a georeferenced image."""
        return self.root / "geotiff" / "masks" / f"{name}.tif"

    def objects_tif(self, name: str) -> Path:
        """Object ids of a georeferenced image."""
        return self.root / "geotiff" / "instances" / f"{name}.tif"

    def outlines(self, name: str) -> Path:
        """Outlines of a georeferenced image."""
        return self.root / "geopackage" / f"{name}.gpkg"

    def record(self, name: str) -> Path:
        """What became of an image's detections; its presence says that the image is finished."""
        return self.root / "records" / f"{name}.json"

    @property
    def _mapped(self) -> tuple[Callable[[str], Path], ...]:
        return self.classes_tif, self.objects_tif, self.outlines

    @property
    def coco(self) -> Path:
        """Instances of all images."""
        return self.root / "instances.json"

    @property
    def rejected(self) -> Path:
        """Masks of all images that did not pass the gate, in the same form."""
        return self.root / "rejected.json"

    @property
    def classes(self) -> Path:
        """Table of classes."""
        return self.root / "classes.json"

    @property
    def splits(self) -> Path:
        """Which image is for what."""
        return self.root / "splits.json"

    @property
    def plan(self) -> Path:
        """What the dataset was begun with, so that nobody goes on with something else."""
        return self.root / "plan.json"

    @property
    def data_sheet(self) -> Path:
        """What the dataset is, for people."""
        return self.root / "README.md"

    @property
    def report(self) -> Path:
        """Its numbers, figures and examples, for people."""
        return self.root / "report.html"

    @property
    def manifest(self) -> Path:
        """Sizes and digests of all other files."""
        return self.root / "manifest.json"

    def forget_others(self, names: Iterable[str]) -> None:
        """Remove everything of images that are not among `names`, such as those whose labels are gone."""
        folder = self.root / "records"
        known = set(names)
        for path in sorted(folder.rglob("*.json")):
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name not in known:
                self.forget(name)

    def forget(self, name: str) -> None:
        """Remove everything of an image."""
        for find in (self.classes_png, self.objects_png, self.objects_large, *self._mapped, self.record):
            find(name).unlink(missing_ok=True)


@contextmanager
def drafting(target: Path) -> Iterator[Path]:
    """Hand out a path beside `target` that takes its place at the end; after an error `target` is as it was.

    The ending stays the last one, because writers choose the format by it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.stem}{DRAFT_ENDING}{target.suffix}")
    draft.unlink(missing_ok=True)
    try:
        yield draft
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def write_json(target: Path, content: Any, *, indent: int | None = 1) -> None:
    """Write JSON, whole or not at all."""
    with drafting(target) as draft:
        draft.write_text(json.dumps(content, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(layout: Layout) -> None:
    """List all files of a dataset with their sizes and digests; drafts that an interruption left are removed."""
    files = []
    for path in sorted(layout.root.rglob("*")):
        if path.is_file() and path.stem.endswith(DRAFT_ENDING):
            path.unlink()
        elif path.is_file() and path != layout.manifest:
            files.append(
                {
                    "file": path.relative_to(layout.root).as_posix(),
                    "bytes": path.stat().st_size,
                    "sha256": digest_file(path),
                }
            )
    write_json(layout.manifest, {"files": files})
