"""Finds the image that a label file, or a name inside of one, belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from server.datasets.errors import BadDataset
from server.datasets.images import IMAGE_SUFFIXES
from server.datasets.scenes import list_names


class ImageNames:
    """The images of a folder, found by their path below it, or by file name alone where that is unique."""

    def __init__(self, images: Mapping[str, Path], refused: Iterable[str] = ()) -> None:
        """Prepare.

        Args:
            images: files by their path below the folder without ending, as `find_files` returns them.
            refused: such paths of images that were taken away. Their labels belong to them all the same, and not to
                another image of the same file name.
        """
        self.images = images
        self._known = {*images, *refused}
        self._by_stem: dict[str, list[str]] = {}
        for key in sorted(self._known):
            self._by_stem.setdefault(PurePosixPath(key).name, []).append(key)

    def find(self, written: str) -> str | None:
        """Return the name of the image that is written as a path or file name, with or without ending.

        None where there is no such image, or where several folders have one and the path does not tell which. The name
        may be that of a refused one, which is not among `images`.
        """
        path = PurePosixPath(written.strip().replace("\\", "/"))
        bare = path.with_suffix("") if path.suffix.lower() in IMAGE_SUFFIXES else path
        if bare.as_posix() in self._known:
            return bare.as_posix()
        found = self._by_stem.get(bare.name, [])
        return found[0] if len(found) == 1 else None

    def match_files(self, labels: Path, suffix: str) -> tuple[dict[str, Path], list[str]]:
        """Pair images with label files of their names.

        Args:
            labels: a folder of label files, searched with its sub-folders, or one such file.
            suffix: of label files, such as ".txt".

        Returns:
            Label files by the name of the image, in order, and sentences about files and images that stay alone.

        Raises:
            BadDataset: no pairs are found, or two label files claim one image.
        """
        paths = [labels] if labels.is_file() else sorted(labels.rglob(f"*{suffix}"))
        pairs: dict[str, Path] = {}
        lonely: list[str] = []
        for path in paths:
            place = path.stem if labels.is_file() else path.relative_to(labels).with_suffix("").as_posix()
            key = self.find(place)
            if key is None:
                lonely.append(path.name)
            elif key in pairs:
                raise BadDataset(
                    f"{pairs[key]} and {path} both carry the name of the image {key}; give the folder that holds the "
                    "one you mean.",
                    "boxes",
                )
            else:
                pairs[key] = path
        if not pairs:
            raise BadDataset(
                f"None of the images {list_names(self.images)} has a {suffix} file of its name in {labels}, where "
                f"there are {list_names(path.name for path in paths)}.",
                "boxes",
            )
        return dict(sorted(pairs.items())), [*_tell_lonely(lonely), *self.tell_unlabelled(pairs)]

    def tell_unlabelled(self, labelled: Iterable[str]) -> list[str]:
        """Return a sentence about images that no label speaks of, if there are any."""
        rest = self.images.keys() - set(labelled)
        if not rest:
            return []
        return [f"{len(rest)} images have no boxes and are left out: {list_names(rest)}."]


def _tell_lonely(files: list[str]) -> list[str]:
    return [f"{len(files)} label files have no image and are left out: {list_names(files)}."] if files else []
