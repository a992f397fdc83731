"""Trains an upsampler: random crops and views, step by step, resumable, written in our layout."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from server.errors import BadParameter
from server.vocabulary.backbones import normalise
from server.vocabulary.simfeatup.backbones import FrozenBackbone
from server.vocabulary.simfeatup.crops import CropReader
from server.vocabulary.simfeatup.curves import LossLog
from server.vocabulary.simfeatup.jitters import draw_jitter
from server.vocabulary.simfeatup.losses import Losses, Trainee, measure_losses
from server.vocabulary.upsampler import SharedStageUpsampler
from server.vocabulary.upsampler_files import save_upsampler

log = logging.getLogger(__name__)

STATE_FILE, WEIGHTS_FILE = "state.pt", "upsampler.safetensors"
# Only the first steps are held back, when the losses are far from where they will be.
N_CLIPPED_STEPS, GRADIENT_LIMIT = 10, 1e-4
SAVE_EVERY = 50


@dataclass(frozen=True)
class UpsamplerTraining:
    """How to train; defaults are the published ones where the backbone allows.

    Attributes:
        folder: of the run; taken up again where it holds one.
        n_steps: length of the run.
        time_limit_s: end the run after this much time in all; None means never.
        crop: side of the crops in pixels.
        n_crops: per step.
        n_jitters: views of every crop.
        radius: how far the upsampler looks, in finer pixels of each stage.
        learning_rate: of NAdam.
        seed: of everything random.
    """

    folder: Path
    n_steps: int = 2000
    time_limit_s: float | None = None
    crop: int = 224
    n_crops: int = 4
    n_jitters: int = 5
    radius: int = 5
    learning_rate: float = 1e-3
    seed: int = 0


def train_upsampler(settings: UpsamplerTraining, backbone: FrozenBackbone, images: Sequence[Path]) -> Path:
    """Train an upsampler for a backbone; return the file with its weights.

    The folder also holds the state to go on from, `log.csv` and `curve.png`. A run that was interrupted goes on to the
    result that it would have had.

    Args:
        settings: how to train.
        backbone: stays as it is.
        images: with room for a crop.

    Raises:
        BadParameter: crops do not fit the backbone, or the folder holds a run of another kind.
    """
    if settings.crop % backbone.multiple:
        raise BadParameter(
            f'Crops of {settings.crop} pixels do not fit "{backbone.name}"; give a multiple of {backbone.multiple}.',
            "crop",
        )
    settings.folder.mkdir(parents=True, exist_ok=True)
    run = _Run(settings, backbone)
    run.resume()
    curves = LossLog(settings.folder, run.step)
    with CropReader(images, settings.crop) as crops:
        while run.step < settings.n_steps and not run.is_late():
            losses = run.take_step(crops)
            curves.add(run.step, losses)
            if run.step % SAVE_EVERY == 0:
                run.save()
                curves.draw()
                log.info("step %d: loss %.4f", run.step, float(losses.total.detach()))
    run.save()
    curves.draw()
    return settings.folder / WEIGHTS_FILE


class _Run:
    """A run that may be interrupted at any step."""

    def __init__(self, settings: UpsamplerTraining, backbone: FrozenBackbone) -> None:
        torch.manual_seed(settings.seed)
        upsampler = SharedStageUpsampler(backbone.n_channels, settings.radius, backbone.n_stages)
        self._settings = settings
        self._backbone = backbone
        self._trainee = Trainee(upsampler, backbone.cell).to(backbone.device).train()
        self._optimizer = torch.optim.NAdam(self._trainee.parameters(), lr=settings.learning_rate)
        self.step = 0
        self._elapsed_s = 0.0

    def is_late(self) -> bool:
        """Tell whether the time is over."""
        limit = self._settings.time_limit_s
        return limit is not None and self._elapsed_s >= limit

    def take_step(self, crops: CropReader) -> Losses:
        """Learn from one batch, which depends on seed and step alone."""
        started = time.monotonic()
        settings, backbone = self._settings, self._backbone
        rng = np.random.default_rng((settings.seed, self.step))
        torch.manual_seed(int(rng.integers(2**31)))  # of dropout
        drawn = [normalise(crops.draw(rng), backbone.mean, backbone.std) for _ in range(settings.n_crops)]
        pictures = torch.from_numpy(np.stack(drawn))
        jitters = [draw_jitter(rng, (settings.crop, settings.crop)) for _ in range(settings.n_jitters)]
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        losses = measure_losses(self._trainee, backbone.encode, pictures.to(backbone.device), jitters, generator)
        self._optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        if self.step < N_CLIPPED_STEPS:
            torch.nn.utils.clip_grad_norm_(self._trainee.parameters(), GRADIENT_LIMIT)
        self._optimizer.step()
        self.step += 1
        self._elapsed_s += time.monotonic() - started
        return losses

    def save(self) -> None:
        """Write the state to go on from, and the upsampler; a crash leaves the earlier files whole."""
        settings = self._settings
        state = {
            "trainee": self._trainee.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "elapsed_s": self._elapsed_s,
        }
        draft = settings.folder / f"{STATE_FILE}.part"
        torch.save(state, draft)
        draft.replace(settings.folder / STATE_FILE)
        weights = settings.folder / f"part-{WEIGHTS_FILE}"
        described = {"backbone": self._backbone.name, "steps": str(self.step), "crop": str(settings.crop)}
        save_upsampler(self._trainee.upsampler, weights, described)
        weights.replace(settings.folder / WEIGHTS_FILE)

    def resume(self) -> None:
        """Take up the saved state, where there is one.

        Raises:
            BadParameter: it is of an upsampler of another kind.
        """
        path = self._settings.folder / STATE_FILE
        if not path.is_file():
            return
        state = torch.load(path, map_location=self._backbone.device, weights_only=True)
        try:
            self._trainee.load_state_dict(state["trainee"])
        except RuntimeError as error:
            raise BadParameter(
                f"{self._settings.folder} holds a run for another backbone or radius. Choose another folder, or the "
                "options that it was begun with.",
                "folder",
            ) from error
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self._elapsed_s = state["step"], state["elapsed_s"]
