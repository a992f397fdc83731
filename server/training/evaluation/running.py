"""Measures a checkpoint on datasets, scene by scene, and keeps every finished scene."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial

from server.datasets.scenes import Dataset
from server.segmentation.model_store import ModelStore
from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache
from server.segmentation.parameters import MaskGeneratorSettings
from server.segmentation.prompting.network import SharedNetwork
from server.training.evaluation.baselines import make_untrained
from server.training.evaluation.records import ScoreRecords
from server.training.evaluation.scene_scores import Contestants, Effort, score_scene

# Several clicks on one object and several objects of one window need one encoding, which takes longer than all else.
UNTRAINED_CACHE_BYTES = 1 << 27


def make_contestants(
    store: ModelStore, checkpoint: str, settings: MaskGeneratorSettings, *, has_baselines: bool
) -> Contestants:
    """Load what is to be measured.

    Args:
        store: of networks.
        checkpoint: its name.
        settings: of everything-mode.
        has_baselines: also make an untrained network.

    Raises:
        BadParameter: there is no such checkpoint.
        CheckpointMissing: its file is absent or unreadable.
    """
    predictor = store.make_predictor(checkpoint)
    untrained = None
    if has_baselines:
        network = make_untrained(predictor.model)
        cache = EmbeddingCache(UNTRAINED_CACHE_BYTES)
        untrained = SharedNetwork(CachingPredictor(network, "untrained", cache), nullcontext)
    return Contestants(
        network=SharedNetwork(predictor, nullcontext),
        generator=store.make_generator(checkpoint, settings, lambda: None),
        untrained=untrained,
    )


def evaluate_datasets(
    datasets: Mapping[str, Dataset],
    contestants: Contestants,
    effort: Effort,
    records: ScoreRecords,
    tell: Callable[[str, int], object],
) -> None:
    """Measure all scenes that `records` does not have, and add each as soon as it is finished.

    Args:
        datasets: by title.
        contestants: what is measured.
        effort: how much is measured.
        records: of earlier runs and of this one.
        tell: called before every scene and after each of its objects with title and name of the scene and the number
            of finished scenes; may raise to stop.
    """
    scenes = [(title, source) for title, dataset in datasets.items() for source in dataset.sources]
    for n_finished, (title, source) in enumerate(scenes):
        if records.has(title, source.name):
            continue
        tell_step = partial(tell, f"{title}: {source.name}", n_finished)
        tell_step()
        records.add(score_scene(title, source.read(), contestants, effort, tell_step))
