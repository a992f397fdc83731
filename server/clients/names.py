"""What a client may call a file: the name is shown and compared, and never becomes a path."""

from __future__ import annotations

import re
import unicodedata

from server.errors import BadParameter

MAX_NAME_LENGTH = 200
# Control and format characters (which can reverse what a reader sees), halves of characters, line separators.
UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def clean_file_name(name: str) -> str:
    """Return the last part of a name a client sent, without characters that cannot be shown.

    Args:
        name: as sent; browsers send a plain name, programs may send a path of any system.

    Raises:
        BadParameter: nothing is left of it, or it is too long.
    """
    last = re.split(r"[/\\]", name)[-1]
    cleaned = "".join(char for char in last if unicodedata.category(char) not in UNPRINTABLE).strip()
    if not cleaned.strip("."):
        raise BadParameter(f'"{name[:80]!a}" is no file name; expected one such as "scene.tif".', "file")
    if len(cleaned) > MAX_NAME_LENGTH:
        raise BadParameter(
            f'The name "{cleaned[:40]}…" has {len(cleaned)} characters; at most {MAX_NAME_LENGTH} are allowed. '
            "Rename the file.",
            "file",
        )
    return cleaned
