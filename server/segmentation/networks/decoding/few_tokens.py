"""Attention between a few tokens and a long image sequence, with the products in the order that costs least.

SAM projects all 4096 image positions for every click although only seven tokens look at them. With few tokens the
projection is cheaper on their side: (Q Wk^T) X^T instead of Q (X Wk)^T, and (A X) Wv instead of A (X Wv). The numbers
are the same up to rounding. Shapes: B clicks, T tokens, N image positions, C channels, H heads of D channels.
"""

from __future__ import annotations

import math
from typing import Any

import torch


class _Heads:
    """The weights of one of the package's `Attention` modules, cut into heads."""

    def __init__(self, attention: Any) -> None:
        self.n_heads: int = attention.num_heads
        self.head_channels: int = attention.internal_dim // attention.num_heads
        self.scale = 1 / math.sqrt(self.head_channels)
        self.attention = attention

    def cut(self, projected: torch.Tensor) -> torch.Tensor:
        """Return (..., L, H * D) as (..., H, L, D)."""
        return projected.view(*projected.shape[:-1], self.n_heads, self.head_channels).transpose(-2, -3)

    def rows(self, layer: torch.nn.Linear) -> torch.Tensor:
        """Return the weight of an input projection, (H, D, C)."""
        return layer.weight.view(self.n_heads, self.head_channels, -1)

    def across(self, tokens: torch.Tensor, shared: torch.Tensor) -> torch.Tensor:
        """Return products of the tokens (B, H, T, D) with what all clicks share, (H, N, D), as (B, H, T, N)."""
        n_clicks, _, n_tokens, _ = tokens.shape
        flat = tokens.transpose(0, 1).flatten(1, 2)
        return (flat @ shared.transpose(1, 2)).view(self.n_heads, n_clicks, n_tokens, -1).transpose(0, 1)


class TokenToImage(_Heads):
    """Tokens look at the image."""

    def __init__(self, attention: Any, positions: torch.Tensor) -> None:
        """Prepare for an image grid.

        Args:
            attention: the package's module.
            positions: (N, C), the position encoding that is added to keys but not to values.
        """
        super().__init__(attention)
        # The bias of the keys adds the same to all scores of a token, which the softmax takes away again.
        self._position_keys = self.cut(positions @ attention.k_proj.weight.T)

    def share(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys and values (H, N, D) of an image sequence (N, C) that all clicks look at."""
        keys = self.cut(image @ self.attention.k_proj.weight.T) + self._position_keys
        return keys, self.cut(self.attention.v_proj(image))

    def look_at_shared(self, tokens: torch.Tensor, shared: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Return (B, T, C): what tokens (B, T, C) see in the image of `share`."""
        keys, values = shared
        weights = torch.softmax(self.across(self._ask(tokens), keys), dim=-1)
        seen = weights.transpose(0, 1).flatten(1, 2) @ values
        return self._answer(seen.view(self.n_heads, *tokens.shape[:2], -1).transpose(0, 1))

    def look_at_own(self, tokens: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Return (B, T, C): what tokens (B, T, C) see where every click has its own image sequence, (B, N, C)."""
        asked = self._ask(tokens)
        folded = asked @ self.rows(self.attention.k_proj)
        scores = torch.baddbmm(
            self.across(asked, self._position_keys).flatten(1, 2), folded.flatten(1, 2), images.transpose(1, 2)
        )
        gathered = (torch.softmax(scores, dim=-1) @ images).view(len(images), self.n_heads, tokens.shape[1], -1)
        values = gathered @ self.rows(self.attention.v_proj).transpose(1, 2)
        return self._answer(values + self.attention.v_proj.bias.view(self.n_heads, 1, -1))

    def _ask(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.cut(self.attention.q_proj(tokens) * self.scale)

    def _answer(self, seen: torch.Tensor) -> torch.Tensor:
        """Bring (B, H, T, D) back to (B, T, C)."""
        answer: torch.Tensor = self.attention.out_proj(seen.transpose(1, 2).flatten(2))
        return answer


class ImageToToken(_Heads):
    """Image positions look at the tokens."""

    def __init__(self, attention: Any, positions: torch.Tensor) -> None:
        """Prepare for an image grid; see `TokenToImage`."""
        super().__init__(attention)
        self._position_queries = self.cut(attention.q_proj(positions))

    def share(self, image: torch.Tensor) -> torch.Tensor:
        """Return the queries (H, N, D) of an image sequence (N, C) from which all clicks start."""
        return self.cut(image @ self.attention.q_proj.weight.T) + self._position_queries

    def add_to_shared(
        self, image: torch.Tensor, queries: torch.Tensor, tokens: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """Return (B, N, C): the image (N, C) plus what its positions see.

        Args:
            image: the sequence all clicks share.
            queries: what `share` made of it.
            tokens: (B, T, C), the tokens with their position encoding.
            values: (B, T, C), the tokens without.
        """
        weights = torch.softmax(self.across(self._offer(tokens), queries), dim=2)
        return torch.baddbmm(image.expand(len(tokens), -1, -1), *self._mix(weights, values))

    def add_to_own(self, images: torch.Tensor, tokens: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Return (B, N, C): every click's own image (B, N, C) plus what it sees; overwrites `images`."""
        offered = self._offer(tokens)
        folded = offered @ self.rows(self.attention.q_proj)
        scores = torch.baddbmm(
            self.across(offered, self._position_queries).flatten(1, 2), folded.flatten(1, 2), images.transpose(1, 2)
        )
        weights = torch.softmax(scores.view(len(images), self.n_heads, tokens.shape[1], -1), dim=2)
        return images.baddbmm_(*(item.to(images.dtype) for item in self._mix(weights, values)))

    def _offer(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.cut(self.attention.k_proj(tokens) * self.scale)

    def _mix(self, weights: torch.Tensor, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (B, N, H * T) and (B, H * T, C) whose product is what the positions see, bias included."""
        out = self.attention.out_proj
        per_head = out.weight.T.view(self.n_heads, self.head_channels, -1)
        # Every head's weights sum to one, so a share of the bias in each of them adds up to the bias.
        answers = self.cut(self.attention.v_proj(values)) @ per_head + out.bias / self.n_heads
        return weights.flatten(1, 2).transpose(1, 2), answers.flatten(1, 2)
