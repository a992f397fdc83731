"""Parses label files in XML without letting them grow in memory or reach for other files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from server.datasets.detections.numbers import read_numbers, read_text
from server.datasets.errors import BadDataset

# Entities can be nested so that a kilobyte becomes gigabytes; no label file needs a document type.
DECLARATION = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


def parse_xml(path: Path) -> ElementTree.Element:
    """Return the root of a small XML file.

    Raises:
        BadDataset: it is not XML, too large, or declares entities.
    """
    text = read_text(path)
    if DECLARATION.search(text):
        raise BadDataset(
            f"{path.name} declares a document type or entities, which label files do not need and which can fill the "
            "memory; remove the declaration.",
            "boxes",
        )
    try:
        return ElementTree.fromstring(_without_prolog(text))  # noqa: S314 - see above
    except ElementTree.ParseError as error:
        raise BadDataset(f"{path.name}, line {error.position[0]}: this is no XML ({error}).", "boxes") from error


def number_objects(parents: Iterator[ElementTree.Element], path: Path) -> Iterator[tuple[str, ElementTree.Element]]:
    """Yield "file, object n" and the element of every object; XML parsers forget lines, so objects are counted."""
    for number, element in enumerate(parents, start=1):
        yield f"{path.name}, object {number}", element


def read_child_text(element: ElementTree.Element, name: str, source: str) -> str:
    """Return the text of a descendant.

    Args:
        element: of one object.
        name: path of tags below it.
        source: file and object, for the message.

    Raises:
        BadDataset: there is no such element or no text in it.
    """
    text = element.findtext(name)
    if text is None or not text.strip():
        raise BadDataset(f"{source} has no <{name}>; every object needs one.", "boxes")
    return text.strip()


def read_child_numbers(element: ElementTree.Element, names: tuple[str, ...], source: str) -> list[float]:
    """Return the numbers of several descendants; see `read_child_text`."""
    return read_numbers([read_child_text(element, name, source) for name in names], source)


def _without_prolog(text: str) -> str:
    """Drop the XML declaration, whose encoding no longer holds: the text has been decoded."""
    return re.sub(r"^\s*<\?xml[^>]*\?>", lambda match: "\n" * match.group(0).count("\n"), text, count=1)
