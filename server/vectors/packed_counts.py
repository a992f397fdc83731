"""Unpacks the compressed run lengths of COCO, which a file from anywhere may hold broken."""

from __future__ import annotations

# Numbers are written in characters from "0", five bits each, see COCO's maskApi.
_FIRST_CHARACTER = 48
_BITS = 5
_MORE, _SIGN, _VALUE, _END = 0x20, 0x10, 0x1F, 0x40
# A number with more bits counts more pixels than any raster has.
_MAX_SHIFT = 50


def unpack_counts(text: str) -> list[int] | None:
    """Return the run lengths of a compressed text, None where it is none.

    From the fourth on they are written as differences to the last but one.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - _FIRST_CHARACTER
        if not 0 <= bits < _END or shift > _MAX_SHIFT:
            return None
        value |= (bits & _VALUE) << shift
        shift += _BITS
        if bits & _MORE:
            continue
        if bits & _SIGN:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts
