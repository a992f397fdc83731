"""Which CLIP models lie on this machine, and how to get those that do not; known without torch."""

from __future__ import annotations

from pathlib import Path

from server.errors import CheckpointMissing

DEFAULT_MODEL = "ViT-B-16-openai"
# CLIP files lie in a folder of their own, because those beside it are taken for segmentation networks.
FOLDER = "clip"
ENDINGS = (".safetensors", ".pt", ".pth", ".bin")
HUB_REPOSITORIES = {
    "ViT-B-16-openai": "timm/vit_base_patch16_clip_224.openai",
    "ViT-L-14-openai": "timm/vit_large_patch14_clip_224.openai",
    "ViT-B-32-openai": "timm/vit_base_patch32_clip_224.openai",
}


def list_models(folder: Path) -> list[str]:
    """Return the names of the CLIP models whose weights lie in the checkpoint folder."""
    found = sorted(path for path in (folder / FOLDER).glob("*") if path.suffix in ENDINGS)
    return list(dict.fromkeys(path.stem for path in found))


def choose_model(folder: Path, asked: str | None) -> str:
    """Return the CLIP model asked for; for None the usual one, else the first that is there.

    Raises:
        CheckpointMissing: its weights are not here; says how to get them.
    """
    present = list_models(folder)
    name = asked or (present[0] if present and DEFAULT_MODEL not in present else DEFAULT_MODEL)
    find_clip(folder, name)
    return name


def explain_missing_words(folder: Path) -> str | None:
    """Return how to get what words need; None where it is here."""
    try:
        choose_model(folder, None)
    except CheckpointMissing as error:
        return error.message
    return None


def find_clip(folder: Path, name: str) -> Path:
    """Return the file with the weights of a model, without reading it.

    Raises:
        CheckpointMissing: there is none.
    """
    known = Path(name).name == name
    found = [path for ending in ENDINGS if known and (path := folder / FOLDER / (name + ending)).is_file()]
    if not found:
        raise CheckpointMissing(_how_to_get(folder / FOLDER, name), "model")
    return found[0]


def _how_to_get(folder: Path, name: str) -> str:
    repository = HUB_REPOSITORIES.get(name)
    source = (
        f"download open_clip_model.safetensors from huggingface.co/{repository}"
        if repository
        else "download its weights in open_clip's format, as safetensors or a plain state_dict"
    )
    return (
        f'Words need CLIP, and the weights of "{name[:80]}" are not on this machine: {source}, and put the file at '
        f"{folder / (name[:80] + ENDINGS[0])}. Without it, show the classes by examples instead."
    )
