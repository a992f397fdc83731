"""One untrained network for all tests that only look at shapes and rules, and the trained one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from server.segmentation.networks.checkpoints import CHECKPOINT_FOLDER
from server.segmentation.networks.embedded import EmbeddedSam, build_embedded_sam, load_embedded_sam


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small networks gain nothing from a second thread, and lose much where other work waits for the processor."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def untrained() -> EmbeddedSam:
    torch.manual_seed(0)
    return build_embedded_sam(128).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def trained() -> EmbeddedSam:
    return load_embedded_sam(CHECKPOINT_FOLDER / "embedded.safetensors").requires_grad_(False)
