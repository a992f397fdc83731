"""Reads upsamplers from the published layouts and our own, and writes ours; no file can run code."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from server.errors import CheckpointMissing
from server.vocabulary.upsampler import N_STAGES, SeparateStagesUpsampler, SharedStageUpsampler, Upsampler
from server.vocabulary.weights import read_tensors

FORMAT = "segment-anything-rs upsampler"
VERSION = "1"
# Published files keep the whole training state; the upsampler's tensors have this before their names.
PREFIX = "upsampler."
SHARED_KEY, SEPARATE_KEY = "up.range_temp", "up1.range_temp"
MIXING_KEY = "fixup_proj.1.bias"
HOW_TO_GET = (
    "put one there: FeatUp's `jbu_stack` or SimFeatUp's `jbu_one` checkpoint for the same backbone, or one written by "
    "this project's own training"
)


def load_upsampler(path: Path) -> Upsampler:
    """Read an upsampler, in evaluation mode, float32, on the CPU; its layout is read from its tensors.

    Args:
        path: `.safetensors` of ours, or a checkpoint of FeatUp (four stages) or SimFeatUp (one shared stage).

    Raises:
        CheckpointMissing: the file is absent, damaged, or holds no upsampler.
    """
    if not path.is_file():
        raise CheckpointMissing(f"The upsampler {path.name} is not in {path.parent}; {HOW_TO_GET}.", "upsampler")
    header, tensors = read_tensors(path)
    own = {name.removeprefix(PREFIX): value.float() for name, value in tensors.items()}
    try:
        upsampler = _build(own, json.loads(header.get("n_stages", str(N_STAGES))))
        upsampler.load_state_dict(own)
    except (KeyError, RuntimeError, ValueError) as error:
        raise CheckpointMissing(
            f"{path.name} holds no upsampler with the tensors of FeatUp's `jbu_stack` or SimFeatUp's `jbu_one` "
            f"({str(error).strip().splitlines()[-1].strip()[:160]}); {HOW_TO_GET}.",
            "upsampler",
        ) from error
    return upsampler.eval().requires_grad_(False)


def _build(tensors: Mapping[str, Tensor], n_stages: int) -> Upsampler:
    """Return an untrained upsampler of the kind and sizes that the tensors have.

    Raises:
        KeyError: tensors are missing.
    """
    n_channels = len(tensors[MIXING_KEY])
    if SHARED_KEY in tensors:
        return SharedStageUpsampler(n_channels, _radius_of(tensors, "up"), n_stages)
    return SeparateStagesUpsampler(n_channels, _radius_of(tensors, "up1"))


def _radius_of(tensors: Mapping[str, Tensor], stage: str) -> int:
    return (math.isqrt(len(tensors[f"{stage}.fixup_proj.3.bias"])) - 1) // 2


def save_upsampler(upsampler: Upsampler, path: Path, metadata: Mapping[str, str]) -> None:
    """Write the weights as safetensors in float32 under the published names.

    Args:
        upsampler: of either kind.
        path: ends with `.safetensors`.
        metadata: joins the format's name and version in the header; says which backbone it is for.
    """
    tensors = {PREFIX + name: value.detach().cpu().contiguous() for name, value in upsampler.state_dict().items()}
    described = {"format": FORMAT, "version": VERSION, "n_stages": str(len(upsampler.stages()))}
    save_file(tensors, path, metadata={**metadata, **described})
