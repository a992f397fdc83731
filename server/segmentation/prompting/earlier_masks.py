"""Keeps the logits of masks that were handed out, so that the next click can correct one of them."""

from __future__ import annotations

import dataclasses
import math
import secrets
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from server.errors import BadParameter
from server.rasters.windows import PixelWindow
from server.segmentation.prompting.looks import Look
from server.segmentation.prompting.rated_masks import Logits

# Logits are kept as whole multiples of this, from -32 to 31.75: finer differences change no mask, and beyond that
# networks are equally certain.
LOGIT_STEP = 0.25
# What one client may keep, thousands of masks, so that a busy one does not push out the others' masks.
CLIENT_SHARE = 1 / 8


class Owner(NamedTuple):
    """Whose mask it is, and of which raster and network: nobody else may go on from it."""

    client: str
    raster: str
    checkpoint: str


@dataclass(frozen=True)
class SeenLogits:
    """What the network drew.

    Attributes:
        logits: float32 (S, S), for the square input of the network.
        look: what it looked at.
        to_low: pixels of the logits per pixel of the raster, along x and y.
        box: pixels of the raster around the mask.
    """

    logits: Logits
    look: Look
    to_low: tuple[float, float]
    box: PixelWindow

    def seen_from(self, look: Look, to_low: tuple[float, float]) -> Logits:
        """Return the logits as they lie in another look, float32 (S, S); 0, undecided, where nothing was seen."""
        if look == self.look:
            return self.logits
        # From the centre of a pixel of the new logits to the raster, and on to the old logits.
        moves = []
        for axis in (0, 1):
            scale = self.to_low[axis] / to_low[axis]
            start = (look.window[axis] - self.look.window[axis]) * self.to_low[axis]
            moves.append((scale, 0.5 * scale + start - 0.5))
        to_old = np.array([[moves[0][0], 0, moves[0][1]], [0, moves[1][0], moves[1][1]]])
        return np.asarray(
            cv2.warpAffine(self.logits, to_old, self.logits.shape, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP),
            dtype=np.float32,
        )


@dataclass(frozen=True)
class _Kept:
    owner: Owner
    packed: bytes
    seen: SeenLogits  # without its logits

    def unpack(self) -> SeenLogits:
        return dataclasses.replace(self.seen, logits=unpack_logits(self.packed))


class MaskMemory(Protocol):
    """Where masks wait for the next click."""

    def keep(self, owner: Owner, seen: SeenLogits) -> str:
        """Keep a mask for its owner and return its id, which cannot be guessed."""
        ...

    def find(self, owner: Owner, mask_id: str) -> SeenLogits:
        """Return the mask of that id; see `refuse_unknown` for what is raised where there is none."""
        ...


class EarlierMasks:
    """Masks by id in this process, the least recently used first out, bounded in bytes; safe to share by threads."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        # Clients in the order of their last use, and the masks of each in the order of theirs.
        self._clients: OrderedDict[str, OrderedDict[str, _Kept]] = OrderedDict()
        self._n_bytes: dict[str, int] = {}
        self._lock = Lock()

    @property
    def n_bytes(self) -> int:
        """Memory the kept logits take."""
        with self._lock:
            return sum(self._n_bytes.values())

    def keep(self, owner: Owner, seen: SeenLogits) -> str:
        """Keep a mask for its owner and return its id, which cannot be guessed."""
        without = dataclasses.replace(seen, logits=np.zeros((0, 0), dtype=np.float32))
        kept = _Kept(owner, pack_logits(seen.logits), without)
        mask_id = make_mask_id()
        with self._lock:
            self._clients.setdefault(owner.client, OrderedDict())[mask_id] = kept
            self._clients.move_to_end(owner.client)
            self._n_bytes[owner.client] = self._n_bytes.get(owner.client, 0) + len(kept.packed)
            while self._n_bytes.get(owner.client, 0) > self._max_bytes * CLIENT_SHARE:
                self._drop_oldest(owner.client)
            while sum(self._n_bytes.values()) > self._max_bytes:
                self._drop_oldest(next(iter(self._clients)))
        return mask_id

    def find(self, owner: Owner, mask_id: str) -> SeenLogits:
        """Return the mask of that id.

        Raises:
            BadParameter: its owner has none of that id, or no longer; `field` is "previous".
        """
        with self._lock:
            kept = self._clients.get(owner.client, OrderedDict()).get(mask_id)
            if kept is not None and kept.owner == owner:
                self._clients.move_to_end(owner.client)
                self._clients[owner.client].move_to_end(mask_id)
                return kept.unpack()
        raise refuse_unknown(mask_id)

    def _drop_oldest(self, client: str) -> None:
        masks = self._clients[client]
        _, dropped = masks.popitem(last=False)
        self._n_bytes[client] -= len(dropped.packed)
        if not masks:
            del self._clients[client], self._n_bytes[client]


def make_mask_id() -> str:
    """Return an id that cannot be guessed."""
    return secrets.token_hex(12)


def pack_logits(logits: Logits) -> bytes:
    """Return float32 (S, S) logits as a few thousand bytes, rounded to `LOGIT_STEP`."""
    steps = np.round(logits / LOGIT_STEP).clip(-128, 127).astype(np.int8)
    return zlib.compress(steps.tobytes(), level=1)


def unpack_logits(packed: bytes) -> Logits:
    """Return the logits of `pack_logits`, float32 (S, S)."""
    steps = np.frombuffer(zlib.decompress(packed), dtype=np.int8)
    side = math.isqrt(len(steps))
    return steps.reshape(side, side).astype(np.float32) * np.float32(LOGIT_STEP)


def refuse_unknown(mask_id: str) -> BadParameter:
    """Return the error for an id that its sender has no mask of; `field` is "previous"."""
    return BadParameter(
        f'There is no earlier mask "{mask_id[:40]}" of this raster and checkpoint: it was not given to you, or it '
        'has been forgotten since. Leave "previous" out and send all points again.',
        "previous",
    )
