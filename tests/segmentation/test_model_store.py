"""Networks are loaded once, used by one thread at a time, and forgotten when too many."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from server.errors import BadParameter, Cancelled
from server.segmentation import model_store
from server.segmentation.model_store import ModelStore
from server.segmentation.networks import loading
from server.segmentation.parameters import MaskGeneratorSettings

SETTINGS = MaskGeneratorSettings.from_mapping({"points_per_side": 4, "pred_iou_thresh": 0.0})


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, tiny_sam: Any) -> list[str]:
    """Let every name load the tiny network, slowly, and return the names that were loaded."""
    loaded: list[str] = []

    def load(_folder: Path, name: str, _device: object) -> Any:
        loaded.append(name)
        time.sleep(0.05)
        return tiny_sam

    monkeypatch.setattr(loading, "load_network", load)
    return loaded


def ignore() -> None: ...


def hear(_share: float) -> None: ...


def test_a_network_is_loaded_once_by_many_threads(loads: list[str], tmp_path: Path) -> None:
    store = ModelStore(tmp_path, "cpu")
    assert loads == []
    threads = [threading.Thread(target=store.load, args=("a",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loads == ["a"]


def test_a_job_is_cancelled_while_its_network_loads(
    loads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, may_end, began = ModelStore(tmp_path, "cpu"), threading.Event(), threading.Event()
    quick = loading.load_network

    def load(*arguments: Any) -> Any:
        began.set()
        may_end.wait(30)
        return quick(*arguments)

    def check() -> None:
        if began.is_set():
            raise Cancelled

    monkeypatch.setattr(loading, "load_network", load)
    with pytest.raises(Cancelled):
        store.make_generator("a", SETTINGS, check)
    assert loads == []
    may_end.set()
    store.make_generator("a", SETTINGS, ignore)
    assert loads == ["a"]


def test_what_goes_wrong_while_loading_reaches_the_job(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="nowhere"):
        ModelStore(tmp_path, "cpu").make_generator("nowhere", SETTINGS, ignore)


def test_only_the_last_networks_stay(loads: list[str], tmp_path: Path) -> None:
    store = ModelStore(tmp_path, "cpu")
    for name in ("a", "b", "a", "c", "a", "b"):
        store.load(name)
    assert model_store.MAX_LOADED == 2
    assert loads == ["a", "b", "c", "b"]


def test_one_inference_at_a_time(loads: list[str], tmp_path: Path) -> None:
    store = ModelStore(tmp_path, "cpu")
    inside, most = 0, 0
    lock = threading.Lock()

    def use() -> None:
        nonlocal inside, most
        with store.click_turn():
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_cancelled_job_does_not_wait_for_its_turn(loads: list[str], tmp_path: Path) -> None:
    store = ModelStore(tmp_path, "cpu")

    def cancelled() -> None:
        raise Cancelled

    generator = store.make_generator("a", SETTINGS, cancelled)
    with store.click_turn(), pytest.raises(Cancelled):
        generator.generate(np.zeros((32, 32, 3), dtype=np.uint8), hear)


def test_generators_share_the_cache(loads: list[str], tiny_sam: Any, tmp_path: Path) -> None:
    store = ModelStore(tmp_path, "cpu")
    n_encoded = []
    handle = tiny_sam.image_encoder.register_forward_pre_hook(lambda *_: n_encoded.append(1))
    try:
        for _ in range(2):
            store.make_generator("a", SETTINGS, ignore).generate(np.zeros((32, 32, 3), dtype=np.uint8), hear)
    finally:
        handle.remove()
    assert len(n_encoded) == 1


def test_a_precision_the_device_lacks_is_refused_before_loading(loads: list[str], tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match='"float16" asked on the device "cpu"'):
        ModelStore(tmp_path, "cpu", precision="float16").load("a")
    assert loads == []


def test_generators_compute_with_the_precision(
    loads: list[str], tiny_sam: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True)
    seen = []
    handles = [
        part.register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
        for part in (tiny_sam.image_encoder.patch_embed, tiny_sam.mask_decoder.transformer.layers[0].mlp)
    ]
    try:
        store = ModelStore(tmp_path, "cpu", precision="bfloat16")
        store.make_generator("a", SETTINGS, ignore).generate(np.zeros((32, 32, 3), dtype=np.uint8), hear)
    finally:
        for handle in handles:
            handle.remove()
    assert {str(dtype) for dtype in seen} == {"torch.bfloat16"}
    assert len(seen) > 1


def test_the_device_is_named_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from server.segmentation.model_store import ModelStore\n"
        "names = [ModelStore(Path('.'), wanted).device_name() for wanted in ('auto', 'cpu', 'cuda')]\n"
        "assert names[0] in ('cpu', 'cuda') and names[1:] == ['cpu', 'cuda'], names\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_device_is_certain_after_loading(loads: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_store, "_expects_gpu", lambda: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    store = ModelStore(tmp_path, "auto")
    assert store.device_name() == "cuda"
    store.load("a")
    assert store.device_name() == "cpu"
