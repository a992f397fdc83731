"""Which checkpoints there are and which of them lie on this machine, told without importing torch."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from server.errors import BadParameter, CheckpointMissing
from server.segmentation.networks.cards import read_card

DEFAULT_CHECKPOINT = "embedded"
CHECKPOINT_FOLDER = Path(__file__).resolve().parents[3] / "ckpt"
KINDS = ("vit_b", "vit_l", "vit_h")
SAM_INPUT_SIZE, EMBEDDED_INPUT_SIZE = 1024, 512
# Official SAM files, and fine-tuned ones in their format; fine-tuned embedded networks.
SAM_ENDING, EMBEDDED_ENDING = ".pth", ".safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """One row of `/checkpoints`.

    Attributes:
        name: what a request calls it.
        kind: "embedded", "vit_b", "vit_l", "vit_h", or "unknown" until the file is loaded.
        parameters: number of weights; None where only loading the file could tell.
        available: True when its file is on this machine.
        embedded: True for the network that comes with this project.
        input_size: side of the square patch the network sees, in pixels.
        note: one sentence for the user.
        class_name: what the class mode finds with it; None where it was not fine-tuned for a class.
    """

    name: str
    kind: str
    parameters: int | None
    available: bool
    embedded: bool
    input_size: int
    licence: str
    note: str
    class_name: str | None = None


@dataclass(frozen=True)
class Source:
    """A line of `ckpt/checkpoints.json`: a known checkpoint and where it can be downloaded.

    Attributes:
        url: None when it cannot be downloaded.
        size_bytes: exact size of the file; None when it is not fixed.
        sha256: hexadecimal digest of the file; None when it is not fixed.
    """

    file: str
    kind: str
    parameters: int | None
    input_size: int
    licence: str
    note: str
    url: str | None
    size_bytes: int | None
    sha256: str | None


@cache
def read_sources() -> dict[str, Source]:
    """Return the known checkpoints by name, as listed in this repository's `ckpt/checkpoints.json`."""
    content = json.loads((CHECKPOINT_FOLDER / "checkpoints.json").read_text(encoding="utf-8"))
    return {name: Source(**fields) for name, fields in content.items()}


def list_checkpoints(folder: Path) -> list[Checkpoint]:
    """List the known checkpoints, then every other weights file in `folder` under its stem."""
    known = [_describe_known(name, source, folder) for name, source in read_sources().items()]
    return known + [_describe_dropped_in(path) for path in _dropped_in_files(folder)]


def find_checkpoint(folder: Path, name: str) -> Path:
    """Return the file of checkpoint `name`.

    Raises:
        BadParameter: no checkpoint has that name.
        CheckpointMissing: it is known, but its file is not on this machine.
    """
    files = {key: folder / source.file for key, source in read_sources().items()}
    files |= {path.stem: path for path in _dropped_in_files(folder)}
    if name not in files:
        raise BadParameter(f'No checkpoint is called "{name[:80]}"; known are {", ".join(files)}.', "checkpoint")
    if not files[name].is_file():
        raise CheckpointMissing(_how_to_get(name, files[name]), "checkpoint")
    return files[name]


def find_class(folder: Path, name: str) -> str:
    """Return the class that checkpoint `name` was fine-tuned for.

    Raises:
        BadParameter: no checkpoint has that name, or it was not fine-tuned for a class.
        CheckpointMissing: it is known, but its file is not on this machine.
    """
    card = read_card(find_checkpoint(folder, name))
    if card is None:
        others = [item.name for item in list_checkpoints(folder) if item.class_name is not None]
        found = f"those here are {', '.join(others)}" if others else "there is none here yet"
        raise BadParameter(
            f'The checkpoint "{name}" was not fine-tuned for a class, so it has no class mode; {found}. '
            "Make one with `python ultimate.py finetune`.",
            "checkpoint",
        )
    return card.class_name


def _how_to_get(name: str, path: Path) -> str:
    source = read_sources()[name]
    fix = f"run `python ultimate.py fetch {name}`" if source.url else "restore it from this project's repository"
    return f'The checkpoint "{name}" is not on this machine ({path.name} is missing); {fix}.'


def _describe_known(name: str, source: Source, folder: Path) -> Checkpoint:
    path = folder / source.file
    available = path.is_file()
    parameters = source.parameters
    if parameters is None and available:
        parameters = _count_safetensors_parameters(path)
    return Checkpoint(
        name=name,
        kind=source.kind,
        parameters=parameters,
        available=available,
        embedded=source.kind == "embedded",
        input_size=source.input_size,
        licence=source.licence,
        note=source.note,
    )


def _dropped_in_files(folder: Path) -> list[Path]:
    known = read_sources()
    official = {source.file for source in known.values()}
    found = [*folder.glob(f"*{SAM_ENDING}"), *folder.glob(f"*{EMBEDDED_ENDING}")]
    return [
        path
        for path in sorted(found, key=lambda path: path.name)
        if path.is_file() and path.name not in official and path.stem not in known
    ]


def _describe_dropped_in(path: Path) -> Checkpoint:
    card = read_card(path)
    if card is not None:
        return Checkpoint(
            name=card.name,
            kind=card.kind,
            parameters=card.parameters,
            available=True,
            embedded=False,
            input_size=card.input_size,
            licence=card.licence,
            note=card.note,
            class_name=card.class_name,
        )
    is_embedded = path.suffix == EMBEDDED_ENDING
    kind = "embedded" if is_embedded else next((kind for kind in KINDS if kind in path.stem.lower()), "unknown")
    expected = "this project's embedded network" if is_embedded else "the official SAM files"
    return Checkpoint(
        name=path.stem,
        kind=kind,
        parameters=_count_safetensors_parameters(path) if is_embedded else None,
        available=True,
        embedded=False,
        input_size=EMBEDDED_INPUT_SIZE if is_embedded else SAM_INPUT_SIZE,
        licence="unknown",
        note=f"Put here by the operator; expected in the format of {expected}.",
    )


def _count_safetensors_parameters(path: Path) -> int | None:
    """Sum the tensor sizes named in the file's JSON header; None when the header is damaged (loading will say so)."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return sum(int(math.prod(item["shape"])) for name, item in header.items() if name != "__metadata__")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError):
        return None
