"""Writes the files of a dataset anew that decisions change, and lists all files as they are to be handed out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any

from server.datasets.building.assembling import write_coco
from server.datasets.building.building import list_class_rows
from server.datasets.building.layout import Layout, digest_file, drafting, write_json
from server.datasets.building.painting import paint
from server.datasets.building.pictures import Maps, make_palette, write_maps
from server.datasets.building.records import ImageRecord, read_record, write_record
from server.datasets.images import SceneImage
from server.datasets.report.page import Heading
from server.datasets.report.sources import BuiltDataset
from server.datasets.report.writing import write_report
from server.datasets.review.deciding import ReviewedLayout, decide_record, make_reviewed
from server.datasets.review.masks import read_instance
from server.datasets.review.objects import Progress, ReviewObjects
from server.rasters.labels import Palette
from server.rasters.windows import PixelWindow

STATE = "exported.json"


class Export:
    """The files of one dataset, decisions applied."""

    # One process serves all downloads; two of the same dataset must not write the same drafts.
    _writing = Lock()

    def __init__(self, built: Layout, images: Path, objects: ReviewObjects, folder: Path) -> None:
        """Prepare; nothing is written yet.

        Args:
            built: the dataset as it was built.
            images: the folder of its images.
            objects: what was decided.
            folder: for what differs; made if absent.
        """
        self._built, self._images, self._objects = built, images, objects
        self._folder = folder
        self._reviewed = make_reviewed(built, folder / "files")
        self._class_names = tuple(json.loads(built.plan.read_text(encoding="utf-8"))["classes"])

    def refresh(self) -> None:
        """Write what decisions since the last time change."""
        with self._writing:
            latest, images = self._objects.list_changed(self._read_revision())
            if not images:
                return
            palette = make_palette(self._class_names)
            for name in images:
                self._write_image(name, palette)
            self._join(palette)
            write_json(self._folder / STATE, {"revision": latest})

    def find_report(self) -> Path:
        """Return the report of the dataset, decisions applied; made first where an earlier version left it out."""
        self.refresh()
        for layout in (self._reviewed, self._built):
            if layout.report.is_file():
                return layout.report
        with self._writing:
            self._write_report(list_images(self._built))
        return self._reviewed.report

    def list_files(self) -> Iterator[tuple[str, Path]]:
        """Yield the path in the dataset and the file of everything that belongs to it, in order."""
        roots = (self._built.root, self._reviewed.root)  # the later wins
        found = {
            path.relative_to(root).as_posix(): path for root in roots for path in root.rglob("*") if path.is_file()
        }
        yield from sorted(found.items())

    def _read_revision(self) -> int:
        path = self._folder / STATE
        return int(json.loads(path.read_text(encoding="utf-8"))["revision"]) if path.is_file() else 0

    def _write_image(self, name: str, palette: Palette) -> None:
        """Write record and maps of an image; maps only where masks differ, or differed before."""
        built = read_record(self._built, name)
        found = self._objects.list_of(name)
        record = decide_record(built, {item.instance_id: item for item in found})
        own = Layout(self._reviewed.root)
        if any(item.changes_maps for item in found) or own.classes_png(name).is_file():
            kept = [read_instance(annotation, name, record.size) for annotation in record.kept]
            values = {class_name: value for value, class_name in enumerate(self._class_names)}
            image = self._describe_image(name, record.file_name, record.size)
            write_maps(own, image, Maps(*paint(kept, record.size, values)), kept, palette)
        write_record(own, record)

    def _describe_image(self, name: str, file_name: str, size: tuple[int, int]) -> SceneImage:
        return SceneImage(self._images / file_name, name, name, PixelWindow(0, 0, *size), size)

    def _join(self, palette: Palette) -> None:
        """Write what is about all images."""
        layout, names = self._reviewed, list_images(self._built)
        write_coco(layout.coco, layout, names, self._class_names, lambda record: record.kept)
        write_coco(layout.rejected, layout, names, self._class_names, lambda record: record.rejected)
        write_json(layout.classes, list_class_rows(self._class_names, palette))
        with drafting(layout.data_sheet) as draft:
            sheet = self._built.data_sheet.read_text(encoding="utf-8")
            draft.write_text(f"{sheet}\n{render_review(self._objects.measure())}", encoding="utf-8")
        self._write_report(names)
        write_manifest(self._built, layout)

    def _write_report(self, names: list[str]) -> None:
        def find_image(record: ImageRecord) -> Path:
            return self._images / record.file_name

        title = self._built.data_sheet.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        heading = Heading(title, tell_progress(self._objects.measure()))
        dataset = BuiltDataset(self._reviewed, names, self._class_names, find_image)
        write_report(self._reviewed, dataset, heading, lambda: None)


def list_images(layout: Layout) -> list[str]:
    """Return the names of the images of a finished dataset, in order."""
    folder = layout.root / "records"
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.json"))


def render_review(progress: Progress) -> str:
    """Return the part of the data sheet that tells what people did, as Markdown."""
    return (
        f"## Review\n\nPeople looked at masks after the counts above: {tell_progress(progress)} `instances.json`, "
        "`report.html`, `masks/` and `instances/` follow these decisions; `review` in `instances.json` tells which "
        "object somebody looked at, and what was rejected is in `rejected.json`.\n"
    )


def tell_progress(progress: Progress) -> str:
    """Return a sentence about what people decided."""
    states = progress.states
    return (
        f"{states['accepted']} of the masks that passed the gate were accepted, {states['rejected']} rejected, "
        f"{states['open']} not looked at; {progress.corrected} masks come from clicks."
    )


def write_manifest(built: Layout, reviewed: ReviewedLayout) -> None:
    """List all files of a reviewed dataset; digests of files that did not change are those of the first manifest."""
    rows: dict[str, dict[str, Any]] = {
        row["file"]: row for row in json.loads(built.manifest.read_text(encoding="utf-8"))["files"]
    }
    for path in reviewed.root.rglob("*"):
        if path.is_file() and path != reviewed.manifest:
            name = path.relative_to(reviewed.root).as_posix()
            rows[name] = {"file": name, "bytes": path.stat().st_size, "sha256": digest_file(path)}
    write_json(reviewed.manifest, {"files": [rows[name] for name in sorted(rows)]})
