"""Keeps encoder outputs, so that a second run over the same pixels with other thresholds only decodes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import torch
from cachetools import LRUCache
from numpy.typing import NDArray
from segment_anything import SamPredictor
from torch import nn

from server.observability.hits import HitCounter
from server.segmentation.networks.precision import lower_precision

CacheKey = tuple[str, str]
# What a decoder derives from an embedding for all prompts on it, such as the embedded network's `ImageShare`.
Share = tuple[torch.Tensor, ...]
# Images a GPU encodes at once: from four on its cores are busy with any of the networks.
IMAGES_ON_GPU = 4
# What the image encoder of ViT-H needs for one image of 1024 x 1024 beside its weights, rounded up.
ENCODER_BYTES_PER_IMAGE = 2**30
# Share of the free memory that may be planned; the rest is for fragmentation and for other processes.
USABLE_SHARE = 0.7


@dataclass(frozen=True)
class Encoded:
    """An image as prompts find it.

    Attributes:
        embedding: the encoder's output.
        share: what the decoder derives from it, where it can be told; it takes a tenth of a click.
    """

    embedding: torch.Tensor
    share: Share | None

    @property
    def n_bytes(self) -> int:
        """Memory it takes."""
        return sum(tensor.nbytes for tensor in (self.embedding, *(self.share or ())))

    def copy_to_cpu(self) -> Encoded:
        """Return a copy in main memory."""
        share = None if self.share is None else _like(self.share, [_copy_to_cpu(tensor) for tensor in self.share])
        return Encoded(_copy_to_cpu(self.embedding), share)

    def to(self, device: torch.device) -> Encoded:
        """Return it on a device, itself where it is there."""
        share = None if self.share is None else _like(self.share, [tensor.to(device) for tensor in self.share])
        return Encoded(self.embedding.to(device), share)


class EmbeddingCache:
    """Encoder outputs in main memory, least recently used first out, bounded in bytes; safe to share by threads.

    Attributes:
        hits: how often `find` had the answer.
    """

    def __init__(self, max_bytes: int) -> None:
        self._images = LRUCache[CacheKey, Encoded](max_bytes, lambda encoded: encoded.n_bytes)
        self._lock = Lock()
        self.hits = HitCounter()

    @property
    def n_bytes(self) -> int:
        """Memory the kept embeddings take."""
        return int(self._images.currsize)

    def holds(self, key: CacheKey) -> bool:
        """Tell whether `find` would have an answer, without counting as a use."""
        return key in self._images

    def find(self, key: CacheKey) -> Encoded | None:
        """Return what is kept of `key`, on the CPU, and mark it as used; or None."""
        with self._lock:
            self.hits.note(key in self._images)
            return self._images.get(key)

    def keep(self, key: CacheKey, encoded: Encoded) -> None:
        """Store a copy; of what alone is over the limit none."""
        if encoded.n_bytes > self._images.maxsize:
            return
        stored = encoded.copy_to_cpu()
        with self._lock:
            self._images[key] = stored


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
        encoded = self._cache.find(key)
        if encoded is None:
            embedding = self._ahead.pop(key, None)
            if embedding is None:
                with lower_precision(self.precision, self.device):
                    super().set_image(image, image_format)
                embedding = self.get_image_embedding().float()
            encoded = Encoded(embedding, self._share(embedding))
            self._cache.keep(key, encoded)
        self.reset_image()
        self.original_size = image.shape[:2]
        self.input_size = self.transform.get_preprocess_shape(*image.shape[:2], self.transform.target_length)
        here = encoded.to(self.device)
        self.features = here.embedding
        if here.share is not None:
            self.model.mask_decoder.recall(here.embedding, here.share)
        self.is_image_set = True

    def _share(self, embedding: torch.Tensor) -> Share | None:
        """Return what the decoder derives from an embedding, None where it does not say."""
        if not hasattr(self.model.mask_decoder, "recall"):
            return None
        with torch.no_grad(), lower_precision(self.precision, self.device):
            share: Share = self.model.mask_decoder.share(embedding)
        return share

    def _make_key(self, image: NDArray[np.uint8], image_format: str) -> CacheKey:
        return f"{self._checkpoint} {self.precision}", _digest(image, image_format)

    def _to_input(self, image: NDArray[np.uint8]) -> torch.Tensor:
        """Return what the encoder gets for an RGB image, float32 (1, 3, S, S), as the package's predictor makes it."""
        resized = torch.as_tensor(self.transform.apply_image(image), device=self.device)
        padded: torch.Tensor = self.model.preprocess(resized.permute(2, 0, 1).contiguous()[None])
        return padded


def _copy_to_cpu(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu", copy=True)


def _like(share: Share, tensors: list[torch.Tensor]) -> Share:
    """Return `tensors` as a named tuple of the same kind."""
    return type(share)(*tensors)


def count_images_at_once(device: torch.device) -> int:
    """Return how many images the encoder should get together: one on a processor, on a GPU what its memory holds."""
    if device.type != "cuda":
        return 1
    reusable = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    usable = (torch.cuda.mem_get_info(device)[0] + reusable) * USABLE_SHARE
    return max(1, min(IMAGES_ON_GPU, int(usable // ENCODER_BYTES_PER_IMAGE)))


def _digest(image: NDArray[np.uint8], image_format: str) -> str:
    # Processors have instructions for SHA-256, which is read at every click.
    digest = hashlib.sha256(f"{image.shape} {image_format}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()
