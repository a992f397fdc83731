"""The loop of fine-tuning: one file, read top to bottom, that can be stopped and taken up again."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from server.errors import BadParameter
from server.training.finetuning.answering import compute_losses
from server.training.finetuning.examples import Examples
from server.training.finetuning.losses import THIN, USUAL
from server.training.finetuning.prompts import draw_prompts
from server.training.finetuning.settings import FineTuningSettings
from server.training.finetuning.trainable import TrainableParts
from server.training.finetuning.validation import Progress, count_class_pixels, log_validation
from server.training.finetuning.windows import ClassWindow
from server.training.losses import Losses
from server.training.metrics.pixels import score_counts
from server.training.training_log import TrainingLog

STATE_FILE = "state.pt"
LOWEST_RATE_SHARE = 0.02
GRADIENT_LIMIT = 1.0
# These change neither the weights nor the order of what is seen, so a run may be taken up with others.
FREE_TO_CHANGE = ("folder", "time_limit_s", "save_every", "patience")


@dataclass(frozen=True)
class ClassData:
    """What is learned from, and what tells how well.

    Attributes:
        training: examples to draw from.
        windows: of the training examples.
        validation: examples of the validation area; variant 0 is used.
        n_validation: how many there are.
        fingerprint: says which data these are; a saved state of other data is not taken up.
    """

    training: Examples
    windows: list[ClassWindow]
    validation: Examples
    n_validation: int
    fingerprint: str


class Tuner:
    """Network, optimiser and validation progress between two steps.

    Attributes:
        network: an official SAM or the embedded network.
        step: steps taken so far.
        elapsed_s: seconds they took.
    """

    def __init__(self, settings: FineTuningSettings, network: Any, parts: TrainableParts, data: ClassData) -> None:
        """Prepare to train `parts` of `network`; makes the run's folder."""
        settings.folder.mkdir(parents=True, exist_ok=True)
        self.network = network
        self.step = 0
        self.elapsed_s = 0.0
        self._settings = settings
        self._parts = parts
        self._data = data
        self._optimizer = parts.make_optimizer(settings.learning_rate, settings.weight_decay)
        self._progress = Progress()
        self._best = parts.copy()
        weights = np.array([1.0 if item.n_class_px else settings.empty_weight for item in data.windows])
        self._chances = weights / weights.sum()

    def run(self) -> Progress:
        """Train until the schedule ends or the validation area stops gaining; leaves the best weights in the network.

        Raises:
            BadParameter: the folder holds the state of another run.
        """
        settings = self._settings
        self.resume()
        log = TrainingLog(settings.folder, self.step)
        with tqdm(total=settings.n_steps, initial=self.step, unit="step") as bar:
            while not self.is_finished():
                losses = self.take_step()
                log.add(self.step, self.learning_rate(), losses)
                bar.update()
                is_last = self.share_done() >= 1
                if self.step % settings.validate_every == 0 or is_last:
                    self.validate()
                bar.set_postfix_str(f"{log.summary()}; validation IoU {self._progress.best_iou:.3f}")
                if self.step % settings.save_every == 0 or is_last or self.is_finished():
                    self.save()
                    log.draw()
        self._parts.restore(self._best)
        return self._progress

    def is_finished(self) -> bool:
        """Tell whether the schedule has ended or patience has."""
        return self.share_done() >= 1 or self._progress.n_without_gain >= self._settings.patience

    def share_done(self) -> float:
        """Return how much of the schedule is done, 0..1, by steps or by time, whichever is further."""
        by_time = self.elapsed_s / self._settings.time_limit_s if self._settings.time_limit_s else 0.0
        return min(1.0, max(self.step / self._settings.n_steps, by_time))

    def learning_rate(self) -> float:
        """Return the rate of the coming step: linear warm-up, then a cosine to a small rest."""
        warm_up = min(1.0, (self.step + 1) / self._settings.n_warm_up)
        cosine = 0.5 * (1 + math.cos(math.pi * self.share_done()))
        return self._settings.learning_rate * warm_up * (LOWEST_RATE_SHARE + (1 - LOWEST_RATE_SHARE) * cosine)

    def take_step(self) -> Losses:
        """Learn from a few views; they depend on seed and step alone, so a resumed run sees what an unbroken one does.

        Returns:
            The mean losses, without gradient.
        """
        start = time.monotonic()
        rng = np.random.default_rng((self._settings.seed, self.step))
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self._optimizer.zero_grad(set_to_none=True)
        losses = [self._learn(number, rng) for number in self._draw(rng)]
        torch.nn.utils.clip_grad_norm_(self._parts.parameters.values(), GRADIENT_LIMIT)
        self._optimizer.step()
        self.step += 1
        self.elapsed_s += time.monotonic() - start
        return _mean(losses)

    def validate(self) -> float:
        """Look at the validation area, keep the weights if they are the best so far, and return the IoU there."""
        start = time.monotonic()
        counts = count_class_pixels(self.network, self._data.validation, self._data.n_validation)
        iou = score_counts(counts).iou
        log_validation(self._settings.folder, self.step, iou)
        if self._progress.note(self.step, iou):
            self._best = self._parts.copy()
        self.elapsed_s += time.monotonic() - start
        return iou

    def save(self) -> None:
        """Write the state to go on from; a crash leaves the earlier file whole."""
        state = {
            "run": self._describe_run(),
            "weights": self._parts.copy(),
            "best": self._best,
            "progress": self._progress.to_state(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
        }
        draft = self._settings.folder / f"{STATE_FILE}.part"
        torch.save(state, draft)
        draft.replace(self._settings.folder / STATE_FILE)

    def resume(self) -> None:
        """Take up the saved state, where there is one.

        Raises:
            BadParameter: it belongs to another run.
        """
        path = self._settings.folder / STATE_FILE
        if not path.is_file():
            return
        state = torch.load(path, map_location=self.network.device, weights_only=True)
        others = [name for name, value in self._describe_run().items() if state["run"].get(name) != value]
        if others:
            raise BadParameter(
                f"{self._settings.folder} holds a run with other {', '.join(others)}; give what it was begun with, or "
                "another folder.",
                "folder",
            )
        self._parts.restore(state["weights"])
        self._best = state["best"]
        self._progress = Progress(**state["progress"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]

    def _draw(self, rng: np.random.Generator) -> list[int]:
        n_images, n_windows = self._settings.n_images, len(self._chances)
        n_possible = int(np.count_nonzero(self._chances))
        drawn: list[int] = rng.choice(n_windows, n_images, replace=n_possible < n_images, p=self._chances).tolist()
        return drawn

    def _learn(self, number: int, rng: np.random.Generator) -> Losses:
        """Add the gradient of one view of window `number`."""
        settings = self._settings
        # Kept encoder outputs pay only for views that come again; else every view is new.
        is_kept = settings.trained == "decoder"
        variant = int(rng.integers(settings.n_views)) if is_kept else int(rng.integers(1, 2**31))
        embedding, labels = self._data.training.get(number, variant)
        prompts = draw_prompts(labels, settings.class_share, settings.n_prompts, rng)
        weights = THIN if settings.is_thin else USUAL
        # Centre lines of three masks for each of several prompts cost more than they teach.
        if not prompts.is_class_mode:
            weights = replace(weights, centre_line=0.0)
        losses = compute_losses(self.network, embedding, prompts, weights)
        (losses.total / settings.n_images).backward()  # type: ignore[no-untyped-call]
        return losses

    def _describe_run(self) -> dict[str, str]:
        described = {name: str(value) for name, value in asdict(self._settings).items() if name not in FREE_TO_CHANGE}
        return {**described, "data": self._data.fingerprint}


def _mean(losses: list[Losses]) -> Losses:
    rows = torch.stack(
        [torch.stack([item.total, item.mask, item.quality, item.best_iou, item.chosen_iou]).detach() for item in losses]
    )
    return Losses(*rows.mean(dim=0))
