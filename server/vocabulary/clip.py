"""CLIP through open_clip: pictures and sentences in one space, from weights that lie in the checkpoint folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from open_clip import CLIP, SimpleTokenizer, get_model_config, list_models
from torch import Tensor
from torch.nn import functional

from server.errors import BadParameter, CheckpointMissing
from server.vocabulary.backbones import DenseFeatures, normalise
from server.vocabulary.clip_files import DEFAULT_MODEL, FOLDER, find_clip
from server.vocabulary.last_block import LastBlock
from server.vocabulary.patch_features import encode_patches
from server.vocabulary.weights import read_tensors

# Of OpenAI's training pictures, in steps of 0..255; SegEarth-OV uses the same three digits.
MEAN, STD = (122.771, 116.746, 104.094), (68.501, 66.632, 70.323)
# OpenAI trained with a quick approximation of GELU; the same architectures of others use the exact one.
OPENAI_ENDING = "-openai"
# Numbers among the tensors of OpenAI's state_dicts that are no weights; only OpenAI's files have them.
OPENAI_KEYS = ("input_resolution", "context_length", "vocab_size")


class ClipModel:
    """Image and text tower of one CLIP model; implements `Backbone` and `TextEncoder`.

    Attributes:
        name: of the model.
        n_channels: of the space in which pictures and sentences are compared.
        stride: side of a patch in pixels.
        max_size: None, because positions are interpolated.
    """

    max_size: int | None = None

    def __init__(
        self, name: str, model: Any, last_block: LastBlock = LastBlock.SEGEARTH, *, ignore_residual: bool = True
    ) -> None:
        """Wrap a model.

        Args:
            name: equal names mean equal weights.
            model: open_clip's `CLIP` with a `VisionTransformer`, in evaluation mode.
            last_block: see `encode_patches`.
            ignore_residual: see `encode_patches`.
        """
        self.name = name
        self._model = model
        self._last_block = last_block
        self._ignore_residual = ignore_residual
        self._tokenize = _make_tokenizer(model.context_length)
        self.n_channels: int = model.visual.output_dim
        self.stride: int = model.visual.patch_size[0]

    def with_last_block(self, last_block: LastBlock, *, ignore_residual: bool = True) -> ClipModel:
        """Return a model with the same weights and another last block."""
        return ClipModel(self.name, self._model, last_block, ignore_residual=ignore_residual)

    @property
    def _device(self) -> torch.device:
        return cast(torch.device, self._model.visual.proj.device)

    @torch.no_grad()
    def encode(self, rgb: NDArray[np.uint8]) -> DenseFeatures:
        """Return features of a picture, uint8 (H, W, 3), padded on all sides to whole patches with the mean colour."""
        top, bottom = _share_padding(rgb.shape[0], self.stride)
        left, right = _share_padding(rgb.shape[1], self.stride)
        picture = torch.from_numpy(normalise(rgb, MEAN, STD)).to(self._device)
        picture = functional.pad(picture, (left, right, top, bottom))
        patches, whole = self.encode_pictures(picture[None])
        return DenseFeatures(patches[0], whole[0], picture, top, left)

    def encode_pictures(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return patch features and those of the CLS token of normalised pictures of whole patches.

        See `encode_patches` for the shapes.
        """
        return encode_patches(self._model.visual, pictures, self._last_block, ignore_residual=self._ignore_residual)

    @torch.no_grad()
    def encode_text(self, sentences: Sequence[str]) -> Tensor:
        """Return float32 (N, C), not normalised."""
        encoded: Tensor = self._model.encode_text(self._tokenize(list(sentences)).to(self._device))
        return encoded


def _share_padding(length: int, multiple: int) -> tuple[int, int]:
    """Return how many pixels are missing to a whole multiple: before and after, the odd one after."""
    missing = -length % multiple
    return missing // 2, missing - missing // 2


def load_clip(folder: Path, name: str = DEFAULT_MODEL, device: torch.device | str = "cpu") -> ClipModel:
    """Load a CLIP model from `folder`/clip.

    Args:
        folder: the checkpoint folder.
        name: open_clip's name of an architecture, such as "ViT-L-14"; with "-openai" after it, for OpenAI's weights.
            The weights are in a file of that name, and `NAME.json` may lie beside it with open_clip's configuration of
            an architecture that open_clip does not know.
        device: to compute on.

    Raises:
        BadParameter: the name is unknown, or its image tower is no plain vision transformer.
        CheckpointMissing: the weights are absent, damaged, or of another architecture.
    """
    config = _read_config(folder / FOLDER, name)
    path = find_clip(folder, name)
    _, tensors = read_tensors(path)
    is_openai = any(key in tensors for key in OPENAI_KEYS)
    config["quick_gelu"] = bool(config.get("quick_gelu")) or is_openai or name.endswith(OPENAI_ENDING)
    weights = {key: value.float() for key, value in tensors.items() if key not in OPENAI_KEYS}
    model = _build(name, config)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointMissing(
            f"{path.name} does not fit {name}: {str(error).splitlines()[1].strip()[:200]} "
            "Put the weights of that architecture in its place.",
            "model",
        ) from error
    return ClipModel(name, model.to(device).eval().requires_grad_(False))


def _read_config(folder: Path, name: str) -> dict[str, Any]:
    """Return open_clip's configuration of an architecture.

    Raises:
        BadParameter: the name is unknown.
    """
    beside = folder / f"{name}.json"
    if Path(name).name == name and beside.is_file():
        content = json.loads(beside.read_text(encoding="utf-8"))
        return dict(content.get("model_cfg", content))
    architecture = name.removesuffix(OPENAI_ENDING)
    if architecture not in list_models():
        plain = [known for known in list_models() if known.startswith("ViT-") and "SigLIP" not in known]
        raise BadParameter(f'No CLIP model is called "{name[:80]}"; known are {", ".join(plain)}.', "model")
    return dict(get_model_config(architecture))


def _build(name: str, config: dict[str, Any]) -> CLIP:
    """Return an untrained model.

    Raises:
        BadParameter: the image tower is no plain vision transformer, or the text tower is not CLIP's.
    """
    vision, text = config["vision_cfg"], config["text_cfg"]
    is_other = config.get("custom_text") or "timm_model_name" in vision or "hf_model_name" in text
    if is_other or vision.get("attentional_pool") or not isinstance(vision["layers"], int):
        raise BadParameter(
            f'"{name[:80]}" is not a plain CLIP vision transformer; use one such as "ViT-B-16" or "ViT-L-14".', "model"
        )
    return CLIP(**config)


@cache
def _make_tokenizer(context_length: int) -> SimpleTokenizer:
    return SimpleTokenizer(context_length=context_length)
