"""Builds a dataset image by image: read, ask, judge, paint, write; then joins what all images gave."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from server.datasets.building.asking import ask_all
from server.datasets.building.assembling import write_coco
from server.datasets.building.data_sheet import Making, Provenance, render_data_sheet
from server.datasets.building.instances import Instance, make_instance
from server.datasets.building.layout import Layout, drafting, write_json, write_manifest
from server.datasets.building.painting import UNLABELLED, paint
from server.datasets.building.pictures import Maps, make_palette, write_maps
from server.datasets.building.records import is_finished, make_fingerprint, make_record, write_record
from server.datasets.building.settings import BuildSettings, write_prompt
from server.datasets.building.splitting import split_areas
from server.datasets.building.summary import BuildSummary, summarise
from server.datasets.building.windows import plan_looks
from server.datasets.building.workers import run_side_by_side
from server.datasets.detections.fitting import Fitted, fit_detections
from server.datasets.detections.records import DetectionReader
from server.datasets.errors import BadDataset
from server.datasets.images import SceneImage
from server.datasets.refused import tell_left_out
from server.datasets.report.page import Heading
from server.datasets.report.sources import BuiltDataset
from server.datasets.report.writing import write_report
from server.datasets.scenes import list_names
from server.errors import BadParameter, NotARaster, TooLarge
from server.rasters.labels import Palette
from server.rasters.look import choose_bands
from server.rasters.windows import PatchReader
from server.segmentation.batch_prompts.prompts import BatchNetwork

# The maps of an image are painted in memory, 5 bytes for a pixel.
MAX_PIXELS = 2**28


@dataclass(frozen=True)
class Source:
    """What a dataset is built from.

    Attributes:
        images: whole images, in the order of their names.
        file_names: their paths below the folder of images, by name.
        reader: of their detections.
        class_names: in the order of their values.
        left_out: sentences about images that cannot be opened, by name.
    """

    images: Sequence[SceneImage]
    file_names: dict[str, str]
    reader: DetectionReader
    class_names: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def fit(self, image: SceneImage, settings: BuildSettings) -> Fitted:
        """Return the detections of an image, cut to it and numbered.

        Raises:
            BadDataset: the labels are not in the format that was said.
        """
        detections = self.reader.read(image)
        return fit_detections(detections, image.size, with_difficult=settings.with_difficult)


class DatasetBuilder:
    """Builds one dataset in one folder; a second run goes on where the first was interrupted."""

    def __init__(self, source: Source, settings: BuildSettings, making: Making, root: Path) -> None:
        """Prepare; nothing is written yet.

        Args:
            source: images and detections.
            settings: how boxes become masks.
            making: what is told about network and software.
            root: folder of the dataset.
        """
        self._source, self._settings, self._making = source, settings, making
        self.layout = Layout(root)
        self._palette: Palette = make_palette(source.class_names)
        self._values = {name: value for value, name in enumerate(source.class_names)}
        self._left_out = dict(source.left_out)

    def build(
        self,
        network: BatchNetwork,
        provenance: Provenance,
        tell: Callable[[int], None] = lambda _: None,
        others: Sequence[BatchNetwork] = (),
    ) -> BuildSummary:
        """Write everything; an image whose pixels cannot be read is left out and told of.

        Args:
            network: answers prompts.
            provenance: for the data sheet.
            tell: told the number of finished images; may raise to stop.
            others: more networks that give the same answers; each of them works on an image of its own at the same
                time. What is written does not depend on how many there are.

        Raises:
            BadDataset: labels are not in their format, none of the images can be read, or the folder holds another
                dataset.
            BadParameter: a prompt is chosen for a class that there is not.
            TooLarge: an image has more pixels than can be painted at once.
        """
        self._begin()
        run_side_by_side(self._list_work(), (network, *others), tell)
        return self._join(provenance, lambda: tell(len(self._source.images)))

    def _list_work(self) -> Iterator[Callable[[BatchNetwork], None]]:
        """Yield what is to be done for every image; labels are read here, by the one who asks for the next."""
        for image in self._source.images:
            fitted = self._source.fit(image, self._settings)
            yield partial(self._finish, image, fitted)

    def _begin(self) -> None:
        """Make sure that the plan fits the classes, and that the folder is empty or was begun with the same plan."""
        unknown = self._settings.class_prompts.keys() - set(self._source.class_names)
        if unknown:
            raise BadParameter(
                f"A prompt is chosen for {list_names(unknown)}, but the classes are "
                f"{list_names(self._source.class_names)}.",
                "class_prompt",
            )
        plan = self._describe_plan()
        if self.layout.plan.is_file():
            found = json.loads(self.layout.plan.read_text(encoding="utf-8"))
            different = sorted(key for key in plan if found.get(key) != plan[key])
            if different:
                raise BadDataset(
                    f"{self.layout.root} holds a dataset that was begun with another {', '.join(different)}; choose "
                    "another folder, or remove this one.",
                    "out",
                )
        elif self.layout.root.is_dir() and any(self.layout.root.iterdir()):
            raise BadDataset(f"{self.layout.root} holds other files; choose an empty folder.", "out")
        write_json(self.layout.plan, plan)

    def _describe_plan(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "classes": list(self._source.class_names),
            "prompt": write_prompt(settings.prompt),
            "class_prompts": {name: write_prompt(kind) for name, kind in sorted(settings.class_prompts.items())},
            "multimask": settings.multimask,
            "gate": dataclasses.asdict(settings.gate),
            "constrain": settings.constrain,
            "with_difficult": settings.with_difficult,
            "window_px": settings.window_px,
            "making": dataclasses.asdict(self._making),
        }

    def _finish(self, image: SceneImage, fitted: Fitted, network: BatchNetwork) -> None:
        """Write the maps and the record of an image, unless an earlier run did."""
        if is_finished(self.layout, image.name, make_fingerprint(image, fitted)):
            return
        if image.size[0] * image.size[1] > MAX_PIXELS:
            raise TooLarge(
                f"{image.path.name} has {image.size[0]} x {image.size[1]} pixels, more than the {MAX_PIXELS} that can "
                "be painted at once; cut it into pieces.",
                "images",
            )
        self.layout.record(image.name).unlink(missing_ok=True)
        try:
            instances = self._ask(image, fitted, network)
        except NotARaster as error:
            self._left_out[image.name] = tell_left_out(image.path.name, error.message)
            self.layout.forget(image.name)
            return
        kept = [instance for instance in instances if instance.rejection is None]
        classes, objects = paint(kept, image.size, self._values)
        write_maps(self.layout, image, Maps(classes, objects), kept, self._palette)
        write_record(self.layout, make_record(image, self._source.file_names[image.name], fitted, instances))

    def _ask(self, image: SceneImage, fitted: Fitted, network: BatchNetwork) -> list[Instance]:
        """Return what became of every target, in the order of their ids."""
        window_px = self._settings.window_px or network.input_size
        looks = plan_looks(fitted.targets, image.size, window_px=window_px, input_px=network.input_size)
        instances = []
        with PatchReader(image.path, choose_bands(image.path, None)) as reader:
            for look in looks:
                patch = reader.read_patch(look.window, look.shape)
                is_coarse = look.shape != (look.window.height, look.window.width)
                valid = reader.read_patch(look.window).valid if is_coarse else patch.valid
                for candidate in ask_all(patch.rgb, look, network, self._settings):
                    instances.append(make_instance(candidate, self._settings, valid))
        return sorted(instances, key=lambda instance: instance.target.id)

    def _open_built(self, images: Sequence[SceneImage]) -> BuiltDataset:
        paths = {image.name: image.path for image in images}
        return BuiltDataset(self.layout, list(paths), self._source.class_names, lambda record: paths[record.name])

    def _join(self, provenance: Provenance, tell: Callable[[], None]) -> BuildSummary:
        """Write what is about all images; `tell` may raise to stop while the report is made of them."""
        layout, class_names = self.layout, self._source.class_names
        images = [image for image in self._source.images if image.name not in self._left_out]
        require_any(images, self._left_out)
        names = [image.name for image in images]
        layout.forget_others(names)
        write_coco(layout.coco, layout, names, class_names, lambda record: record.kept)
        write_coco(layout.rejected, layout, names, class_names, lambda record: record.rejected)
        write_json(layout.classes, list_class_rows(class_names, self._palette))
        areas = {image.name: image.group for image in images}
        splits = split_areas(areas, self._settings.shares, self._settings.seed)
        seed = self._settings.seed
        write_json(layout.splits, {"by": self._making.grouping, "seed": seed, "areas": areas, "parts": splits})
        left_out = [sentence for _, sentence in sorted(self._left_out.items())]
        summary = summarise(layout, names, class_names, left_out, self._source.reader.notes)
        with drafting(layout.data_sheet) as draft:
            sheet = render_data_sheet(summary, self._settings, provenance, self._making, splits)
            draft.write_text(sheet, encoding="utf-8")
        write_report(layout, self._open_built(images), Heading(provenance.title, summary.tell(), ()), tell)
        write_manifest(layout)
        return summary


def require_any(images: Sequence[SceneImage], left_out: Mapping[str, str]) -> None:
    """Make sure that not all images are left out.

    Raises:
        BadDataset: they are; tells of the first.
    """
    if left_out and not images:
        raise BadDataset(f"None of the {len(left_out)} images can be read. {min(left_out.items())[1]}", "images")


def list_class_rows(class_names: Sequence[str], palette: Palette) -> list[dict[str, Any]]:
    """Return a class table as `read_class_table` reads it, with the colours for people."""
    rows: list[dict[str, Any]] = [
        {"name": name, "value": value, "rgb": list(palette.colours[value])} for value, name in enumerate(class_names)
    ]
    return [*rows, {"name": "unlabelled", "value": UNLABELLED, "ignore": True}]
