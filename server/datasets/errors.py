"""What is wrong with labelled imagery, told to the person who can put it right."""

from __future__ import annotations

from server.errors import UserError


class BadDataset(UserError):
    """Images and labels do not belong together, or one of them is not what it was said to be."""

    code = "bad_dataset"
