"""Holds the networks: loaded once, on first use, and used by one thread at a time, clicks before jobs."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

from server.observability.hits import Hits
from server.segmentation.mask_records import MaskGenerator
from server.segmentation.networks.heap import keep_freed_memory
from server.segmentation.networks.spinning import spin_briefly
from server.segmentation.networks.turns import Turns
from server.segmentation.parameters import MaskGeneratorSettings

if TYPE_CHECKING:
    from torch import nn

    from server.segmentation.networks.caching_predictor import CachingPredictor, EmbeddingCache

# Two networks let clients with different checkpoints take turns; more would fill the memory (ViT-H takes 2.6 GB).
MAX_LOADED = 2
# How often a job that waits for its network looks whether it was cancelled, in seconds.
WAIT_STEP_S = 0.25
Loaded = TypeVar("Loaded")


class ModelStore:
    """The networks of one process.

    Creating a store imports and loads nothing; see `device_name` for what is known before the first use.
    """

    def __init__(
        self, folder: Path, device: str = "auto", embedding_cache_bytes: int = 1 << 29, precision: str = "float32"
    ) -> None:
        """Prepare a store.

        Args:
            folder: where the checkpoints lie.
            device: "auto", "cpu" or "cuda".
            embedding_cache_bytes: memory for encoder outputs kept for reuse; 0 keeps none.
            precision: "float32", "bfloat16" or "float16"; see `server.segmentation.networks.precision`.
        """
        self._folder = folder
        self._precision = precision
        self._device = device
        self._embedding_cache_bytes = embedding_cache_bytes
        self._networks: OrderedDict[str, nn.Module] = OrderedDict()
        self._cache: EmbeddingCache | None = None
        self._found_device: str | None = None
        self._loading = RLock()
        self._turns = Turns()

    def device_name(self) -> str:
        """Return "cpu" or "cuda" without importing torch; before the first use of "auto" it is an informed guess."""
        if self._device != "auto":
            return self._device
        return self._found_device or ("cuda" if _expects_gpu() else "cpu")

    def load(self, checkpoint: str) -> nn.Module:
        """Return the network of `checkpoint`, loading it where that has not happened yet.

        Raises:
            BadParameter: no checkpoint has that name, the device cannot be used, or it is slow with the precision.
            CheckpointMissing: its file is absent or not readable as weights.
        """
        spin_briefly()
        from server.segmentation.networks.loading import choose_device, load_network
        from server.segmentation.networks.precision import check_precision

        with self._loading:
            if checkpoint not in self._networks:
                device = choose_device(self._device)
                check_precision(self._precision, device)
                self._found_device = device.type
                if device.type == "cpu":
                    keep_freed_memory()
                network = load_network(self._folder, checkpoint, device)
                while len(self._networks) >= MAX_LOADED:
                    self._networks.popitem(last=False)
                self._networks[checkpoint] = network
            self._networks.move_to_end(checkpoint)
            return self._networks[checkpoint]

    def make_generator(
        self, checkpoint: str, settings: MaskGeneratorSettings, check: Callable[[], None]
    ) -> MaskGenerator:
        """Return a generator for `checkpoint`; the signature `segment_raster` expects of its `make_generator`.

        Args:
            checkpoint: its name.
            settings: the user's parameters.
            check: called often during the work; may raise to stop it.

        Raises:
            BadParameter: see `load`.
            CheckpointMissing: see `load`.
        """
        self.load_while_checking(checkpoint, check)
        from server.segmentation.automatic.generator import AutomaticMaskGenerator

        predictor = self.make_predictor(checkpoint)
        return AutomaticMaskGenerator(predictor, settings, check, lambda: self.job_turn(check))

    def load_while_checking(self, checkpoint: str, check: Callable[[], None]) -> None:
        """Load in a thread, because neither torch nor a file of gigabytes can be stopped half way.

        Where `check` raises the loading goes on unseen, and whoever asks next finds the network.

        Raises:
            BadParameter: see `load`.
            CheckpointMissing: see `load`.
        """
        wait_while_checking(lambda: self.load(checkpoint), check)

    def make_predictor(self, checkpoint: str) -> CachingPredictor:
        """Return a predictor for one thread on the shared network and cache; use it inside `click_turn`.

        Raises:
            BadParameter: see `load`.
            CheckpointMissing: see `load`.
        """
        from server.segmentation.networks.caching_predictor import CachingPredictor

        return CachingPredictor(self.load(checkpoint), checkpoint, self._embedding_cache(), self._precision)

    def click_turn(self) -> AbstractContextManager[None]:
        """Return a context in which no one else uses a network; jobs that wait for one stand back."""
        return self._turns.take(is_click=True)

    def job_turn(self, check: Callable[[], None]) -> AbstractContextManager[None]:
        """Return a context in which no one else uses a network; `check` is called while waiting for it."""
        return self._turns.take(check=check)

    def embedding_hits(self) -> Hits:
        """Return how often an encoder's output was there already."""
        return self._cache.hits.read() if self._cache is not None else Hits(0, 0)

    def _embedding_cache(self) -> EmbeddingCache:
        from server.segmentation.networks.caching_predictor import EmbeddingCache

        with self._loading:
            if self._cache is None:
                self._cache = EmbeddingCache(self._embedding_cache_bytes)
            return self._cache


def wait_while_checking(load: Callable[[], Loaded], check: Callable[[], None]) -> Loaded:
    """Return what `load` returns, which runs in a thread while `check` is called, and may raise to stop waiting."""
    pool = ThreadPoolExecutor(1)
    loading = pool.submit(load)
    pool.shutdown(wait=False)
    while not wait([loading], WAIT_STEP_S).done:
        check()
    return loading.result()


def _expects_gpu() -> bool:
    """Tell whether torch would probably find a GPU: an NVIDIA driver is here and torch is not the CPU build."""
    has_driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
    return has_driver and "+cpu" not in importlib.metadata.version("torch")
