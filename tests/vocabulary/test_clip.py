"""Loading CLIP from files in every layout, and the sentences when that is impossible."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from open_clip import CLIP, get_model_config, tokenize
from open_clip.transformer import QuickGELU
from safetensors.torch import save_file
from torch import nn

from server.errors import BadParameter, CheckpointMissing
from server.vocabulary.clip import MEAN, STD, ClipModel, load_clip
from server.vocabulary.last_block import LastBlock
from tests.vocabulary.reference import relative_error

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
RGB = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def tiny() -> CLIP:
    torch.manual_seed(0)
    return CLIP(**TINY).eval().requires_grad_(False)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clip").mkdir()
    for name in ("tiny", "tiny-openai"):
        (tmp_path / "clip" / f"{name}.json").write_text(json.dumps({"model_cfg": TINY}))
    return tmp_path


def save(model: CLIP, path: Path, *, layout: str) -> None:
    """Write `model` as open_clip does, or as OpenAI's state_dict is laid out: half precision and three numbers more."""
    tensors = {name: value.clone() for name, value in model.state_dict().items()}
    if layout == "openai":
        tensors = {name: value.half() if value.ndim > 1 else value for name, value in tensors.items()}
        sizes = {"input_resolution": 32, "context_length": 77, "vocab_size": 49408}
        tensors |= {name: torch.tensor(size) for name, size in sizes.items()}
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save({"epoch": 3, "state_dict": tensors} if layout == "training" else tensors, path)


def has_quick_gelu(model: ClipModel) -> bool:
    return any(isinstance(layer, QuickGELU) for layer in model._model.modules())


def picture(rgb: np.ndarray) -> torch.Tensor:
    return torch.tensor(((rgb - np.array(MEAN)) / np.array(STD)).transpose(2, 0, 1)[None], dtype=torch.float32)


@pytest.mark.parametrize(
    ("ending", "layout"),
    [(".safetensors", "open_clip"), (".pt", "open_clip"), (".pt", "training"), (".bin", "open_clip")],
)
def test_weights_are_read_from_every_layout(folder: Path, tiny: CLIP, ending: str, layout: str) -> None:
    save(tiny, folder / "clip" / f"tiny{ending}", layout=layout)
    model = load_clip(folder, "tiny").with_last_block(LastBlock.VANILLA, ignore_residual=False)
    assert (model.n_channels, model.stride, has_quick_gelu(model)) == (16, 8, False)
    assert relative_error(model.encode(RGB).whole, tiny.encode_image(picture(RGB))[0]) < 1e-4
    sentences = ["a photo of a tree.", "农田"]
    assert relative_error(model.encode_text(sentences), tiny.encode_text(tokenize(sentences))) < 1e-5


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_openai_files_have_the_activation_they_were_trained_with(folder: Path, tiny: CLIP, ending: str) -> None:
    save(tiny, folder / "clip" / f"tiny{ending}", layout="openai")
    assert has_quick_gelu(load_clip(folder, "tiny"))
    save(tiny, folder / "clip" / f"tiny-openai{ending}", layout="open_clip")
    assert has_quick_gelu(load_clip(folder, "tiny-openai"))


def test_windows_are_padded_on_all_sides(folder: Path, tiny: CLIP) -> None:
    save(tiny, folder / "clip" / "tiny.safetensors", layout="open_clip")
    model = load_clip(folder, "tiny")
    seen = model.encode(RGB[:21, :30])
    assert (seen.patches.shape, seen.whole.shape, seen.picture.shape) == ((16, 3, 4), (16,), (3, 24, 32))
    assert (seen.top, seen.left) == (1, 1)
    assert torch.allclose(seen.picture[:, 1:22, 1:31], picture(RGB[:21, :30])[0], atol=1e-5)
    assert (seen.picture[:, 0] == 0).all()
    assert (seen.picture[:, 22:] == 0).all()
    default = model.encode(RGB)
    assert not torch.allclose(default.patches, model.with_last_block(LastBlock.CLEARCLIP).encode(RGB).patches)


def test_without_weights_the_sentence_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissing) as caught:
        load_clip(tmp_path)
    assert "huggingface.co/timm/vit_base_patch16_clip_224.openai" in caught.value.message
    assert str(tmp_path / "clip" / "ViT-B-16-openai.safetensors") in caught.value.message
    assert "examples" in caught.value.message
    with pytest.raises(CheckpointMissing, match="open_clip's format"):
        load_clip(tmp_path, "ViT-L-16")


@pytest.mark.parametrize("name", ["ViT-Z-99", "../tiny", "", "ViT-B-16-openai.pt"])
def test_unknown_models_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(BadParameter, match="ViT-B-16"):
        load_clip(folder, name)


@pytest.mark.parametrize("name", ["RN50", "ViT-B-16-SigLIP", "coca_ViT-B-32", "xlm-roberta-base-ViT-B-32"])
def test_other_architectures_are_refused(folder: Path, name: str) -> None:
    save_file({"weight": torch.zeros(1)}, folder / "clip" / f"{name}.safetensors")
    with pytest.raises(BadParameter, match="not a plain CLIP vision transformer"):
        load_clip(folder, name)


def test_wrong_and_broken_files_are_refused(folder: Path, tiny: CLIP) -> None:
    weights: dict[str, Any] = dict(tiny.state_dict())
    del weights["visual.proj"]
    torch.save(weights, folder / "clip" / "tiny.pt")
    with pytest.raises(CheckpointMissing, match=r"visual\.proj"):
        load_clip(folder, "tiny")
    (folder / "clip" / "tiny.pt").write_bytes(b"no weights")
    with pytest.raises(CheckpointMissing, match="cannot be read as weights"):
        load_clip(folder, "tiny")
    (folder / "clip" / "tiny.safetensors").write_bytes(b"no weights")
    with pytest.raises(CheckpointMissing, match="safetensors"):
        load_clip(folder, "tiny")
    torch.save(nn.Linear(2, 2), folder / "clip" / "tiny-openai.pt")
    with pytest.raises(CheckpointMissing, match="never run here"):
        load_clip(folder, "tiny-openai")


def test_a_full_image_tower_has_the_published_shapes() -> None:
    config = get_model_config("ViT-B-16")
    text = {**config["text_cfg"], "layers": 1, "width": 64, "heads": 1}
    with torch.device("meta"):
        built = CLIP(config["embed_dim"], config["vision_cfg"], text)
    model = ClipModel("full", built)
    assert (model.n_channels, model.stride) == (512, 16)
    assert sum(value.numel() for value in built.visual.parameters()) == 86_192_640
