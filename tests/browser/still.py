"""Waiting for what slides."""

from __future__ import annotations

from playwright.sync_api import Locator

PAUSE_MS = 250


def wait_until_still(locator: Locator) -> None:
    """Wait for the end of the slide that brings an element; a click on the way misses it on a busy machine."""
    before = None
    while before != (now := locator.bounding_box()):
        before = now
        locator.page.wait_for_timeout(PAUSE_MS)
