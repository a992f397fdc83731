"""Where the parts of an uploaded dataset lie in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from server.datasets.building.layout import Layout, write_json


@dataclass(frozen=True)
class DatasetPlaces:
    """Paths in the folder of one dataset.

    Attributes:
        root: the folder.
    """

    root: Path

    @property
    def archive(self) -> Path:
        """Images and labels as they came; gone once they are unpacked."""
        return self.root / "upload.zip"

    @property
    def unpacked(self) -> Path:
        """Images and labels."""
        return self.root / "input"

    @property
    def vector_boxes(self) -> Path:
        """Copies of vector files, for GDAL to read."""
        return self.root / "vectors"

    @property
    def built(self) -> Layout:
        """The dataset as it was built."""
        return Layout(self.root / "built")

    @property
    def objects(self) -> Path:
        """What people decided about its objects."""
        return self.root / "review.sqlite"

    @property
    def reviewed(self) -> Path:
        """Files that these decisions change."""
        return self.root / "review"

    def remember_images(self, folder: Path) -> None:
        """Write down in which folder images are."""
        write_json(self._source, {"images": folder.relative_to(self.unpacked).as_posix()})

    def find_images(self) -> Path:
        """Return the folder in which images are, once `remember_images` was told."""
        return self.unpacked / str(json.loads(self._source.read_text(encoding="utf-8"))["images"])

    def forget_archive(self, n_left_out: int) -> None:
        """Remove the archive, all of which is unpacked but files that are neither images nor labels."""
        self._left_out.write_text(str(n_left_out), encoding="ascii")
        self.archive.unlink()

    def read_left_out(self) -> int:
        """Return the number of these files."""
        return int(self._left_out.read_text(encoding="ascii"))

    @property
    def _left_out(self) -> Path:
        return self.root / "left_out.txt"

    @property
    def _source(self) -> Path:
        return self.root / "source.json"
