"""Fine-tuning from a checkpoint and labelled scenes to a new checkpoint that the service lists."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn
from tqdm import tqdm

from server.datasets.scenes import Dataset
from server.segmentation.class_mode.looking import ClassNetwork
from server.segmentation.class_mode.network import SharedClassNetwork
from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.networks.cards import Card
from server.segmentation.networks.loading import choose_device, load_network
from server.training.finetuning.answering import encode
from server.training.finetuning.embedding_store import EmbeddingStore, digest_encoder
from server.training.finetuning.examples import Examples, FreshExamples, KeptExamples, Views
from server.training.finetuning.export import check_new_name, choose_file, describe_kind, export
from server.training.finetuning.low_rank import merge_low_rank
from server.training.finetuning.measuring import ClassScores, measure_class
from server.training.finetuning.settings import FineTuningSettings
from server.training.finetuning.trainable import choose_trainable
from server.training.finetuning.tuner import ClassData, Tuner
from server.training.finetuning.windows import (
    ClassWindow,
    find_class_number,
    plan_training_windows,
    plan_validation_windows,
    thin_out,
)

EMBEDDINGS_FOLDER = "embeddings"


@dataclass(frozen=True)
class FineTuningTask:
    """What to make of what.

    Attributes:
        checkpoint: name of the one to begin with.
        out: name of the new one.
        class_name: what it is to find.
        ckpt_folder: where checkpoints lie.
        cache_folder: where encoder outputs are kept; None means in the run's folder.
        cache_bytes: room for them.
        device: "auto", "cpu" or "cuda".
        licence: of the new weights.
        data: what they were trained on, in words.
    """

    checkpoint: str
    out: str
    class_name: str
    ckpt_folder: Path
    cache_folder: Path | None = None
    cache_bytes: int = 8 << 30
    device: str = "auto"
    licence: str = "unknown"
    data: str = ""


@dataclass(frozen=True)
class FineTuned:
    """What came out.

    Attributes:
        weights: the new file.
        before: the class mode on the validation area with the weights it began with.
        after: the same with the new weights.
        best_step: the step they are of.
        seconds: that training took, validation included.
    """

    weights: Path
    before: ClassScores
    after: ClassScores
    best_step: int
    seconds: float


def fine_tune(task: FineTuningTask, settings: FineTuningSettings, training: Dataset, validation: Dataset) -> FineTuned:
    """Fine-tune a checkpoint and write the new one with its card.

    Args:
        task: what to make of what.
        settings: how; a run that was cut off is taken up again from `settings.folder`.
        training: scenes to learn from.
        validation: scenes of other areas, which decide when to stop and what the card says.

    Raises:
        BadParameter: the new name is taken, the checkpoint is unknown, or the folder holds another run.
        BadDataset: the class is missing from the data or from one part of them.
        CheckpointMissing: the checkpoint is not on this machine.
    """
    check_new_name(task.ckpt_folder, task.out)
    class_number = find_class_number(training, task.class_name)
    network: Any = load_network(task.ckpt_folder, task.checkpoint, choose_device(task.device))
    size = network.image_encoder.img_size
    windows, looks = _plan(training, validation, class_number, size)
    looks = thin_out(looks, settings.n_validation_windows)
    before = _measure(network, validation, class_number, "before")
    digest = digest_encoder(network)
    parts = choose_trainable(network, settings.trained, settings.lora_rank, settings.seed)
    make_examples = _make_maker(task, settings, network, digest)
    data = ClassData(
        training=make_examples(Views(training, windows, class_number, size)),
        windows=windows,
        validation=make_examples(Views(validation, looks, class_number, size)),
        n_validation=len(looks),
        fingerprint=_fingerprint([digest, task.class_name, *training.names, *validation.names], [*windows, *looks]),
    )
    tuner = Tuner(settings, network, parts, data)
    best_step = tuner.run().best_step
    merge_low_rank(network.image_encoder)
    after = _measure(network, validation, class_number, "after")
    card = _make_card(task, network, before, after)
    return FineTuned(export(network, card, task.ckpt_folder), before, after, best_step, tuner.elapsed_s)


def class_network(network: nn.Module) -> ClassNetwork:
    """Return what finds the class with `network`, for one thread and without keeping encoder outputs."""
    return SharedClassNetwork(CachingPredictor(network, "", EmbeddingCache(0)), nullcontext)


def _plan(
    training: Dataset, validation: Dataset, class_number: int, size: int
) -> tuple[list[ClassWindow], list[ClassWindow]]:
    with tqdm(total=len(training) + len(validation), desc="reading labels", unit="image") as bar:
        windows = plan_training_windows(training, class_number, size, bar.update)
        return windows, plan_validation_windows(validation, class_number, size, bar.update)


def _measure(network: nn.Module, validation: Dataset, class_number: int, when: str) -> ClassScores:
    with tqdm(total=len(validation), desc=f"validation {when}", unit="image") as bar:
        return measure_class(class_network(network), validation, class_number, bar.update)


def _make_maker(
    task: FineTuningTask, settings: FineTuningSettings, network: nn.Module, digest: str
) -> Callable[[Views], Examples]:
    """Return what makes examples of views: with encoder outputs from one store where the encoder does not change."""

    def make_fresh(views: Views) -> FreshExamples:
        return FreshExamples(views, partial(encode, network), settings.seed)

    if settings.trained != "decoder":
        return make_fresh
    store = EmbeddingStore(task.cache_folder or settings.folder / EMBEDDINGS_FOLDER, task.cache_bytes)
    return lambda views: KeptExamples(make_fresh(views), store, digest)


def _fingerprint(words: Sequence[str], windows: Sequence[ClassWindow]) -> str:
    """Return a digest of what is learned from, by names and by what the windows hold."""
    content = repr((tuple(words), tuple(windows)))
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _make_card(task: FineTuningTask, network: Any, before: ClassScores, after: ClassScores) -> Card:
    metrics = {name: round(value, 4) for name, value in asdict(after).items()}
    metrics |= {f"{name}_before": round(value, 4) for name, value in asdict(before).items()}
    return Card(
        name=task.out,
        file=choose_file(network, task.out),
        kind=describe_kind(network),
        base=task.checkpoint,
        class_name=task.class_name,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        input_size=network.image_encoder.img_size,
        licence=task.licence,
        data=task.data,
        metrics=metrics,
        note=f'Fine-tuned from "{task.checkpoint}" to find "{task.class_name}" without prompts; IoU {after.iou:.2f} on '
        "its validation area.",
    )
