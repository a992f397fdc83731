"""The training loop: it learns, it can be stopped and taken up again, and it leaves what it promises."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from server.errors import BadParameter
from server.segmentation.networks.embedded import build_embedded_sam, load_embedded_sam
from server.training.batches import draw_batch
from server.training.evaluation.centre_clicks import score_centre_clicks
from server.training.labelled_images import LabelledImage, Source
from server.training.loop import Trainer, TrainingSettings, compute_losses, train


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    """Return one easy image: bright squares on dark ground."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(30, 60, (96, 96, 3)).astype(np.uint8)
    labels = np.ones((96, 96), np.int32)
    for number, (row, col) in enumerate([(8, 8), (8, 56), (56, 8), (56, 56)], start=2):
        rgb[row : row + 32, col : col + 32] += 150
        labels[row : row + 32, col : col + 32] = number
    return [Source([LabelledImage(rgb, labels)], 1.0)]


@pytest.fixture
def settings(tmp_path: Path) -> TrainingSettings:
    return TrainingSettings(
        tmp_path / "run",
        n_steps=4,
        early_size=64,
        size=64,
        n_images=1,
        n_prompts=2,
        save_every=2,
        n_warm_up=1,
        n_rated_images=2,
        n_calibration_images=1,
    )


def test_a_few_steps_lower_the_loss(settings: TrainingSettings, sources: list[Source]) -> None:
    trainer = Trainer(replace(settings, n_steps=1000), sources)
    batch = draw_batch(sources, 64, 2, 2, np.random.default_rng(5))
    before = compute_losses(trainer.network, batch, None).total.item()
    for _ in range(14):
        trainer.take_step()
    assert compute_losses(trainer.network, batch, None).total.item() < 0.93 * before


def test_short_numbers_teach_nearly_the_same(settings: TrainingSettings, sources: list[Source]) -> None:
    try:
        short = Trainer(replace(settings, precision="bfloat16"), sources)
    except BadParameter as refusal:
        pytest.skip(f"{refusal} Its refusal is tested with the networks' precision.")
    exact = Trainer(settings, sources)
    for _ in range(2):
        assert short.take_step().total.item() == pytest.approx(exact.take_step().total.item(), rel=0.02)
    assert all(parameter.dtype == torch.float32 for parameter in short.network.parameters())


def test_a_resumed_run_equals_an_unbroken_one(
    settings: TrainingSettings, sources: list[Source], tmp_path: Path
) -> None:
    unbroken = Trainer(settings, sources)
    for _ in range(4):
        unbroken.take_step()
    first = Trainer(settings, sources)
    settings.folder.mkdir()
    for _ in range(2):
        first.take_step()
    first.save()
    second = Trainer(settings, sources)
    second.resume()
    assert second.step == 2
    for _ in range(2):
        second.take_step()
    for name, value in unbroken.average.state_dict().items():
        torch.testing.assert_close(second.average.state_dict()[name], value, rtol=1e-4, atol=1e-6)


def test_train_leaves_weights_log_and_curve(settings: TrainingSettings, sources: list[Source]) -> None:
    weights = train(settings, sources)
    assert load_embedded_sam(weights).image_encoder.img_size == 512
    with (settings.folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4]
    assert (settings.folder / "curve.png").stat().st_size > 1000
    assert train(settings, sources) == weights  # a finished run has nothing left to do


def test_the_rate_warms_up_and_falls(settings: TrainingSettings) -> None:
    trainer = Trainer(replace(settings, n_steps=100, n_warm_up=10), sources)
    rates = []
    for step in range(101):
        trainer.step = step
        rates.append(trainer.learning_rate())
    assert rates[0] == pytest.approx(0.1 * settings.learning_rate, rel=0.01)
    assert max(rates) <= settings.learning_rate
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.02 * settings.learning_rate)


def test_a_time_limit_shortens_the_schedule(settings: TrainingSettings) -> None:
    trainer = Trainer(replace(settings, n_steps=1000, time_limit_s=60.0), sources)
    trainer.elapsed_s = 45.0
    assert trainer.progress() == 0.75


def test_corrections_are_trained_from_clicks_and_boxes(sources: list[Source]) -> None:
    network = build_embedded_sam(64)
    seen = set()
    for seed in range(12):
        batch = draw_batch(sources, 64, 1, 2, np.random.default_rng(seed))
        seen.add(batch.clicks is None)
        losses = compute_losses(network, batch, np.random.default_rng(0))
        assert torch.isfinite(losses.total)
    assert seen == {True, False}


def test_scores_are_measured_only_where_known(sources: list[Source]) -> None:
    scores = score_centre_clicks(build_embedded_sam(64).eval(), sources[0].images)
    assert len(scores.chosen) == 12  # the ground in four windows of 64 pixels, and eight pieces of the squares
    assert (scores.best >= scores.chosen).all()
