"""What asks the network's stand-in."""

from __future__ import annotations

import pytest

from tests.segmentation.prompting.bright_areas import Asker


@pytest.fixture
def ask() -> Asker:
    return Asker()
