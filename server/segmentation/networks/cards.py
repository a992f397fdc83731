"""What is known about a fine-tuned checkpoint: a card, a small JSON file beside its weights."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Card:
    """The card of one fine-tuned checkpoint; it lies beside the weights under the same stem, ending in `.json`.

    Attributes:
        name: what a request calls the checkpoint.
        file: of the weights, in the same folder.
        kind: "embedded", "vit_b", "vit_l" or "vit_h".
        base: the checkpoint that was fine-tuned.
        class_name: what the class mode finds.
        parameters: number of weights.
        input_size: side of the square patch the network sees, in pixels.
        licence: of the weights, as the one who trained them says.
        data: what it was trained on, in words.
        metrics: figures on the validation area, by name.
        note: one sentence for the user.
    """

    name: str
    file: str
    kind: str
    base: str
    class_name: str
    parameters: int
    input_size: int
    licence: str
    data: str
    metrics: dict[str, float]
    note: str


def write_card(card: Card, folder: Path) -> Path:
    """Write `card` into `folder`, whole or not at all; return the file."""
    path = folder / f"{card.name}.json"
    draft = path.with_suffix(".json.part")
    draft.write_text(json.dumps(asdict(card), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


def read_card(weights: Path) -> Card | None:
    """Return the card of a weights file; None where there is none, or one that cannot be read, which is logged."""
    path = weights.with_suffix(".json")
    if not path.is_file():
        return None
    try:
        card = Card(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        log.warning("The card %s cannot be read and is left out: %s", path.name, error)
        return None
    return card if (card.name, card.file) == (weights.stem, weights.name) else None
