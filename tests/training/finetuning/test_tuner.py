"""The loop: it learns the class, encodes once, stops in time, and goes on where it was cut off, bit for bit."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from server.datasets.scenes import Dataset, split_by_group
from server.errors import BadParameter
from server.segmentation.networks.embedded import EmbeddedSam
from server.training.finetuning.answering import compute_losses, encode
from server.training.finetuning.embedding_store import EmbeddingStore, digest_encoder
from server.training.finetuning.examples import FreshExamples, KeptExamples, Views
from server.training.finetuning.losses import USUAL
from server.training.finetuning.prompts import PromptedMasks
from server.training.finetuning.settings import FineTuningSettings
from server.training.finetuning.trainable import choose_trainable
from server.training.finetuning.tuner import ClassData, Tuner
from server.training.finetuning.windows import plan_training_windows, plan_validation_windows

SIZE = 64


@pytest.fixture
def settings(tmp_path: Path) -> FineTuningSettings:
    return FineTuningSettings(
        tmp_path / "run", n_steps=6, n_images=2, n_prompts=2, n_views=2, n_warm_up=1, validate_every=3, save_every=2
    )


@pytest.fixture
def make_tuner(roads: Dataset, untrained: EmbeddedSam, tmp_path: Path) -> Callable[..., Tuner]:
    """Return a maker of tuners that all begin with the same weights."""
    weights = {name: value.clone() for name, value in untrained.state_dict().items()}
    training, validation = split_by_group(roads, ["south"])
    windows = plan_training_windows(training, 1, SIZE, lambda _: None)
    looks = plan_validation_windows(validation, 1, SIZE, lambda _: None)

    def make(settings: FineTuningSettings, encoder: Any = None, store: str = "embeddings") -> Tuner:
        untrained.load_state_dict(weights)
        parts = choose_trainable(untrained, settings.trained, settings.lora_rank, settings.seed)
        encoder = encoder or partial(encode, untrained)
        kept = EmbeddingStore(tmp_path / store, 1 << 26)

        def examples(dataset: Dataset, chosen: Any) -> KeptExamples:
            fresh = FreshExamples(Views(dataset, chosen, 1, SIZE), encoder, settings.seed)
            return KeptExamples(fresh, kept, digest_encoder(untrained))

        data = ClassData(examples(training, windows), windows, examples(validation, looks), len(looks), "these")
        return Tuner(settings, untrained, parts, data)

    return make


def class_loss(tuner: Tuner, roads: Dataset) -> float:
    """Return the class mode's mean loss on the first scenes as they are."""
    with torch.no_grad():
        losses = []
        for scene in roads[:4]:
            rgb, classes = scene.rgb[:SIZE], scene.classes[:SIZE]
            prompts = PromptedMasks((classes == 1)[None], classes >= 0)
            losses.append(compute_losses(tuner.network, encode(tuner.network, rgb), prompts, USUAL).total.item())
    return float(np.mean(losses))


def test_twenty_images_lower_the_loss_and_raise_the_iou(
    make_tuner: Callable[..., Tuner], settings: FineTuningSettings, roads: Dataset
) -> None:
    tuner = make_tuner(replace(settings, n_steps=40, validate_every=20, learning_rate=2e-3, n_views=1))
    before = class_loss(tuner, roads)
    progress = tuner.run()
    assert class_loss(tuner, roads) < 0.5 * before
    assert progress.best_iou > 0.5


def test_a_resumed_run_equals_an_unbroken_one_bit_for_bit(
    make_tuner: Callable[..., Tuner], settings: FineTuningSettings, tmp_path: Path
) -> None:
    unbroken = make_tuner(replace(settings, folder=tmp_path / "unbroken"))
    unbroken.run()
    expected = {name: value.clone() for name, value in unbroken.network.state_dict().items()}
    first = make_tuner(settings)
    for _ in range(4):  # the cut comes after a look at the validation area
        first.take_step()
        if first.step == 3:
            first.validate()
    first.save()
    second = make_tuner(settings, store="other embeddings")
    second.resume()
    assert second.step == 4
    second.run()
    for name, value in second.network.state_dict().items():
        assert torch.equal(value, expected[name]), name
    with (settings.folder / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["5", "6"]  # the first part kept no log
    with (settings.folder / "validation.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["3", "6"]


def test_a_view_is_encoded_once(make_tuner: Callable[..., Tuner], settings: FineTuningSettings) -> None:
    seen: list[bytes] = []

    def counting(rgb: np.ndarray) -> torch.Tensor:
        seen.append(rgb.tobytes())
        return encode(tuner.network, rgb)

    tuner = make_tuner(settings, counting)
    tuner.run()
    assert len(seen) == len(set(seen)) > 0
    n_first = len(seen)
    again = make_tuner(replace(settings, folder=settings.folder.with_name("again")), counting)
    again.run()
    assert len(seen) == n_first


def test_training_stops_without_gain(make_tuner: Callable[..., Tuner], settings: FineTuningSettings) -> None:
    tuner = make_tuner(replace(settings, n_steps=50, validate_every=1, patience=2, learning_rate=1e-12))
    progress = tuner.run()
    assert (tuner.step, progress.best_step) == (3, 1)
    assert tuner.is_finished()


def test_a_state_of_another_run_is_refused(make_tuner: Callable[..., Tuner], settings: FineTuningSettings) -> None:
    make_tuner(settings).save()
    with pytest.raises(BadParameter, match="a run with other learning_rate, seed; give"):
        make_tuner(replace(settings, seed=1, learning_rate=1e-3, patience=3)).resume()


def test_windows_without_the_class_are_drawn_less_often(
    make_tuner: Callable[..., Tuner], settings: FineTuningSettings
) -> None:
    tuner = make_tuner(settings)
    is_empty = np.array([window.n_class_px == 0 for window in tuner._data.windows])
    assert is_empty.any()
    drawn = np.concatenate([tuner._draw(np.random.default_rng(seed)) for seed in range(400)])
    shares = np.bincount(drawn, minlength=len(is_empty)) / len(drawn)
    assert shares[is_empty].mean() == pytest.approx(0.2 * shares[~is_empty].mean(), rel=0.35)


def test_the_rate_warms_up_and_falls(make_tuner: Callable[..., Tuner], settings: FineTuningSettings) -> None:
    tuner = make_tuner(replace(settings, n_steps=100, n_warm_up=10))
    rates = []
    for step in range(101):
        tuner.step = step
        rates.append(tuner.learning_rate())
    assert rates[0] == pytest.approx(0.1 * settings.learning_rate, rel=0.01)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.02 * settings.learning_rate)


def test_a_time_limit_shortens_the_schedule(make_tuner: Callable[..., Tuner], settings: FineTuningSettings) -> None:
    tuner = make_tuner(replace(settings, n_steps=1000, time_limit_s=60.0))
    tuner.elapsed_s = 45.0
    assert tuner.share_done() == 0.75
