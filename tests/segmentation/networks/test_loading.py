"""Checkpoint files become networks; files that are something else are refused without running them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor, sam_model_registry

from server.errors import BadParameter, CheckpointMissing
from server.segmentation.networks.loading import choose_device, load_network, load_official

CPU = torch.device("cpu")


class Attack:
    """Creates a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_an_official_vit_b_file_gives_the_packages_own_logits(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs = sam_model_registry["vit_b"]().eval()
    torch.save(theirs.state_dict(), tmp_path / "sam_vit_b_01ec64.pth")
    ours = load_network(tmp_path, "vit_b", CPU)
    assert str(ours) == str(theirs)
    mine, reference = ours.state_dict(), theirs.state_dict()
    assert mine.keys() == reference.keys()
    assert all(torch.equal(mine[name], reference[name]) for name in mine)
    assert not ours.training
    assert not any(weight.requires_grad for weight in ours.parameters())
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for answer, expected in zip(_answer(ours, image), _answer(theirs, image), strict=True):
        assert np.isfinite(expected).all()
        assert answer.std() > 0
        # The encoder's attention adds the same numbers in another order.
        np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def _answer(network: Any, image: np.ndarray) -> tuple[np.ndarray, ...]:
    """Click on `image`; one block stands for the twelve, which would take a minute on two cores."""
    network.image_encoder.blocks = network.image_encoder.blocks[:1]
    predictor = SamPredictor(network)
    predictor.set_image(image)
    return predictor.predict(np.array([[30.0, 20.0]]), np.array([1]), return_logits=True)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_file_with_code_is_refused_and_not_run(protocol: int, tmp_path: Path) -> None:
    trace = tmp_path / "was-run"
    torch.save({"image_encoder.pos_embed": Attack(trace)}, tmp_path / "evil.pth", pickle_protocol=protocol)
    with pytest.raises(CheckpointMissing, match=r"evil\.pth"):
        load_network(tmp_path, "evil", CPU)
    assert not trace.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_bare_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "was-run"
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Attack(trace)))
    with pytest.raises(CheckpointMissing):
        load_network(tmp_path, "evil", CPU)
    assert not trace.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file", b"<html>not found</html>", b"\x80"])
def test_a_damaged_file_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.pth").write_bytes(content)
    with pytest.raises(CheckpointMissing, match=r"broken\.pth") as error:
        load_official(tmp_path / "broken.pth")
    assert "\n" not in error.value.message


@pytest.mark.parametrize(
    "content",
    [
        [torch.zeros(1)],
        {"model": {"weight": torch.zeros(1)}},
        {"weight": torch.zeros(1)},
        {"image_encoder.pos_embed": torch.zeros(1, 64, 64, 13)},
        {"image_encoder.pos_embed": torch.zeros(())},
        {"image_encoder.pos_embed": torch.zeros(1, 64, 64, 768)},
    ],
    ids=["list", "nested", "other network", "unknown width", "no width", "weights missing"],
)
def test_other_contents_are_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(CheckpointMissing, match=r"other\.pth"):
        load_official(tmp_path / "other.pth")


def test_the_device_is_chosen_by_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [choose_device(wanted).type for wanted in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    with pytest.raises(BadParameter) as error:
        choose_device("cuda")
    assert error.value.field == "device"
