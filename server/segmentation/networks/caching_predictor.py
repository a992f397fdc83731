"""Keeps encoder outputs, so that a second run over the same pixels with other thresholds only decodes."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything import SamPredictor
from torch import nn

from server.segmentation.networks.precision import lower_precision

CacheKey = tuple[str, str]


class EmbeddingCache:
    """Encoder outputs in main memory, least recently used first out, bounded in bytes; safe to share by threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._embeddings: OrderedDict[CacheKey, torch.Tensor] = OrderedDict()
        self._n_bytes = 0
        self._lock = Lock()

    @property
    def n_bytes(self) -> int:
        """Memory the kept embeddings take."""
        return self._n_bytes

    def find(self, key: CacheKey) -> torch.Tensor | None:
        """Return the embedding of `key` on the CPU and mark it as used, or None."""
        with self._lock:
            if key not in self._embeddings:
                return None
            self._embeddings.move_to_end(key)
            return self._embeddings[key]

    def keep(self, key: CacheKey, embedding: torch.Tensor) -> None:
        """Store a copy of `embedding`; one that alone is over the limit is not kept."""
        if embedding.nbytes > self._max_bytes:
            return
        stored = embedding.detach().to("cpu", copy=True)
        with self._lock:
            if key not in self._embeddings:
                self._n_bytes += stored.nbytes
            self._embeddings[key] = stored
            self._embeddings.move_to_end(key)
            while self._n_bytes > self._max_bytes:
                _, oldest = self._embeddings.popitem(last=False)
                self._n_bytes -= oldest.nbytes


class CachingPredictor(SamPredictor):  # type: ignore[misc]  # the package ships no types
    """A `SamPredictor` that looks for the encoder's output before it encodes.

    The key is a digest of the patch's pixels and the names of the checkpoint and the precision, so equal pixels hit
    wherever they come from.

    Attributes:
        precision: what the network computes with; see `server.segmentation.networks.precision`.
    """

    def __init__(self, network: nn.Module, checkpoint: str, cache: EmbeddingCache, precision: str = "float32") -> None:
        super().__init__(network)
        self.precision = precision
        self._checkpoint = checkpoint
        self._cache = cache

    def set_image(self, image: NDArray[np.uint8], image_format: str = "RGB") -> None:
        """Make `image`, uint8 (H, W, 3), the one that `predict` is about; encode it only where that is new."""
        key = (f"{self._checkpoint} {self.precision}", _digest(image, image_format))
        embedding = self._cache.find(key)
        if embedding is None:
            with lower_precision(self.precision, self.device):
                super().set_image(image, image_format)
            self.features = self.get_image_embedding().float()
            self._cache.keep(key, self.features)
            return
        self.reset_image()
        self.original_size = image.shape[:2]
        self.input_size = self.transform.get_preprocess_shape(*image.shape[:2], self.transform.target_length)
        self.features = embedding.to(self.device)
        self.is_image_set = True


def _digest(image: NDArray[np.uint8], image_format: str) -> str:
    digest = hashlib.blake2b(f"{image.shape} {image_format}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
