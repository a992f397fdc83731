"""The training loop of the embedded network: one file, read top to bottom, that can be stopped and taken up again."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from server.segmentation.networks.embedded import (
    EmbeddedSam,
    build_embedded_sam,
    load_fitting_weights,
    save_embedded_sam,
)
from server.segmentation.networks.embedded.model import INPUT_SIZE
from server.segmentation.networks.precision import Precision, check_precision, lower_precision
from server.training.batches import Batch
from server.training.batches_ahead import BatchesAhead, BatchPlan
from server.training.calibration import calibrate, take_back_calibration
from server.training.labelled_images import TYPICAL_AREA_PX, Source, draw_crop
from server.training.losses import Losses, prompt_losses, to_mask_resolution
from server.training.prompts import corrective_click
from server.training.quality import fit_quality
from server.training.training_log import TrainingLog

STATE_FILE, WEIGHTS_FILE = "state.pt", "embedded.safetensors"
LOWEST_RATE_SHARE = 0.02
GRADIENT_LIMIT = 1.0
# Which of three masks is meant depends on how large people see things. Training shows what is usual at full resolution;
# ratings are fitted to objects of that size and of four times that, as on a map that was zoomed in.
RATED_AREAS_PX = (TYPICAL_AREA_PX, 4 * TYPICAL_AREA_PX)
# Settings that say nothing about the weights, or nothing to anyone else.
NOT_DESCRIBED = ("folder", "start_from")
# The averaged weights follow the last few hundred steps, and fewer at the start.
AVERAGE_DECAY = 0.995
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSettings:
    """How to train.

    Attributes:
        folder: where state, weights, log and curve go; a state found there is taken up again.
        n_steps: length of the learning-rate schedule; 0 only fits the predicted IoU and the thresholds.
        time_limit_s: the schedule is shortened to end after this many seconds of work; None for no limit.
        early_size, size: sides of the training images in pixels, multiples of 32; small ones first, because many
            quick steps teach the basics, and large ones for the last part, because they hold more look-alikes.
        early_share: share of the schedule with small images.
        n_images, n_prompts: images per step, and prompts per image.
        learning_rate: highest, after `n_warm_up` steps; then a cosine.
        refine_share: share of steps that train a corrective click on an earlier mask.
        n_rated_images: images that the predicted IoU is fitted to at the end.
        n_calibration_images: images that set the thresholds after that.
        save_every: steps between saved states.
        seed: of weights and batches.
        precision: of the networks' products of matrices; weights, losses and gradients' sums stay float32.
        start_from: weights to begin with instead of random ones; parts of other shape or name begin random.
    """

    folder: Path
    n_steps: int = 1500
    time_limit_s: float | None = None
    early_size: int = 160
    size: int = 256
    early_share: float = 0.6
    n_images: int = 6
    n_prompts: int = 3
    learning_rate: float = 8e-4
    weight_decay: float = 0.02
    n_warm_up: int = 50
    refine_share: float = 0.2
    n_rated_images: int = 300
    n_calibration_images: int = 30
    save_every: int = 100
    seed: int = 0
    precision: Precision = "float32"
    start_from: Path | None = None


def train(settings: TrainingSettings, sources: Sequence[Source]) -> Path:
    """Train until the schedule ends; returns the file with the averaged weights."""
    settings.folder.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(settings, sources)
    trainer.resume()
    curve = TrainingLog(settings.folder, trainer.step)
    with tqdm(total=settings.n_steps, initial=trainer.step, unit="step") as bar:
        while trainer.progress() < 1:
            losses = trainer.take_step()
            curve.add(trainer.step, trainer.learning_rate(), losses)
            bar.set_postfix_str(curve.summary())
            bar.update()
            if trainer.step % settings.save_every == 0:
                trainer.save()
                curve.draw()
    trainer.finish(sources)
    trainer.save()
    curve.draw()
    return settings.folder / WEIGHTS_FILE


class Trainer:
    """Network, averaged network and optimiser between two steps.

    Attributes:
        step: steps taken so far.
        elapsed_s: seconds they took.
    """

    def __init__(self, settings: TrainingSettings, sources: Sequence[Source]) -> None:
        check_precision(settings.precision, torch.device("cpu"))
        torch.manual_seed(settings.seed)
        self.batches = BatchesAhead(sources)
        self.settings = settings
        self.network = build_embedded_sam(settings.size).train()
        if settings.start_from is not None:
            load_fitting_weights(self.network, settings.start_from)
            take_back_calibration(self.network)
        self.average = copy.deepcopy(self.network)
        self.optimizer = _make_optimizer(self.network, settings)
        self.step = 0
        self.elapsed_s = 0.0

    def progress(self) -> float:
        """Return how much of the schedule is done, 0..1, by steps or by time, whichever is further."""
        by_time = self.elapsed_s / self.settings.time_limit_s if self.settings.time_limit_s else 0.0
        by_steps = self.step / self.settings.n_steps if self.settings.n_steps else 1.0
        return min(1.0, max(by_steps, by_time))

    def learning_rate(self) -> float:
        """Return the rate of the coming step: linear warm-up, then a cosine to a small rest."""
        warm_up = min(1.0, (self.step + 1) / self.settings.n_warm_up)
        cosine = 0.5 * (1 + math.cos(math.pi * self.progress()))
        return self.settings.learning_rate * warm_up * (LOWEST_RATE_SHARE + (1 - LOWEST_RATE_SHARE) * cosine)

    def plan_batch(self, step: int) -> BatchPlan:
        """Return which batch the network learns from at `step`, as far as one can tell now."""
        settings = self.settings
        size = settings.early_size if self.progress() < settings.early_share else settings.size
        return BatchPlan(settings.seed, step, size, settings.n_images, settings.n_prompts)

    def take_step(self) -> Losses:
        """Learn from one batch."""
        start = time.monotonic()
        plan = self.plan_batch(self.step)
        self.network.set_input_size(plan.size)
        batch, rng = self.batches.take(plan, self.plan_batch(self.step + 1))
        with lower_precision(self.settings.precision, torch.device("cpu")):
            losses = compute_losses(self.network, batch, rng if rng.random() < self.settings.refine_share else None)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_LIMIT, foreach=True)
        self.optimizer.step()
        decay = min(AVERAGE_DECAY, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)
        self.step += 1
        self.elapsed_s += time.monotonic() - start
        return losses

    def finish(self, sources: Sequence[Source]) -> None:
        """Fit the averaged network's rating, then its thresholds, on crops as large as its later input."""
        rng = np.random.default_rng(self.settings.seed)
        network = self.average.eval()
        network.set_input_size(INPUT_SIZE)
        crops = [draw_crop(sources, INPUT_SIZE, rng) for _ in range(self.settings.n_calibration_images)]
        calibrate(network, crops)  # what is rated are the masks as they will be
        areas = [RATED_AREAS_PX[index % len(RATED_AREAS_PX)] for index in range(self.settings.n_rated_images)]
        rated_sources = [source.to_be_rated() for source in sources]
        rated = [draw_crop(rated_sources, INPUT_SIZE, rng, area) for area in areas]
        fitted = fit_quality(network, rated, self.settings.seed)
        log.info("IoU of the chosen mask on held-out crops: %.3f, at first %.3f", fitted.after, fitted.before)
        calibrate(network, crops)
        network.mask_decoder.quality_shift.add_(fitted.preference)

    def save(self) -> None:
        """Write the state to go on from, and the averaged weights; a crash leaves the earlier files whole."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
        }
        draft = self.settings.folder / f"{STATE_FILE}.part"
        torch.save(state, draft)
        draft.replace(self.settings.folder / STATE_FILE)
        weights = self.settings.folder / f"{WEIGHTS_FILE}.part"
        described = {name: str(value) for name, value in asdict(self.settings).items() if name not in NOT_DESCRIBED}
        save_embedded_sam(self.average, weights, {**described, "steps": str(self.step)})
        weights.replace(self.settings.folder / WEIGHTS_FILE)

    def resume(self) -> None:
        """Take up the saved state, where there is one."""
        path = self.settings.folder / STATE_FILE
        if not path.is_file():
            return
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]


def compute_losses(network: EmbeddedSam, batch: Batch, refine: np.random.Generator | None) -> Losses:
    """Run one batch forward; with `refine`, first answer, then train the answer to a corrective click."""
    images = torch.from_numpy(batch.rgb).permute(0, 3, 1, 2).float()
    embeddings = network.image_encoder(network.preprocess(images))
    n_prompts = len(batch.masks) // len(batch.rgb)
    embeddings = embeddings.repeat_interleave(n_prompts, dim=0)
    targets = to_mask_resolution(torch.from_numpy(batch.masks))
    known = to_mask_resolution(torch.from_numpy(batch.known)).repeat_interleave(n_prompts, dim=0)
    points = None
    if batch.clicks is not None and batch.click_labels is not None:
        points = (torch.from_numpy(batch.clicks), torch.from_numpy(batch.click_labels))
    boxes = None if batch.boxes is None else torch.from_numpy(batch.boxes)
    earlier = None
    if refine is not None:
        with torch.no_grad():
            earlier = _answer(network, embeddings, points, boxes)
        points = _add_corrections(points, batch.masks, earlier, refine)
    dense = network.prompt_encoder(points, boxes, earlier)[1]
    quality, features = network.mask_decoder.rate(embeddings, dense)
    logits = network.mask_decoder.draw(embeddings, features)
    sketch = network.mask_decoder.draw_sketch(features)
    return prompt_losses(logits.float(), sketch.float(), quality.float(), targets, known)


Points = tuple[torch.Tensor, torch.Tensor]


def _answer(
    network: EmbeddedSam, embeddings: torch.Tensor, points: Points | None, boxes: torch.Tensor | None
) -> torch.Tensor:
    """Return the logits (N, 1, S/2, S/2) of the mask that the network itself would give."""
    sparse, dense = network.prompt_encoder(points, boxes, None)
    position = network.prompt_encoder.get_dense_pe()
    logits: torch.Tensor = network.mask_decoder(embeddings, position, sparse, dense, multimask_output=False)[0]
    return logits.float()


def _add_corrections(
    points: Points | None, masks: np.ndarray, earlier: torch.Tensor, rng: np.random.Generator
) -> Points:
    """Return the clicks with one more per prompt, where `earlier`, logits (N, 1, S/2, S/2), is most wrong."""
    size = masks.shape[-1]
    drawn = functional.interpolate(earlier, (size, size), mode="bilinear")[:, 0].numpy() > 0
    corrections = [corrective_click(mask, wrong, rng) for mask, wrong in zip(masks, drawn, strict=True)]
    coords = torch.tensor([[xy] for xy, _ in corrections], dtype=torch.float32)
    labels = torch.tensor([[label] for _, label in corrections], dtype=torch.int64)
    if points is None:
        return coords, labels
    return torch.cat([points[0], coords], dim=1), torch.cat([points[1], labels], dim=1)


def _make_optimizer(network: EmbeddedSam, settings: TrainingSettings) -> torch.optim.AdamW:
    """Decay matrices and kernels only; biases and norms stay free."""
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    free = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)
