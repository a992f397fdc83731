"""Turns rational polynomials as satellite operators deliver them, `.rpb` and `_rpc.txt`, into GDAL's metadata items."""

from __future__ import annotations

import math
import re

from server.errors import BadParameter

_AXES = ("LINE", "SAMP", "LAT", "LONG", "HEIGHT")
_POLYNOMIALS = ("LINE_NUM", "LINE_DEN", "SAMP_NUM", "SAMP_DEN")
_N_COEFFICIENTS = 20
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


def parse_rpc(text: str) -> dict[str, str]:
    """Return the items of GDAL's RPC metadata domain, `LINE_OFF` to `SAMP_DEN_COEFF`.

    Args:
        text: of an `.rpb` file (`lineOffset = 1;`, coefficients in brackets) or of an `_rpc.txt` file (`LINE_OFF: 1`,
            coefficients in lines of their own).

    Raises:
        BadParameter: a value is missing or impossible.
    """
    values = _parse_rpb(text) if re.search(r"\bBEGIN_GROUP\b|\blineOffset\b", text) else _parse_rpc_txt(text)
    tags = {}
    for axis in _AXES:
        for kind in ("OFF", "SCALE"):
            tags[f"{axis}_{kind}"] = _join(values, f"{axis}_{kind}", 1)
        if float(tags[f"{axis}_SCALE"]) == 0.0:
            raise BadParameter(
                f"The file with rational polynomials has {axis}_SCALE 0; expected another number.", "file"
            )
    for name in _POLYNOMIALS:
        tags[f"{name}_COEFF"] = _join(values, f"{name}_COEFF", _N_COEFFICIENTS)
    return tags


def _parse_rpb(text: str) -> dict[str, list[float]]:
    """Return numbers by GDAL's names: `lineOffset` is LINE_OFF, `lineNumCoef` LINE_NUM_COEFF."""
    found = {
        name: _numbers(listed or single)
        for name, listed, single in re.findall(r"(\w+)\s*=\s*(?:\(([^)]*)\)|([^;\n]*));", text)
    }
    values = {}
    for axis in _AXES:
        values[f"{axis}_OFF"] = found.get(f"{axis.lower()}Offset", [])
        values[f"{axis}_SCALE"] = found.get(f"{axis.lower()}Scale", [])
    for name in _POLYNOMIALS:
        axis, part = name.lower().split("_")
        values[f"{name}_COEFF"] = found.get(f"{axis}{part.capitalize()}Coef", [])
    return values


def _parse_rpc_txt(text: str) -> dict[str, list[float]]:
    """Return numbers by GDAL's names; units behind a number are ignored."""
    values: dict[str, list[float]] = {}
    for key, value in re.findall(rf"^\s*(\w+)\s*[:=]\s*({_NUMBER})", text, re.MULTILINE):
        name = re.sub(r"_\d+$", "", key.upper())
        values.setdefault(name, []).append(float(value))
    return values


def _numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(_NUMBER, text)]


def _join(values: dict[str, list[float]], name: str, count: int) -> str:
    numbers = values.get(name, [])
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise BadParameter(
            f"The file with rational polynomials has {len(numbers)} numbers for {name}; expected {count} finite ones.",
            "file",
        )
    return " ".join(map(repr, numbers))
