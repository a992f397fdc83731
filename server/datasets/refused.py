"""Images that were looked at and refused: each leaves a note with the reason in its place, for whoever comes later."""

from __future__ import annotations

from pathlib import Path

# Not what anybody calls an image, and no ending that archives are unpacked with.
NOTE_ENDING = ".refused"


def refuse(image: Path, reason: str) -> None:
    """Remove an image file and leave the reason beside the place where it was."""
    _note_of(image).write_text(reason, encoding="utf-8")
    image.unlink()


def find_refused(folder: Path) -> dict[str, str]:
    """Return the reasons of images that were refused below a folder, by path below it without ending, in order."""
    notes = sorted(folder.rglob(f"*{NOTE_ENDING}"))
    return {
        note.relative_to(folder).with_suffix("").with_suffix("").as_posix(): tell_left_out(
            note.stem, note.read_text(encoding="utf-8")
        )
        for note in notes
    }


def tell_left_out(file_name: str, reason: str) -> str:
    """Return the sentence about an image that cannot be read."""
    return f"{file_name} is left out: {reason}"


def _note_of(image: Path) -> Path:
    return image.with_name(f"{image.name}{NOTE_ENDING}")
