"""Clicks while a whole raster is segmented: answered at once, right, and never stopped by somebody's cancel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.errors import Cancelled
from server.segmentation.engine import SegmentationEngine
from server.segmentation.networks import loading
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.prompting.answering import PromptRequest
from server.segmentation.prompting.earlier_masks import Owner
from server.segmentation.prompting.prompts import GivenPrompts
from server.segmentation.whole_raster.segmenting import SegmentRequest

# Nothing passes, so that only the network takes time: some seconds for so many clicks.
LONG = MaskGeneratorSettings.from_mapping({"points_per_side": 128, "pred_iou_thresh": 1.0})


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tiny_sam: Any, tmp_path: Path) -> SegmentationEngine:
    monkeypatch.setattr(loading, "load_network", lambda *_: tiny_sam)
    return SegmentationEngine(tmp_path, "cpu")


@pytest.fixture
def scene(make_raster: Callable[..., Path]) -> Path:
    return make_raster(bands=np.random.default_rng(0).integers(1, 255, (3, 100, 100), dtype=np.uint8))


@contextmanager
def job(engine: SegmentationEngine, source: Path, folder: Path) -> Iterator[tuple[threading.Event, threading.Thread]]:
    """Segment in a thread; yield once it is inside the network, with the event that cancels it."""
    cancelled, is_running = threading.Event(), threading.Event()
    folder.mkdir()

    def report(share: float, _step: str) -> None:
        if share > 0:
            is_running.set()
        if cancelled.is_set():
            raise Cancelled

    def run() -> None:
        with suppress(Cancelled):
            engine.segment(source, folder, SegmentRequest((1, 2, 3), LONG, "tiny"), report)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert is_running.wait(30)
        yield cancelled, thread
    finally:
        cancelled.set()
        thread.join(30)
        assert not thread.is_alive()


def click(engine: SegmentationEngine, source: Path, x: float, y: float) -> list[tuple[float, int]]:
    request = PromptRequest(GivenPrompts([[x, y, 1]], None, "pixel"), (1, 2, 3), Owner("client", "raster", "tiny"))
    return [(mask.predicted_iou, mask.area_px) for mask in engine.predict(source, request).masks]


def test_a_click_is_answered_while_a_job_runs(engine: SegmentationEngine, scene: Path, tmp_path: Path) -> None:
    places = [(number * 9.5 + 2, number * 7.5 + 3) for number in range(10)]
    alone = [click(engine, scene, x, y) for x, y in places]
    with job(engine, scene, tmp_path / "job") as (_, thread):
        started = time.monotonic()
        beside = [click(engine, scene, x, y) for x, y in places]
        seconds = time.monotonic() - started
        assert thread.is_alive(), "the job was over before the clicks, which shows nothing"
    assert beside == alone
    assert seconds < 10


def test_a_cancelled_job_stops_no_click(engine: SegmentationEngine, scene: Path, tmp_path: Path, tiny_sam: Any) -> None:
    failures: list[BaseException] = []
    finished = threading.Event()
    alone = click(engine, scene, 50, 50)

    def keep_clicking() -> None:
        try:
            while not finished.is_set():
                assert click(engine, scene, 50, 50) == alone
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test is to tell
            failures.append(error)

    clicking = threading.Thread(target=keep_clicking)
    clicking.start()
    for number in range(6):
        with job(engine, scene, tmp_path / f"job {number}") as (cancelled, _):
            cancelled.set()
    finished.set()
    clicking.join(30)
    assert failures == []
    assert not any(module._forward_pre_hooks for module in tiny_sam.modules())


def test_clients_at_once_get_their_own_answers(engine: SegmentationEngine, scene: Path) -> None:
    places = [(number * 6.0 + 2, 95 - number * 5.0) for number in range(10)]
    alone = [click(engine, scene, x, y) for x, y in places]
    together: dict[int, list[list[tuple[float, int]]]] = {}

    def use(number: int) -> None:
        together[number] = [click(engine, scene, *places[number]) for _ in range(5)]

    threads = [threading.Thread(target=use, args=(number,)) for number in range(len(places))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [together[number] for number in range(len(places))] == [[answer] * 5 for answer in alone]
