"""Keeps encoder outputs, so that a second run over the same pixels with other thresholds only decodes."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from segment_anything import SamPredictor
from torch import nn

from server.observability.hits import HitCounter
from server.segmentation.networks.precision import lower_precision

CacheKey = tuple[str, str]
# Images a GPU encodes at once: from four on its cores are busy with any of the networks.
IMAGES_ON_GPU = 4
# What the image encoder of ViT-H needs for one image of 1024 x 1024 beside its weights, rounded up.
ENCODER_BYTES_PER_IMAGE = 2**30
# Share of the free memory that may be planned; the rest is for fragmentation and for other processes.
USABLE_SHARE = 0.7


class EmbeddingCache:
    """Encoder outputs in main memory, least recently used first out, bounded in bytes; safe to share by threads.

    Attributes:
        hits: how often `find` had the answer.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._embeddings: OrderedDict[CacheKey, torch.Tensor] = OrderedDict()
        self._n_bytes = 0
        self._lock = Lock()
        self.hits = HitCounter()

    @property
    def n_bytes(self) -> int:
        """Memory the kept embeddings take."""
        return self._n_bytes

    def holds(self, key: CacheKey) -> bool:
        """Tell whether `find` would have an answer, without counting as a use."""
        return key in self._embeddings

    def find(self, key: CacheKey) -> torch.Tensor | None:
        """Return the embedding of `key` on the CPU and mark it as used, or None."""
        with self._lock:
            self.hits.note(key in self._embeddings)
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
        images_at_once: how many images `encode_ahead` had better be given.
    """

    def __init__(self, network: nn.Module, checkpoint: str, cache: EmbeddingCache, precision: str = "float32") -> None:
        super().__init__(network)
        self.precision = precision
        self._checkpoint = checkpoint
        self._cache = cache
        self._ahead: dict[CacheKey, torch.Tensor] = {}
        self.images_at_once = count_images_at_once(self.device)

    def encode_ahead(self, images: Sequence[NDArray[np.uint8]]) -> None:
        """Encode images in one go, for `set_image` to find; what an earlier call prepared and nobody used is dropped.

        A GPU is faster that way. Where its memory is not enough, `set_image` encodes them one by one, and
        `images_at_once` is halved for the time to come.

        Args:
            images: uint8 (H, W, 3) each, of any sizes; those in the cache are left out.
        """
        self._ahead = {}
        new = {key: image for image in images if not self._cache.holds(key := self._make_key(image, "RGB"))}
        if not new:
            return
        inputs = [self._to_input(image) for image in new.values()]
        try:
            with torch.no_grad(), lower_precision(self.precision, self.device):
                embeddings = self.model.image_encoder(torch.cat(inputs)).float()
        except torch.OutOfMemoryError:
            self.images_at_once = max(1, len(new) // 2)
            return
        self._ahead = dict(zip(new, embeddings.split(1), strict=True))

    def set_image(self, image: NDArray[np.uint8], image_format: str = "RGB") -> None:
        """Make `image`, uint8 (H, W, 3), the one that `predict` is about; encode it only where that is new."""
        key = self._make_key(image, image_format)
        embedding = self._cache.find(key)
        if embedding is None and key in self._ahead:
            embedding = self._ahead.pop(key)
            self._cache.keep(key, embedding)
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

    def _make_key(self, image: NDArray[np.uint8], image_format: str) -> CacheKey:
        return f"{self._checkpoint} {self.precision}", _digest(image, image_format)

    def _to_input(self, image: NDArray[np.uint8]) -> torch.Tensor:
        """Return what the encoder gets for an RGB image, float32 (1, 3, S, S), as the package's predictor makes it."""
        resized = torch.as_tensor(self.transform.apply_image(image), device=self.device)
        padded: torch.Tensor = self.model.preprocess(resized.permute(2, 0, 1).contiguous()[None])
        return padded


def count_images_at_once(device: torch.device) -> int:
    """Return how many images the encoder should get together: one on a processor, on a GPU what its memory holds."""
    if device.type != "cuda":
        return 1
    reusable = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    usable = (torch.cuda.mem_get_info(device)[0] + reusable) * USABLE_SHARE
    return max(1, min(IMAGES_ON_GPU, int(usable // ENCODER_BYTES_PER_IMAGE)))


def _digest(image: NDArray[np.uint8], image_format: str) -> str:
    digest = hashlib.blake2b(f"{image.shape} {image_format}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
