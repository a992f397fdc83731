"""Runs networks with shorter numbers where the device is fast with them, and refuses where it is not."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, get_args

import torch

from server.errors import BadParameter

Precision = Literal["float32", "bfloat16", "float16"]
SHORT_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def check_precision(precision: str, device: torch.device) -> None:
    """Make sure that `device` is fast with `precision`.

    Raises:
        BadParameter: the name is unknown, or the device would be slower with it than with float32.
    """
    if precision not in get_args(Precision):
        known = ", ".join(get_args(Precision))
        raise BadParameter(f'Precision "{precision[:40]}" asked; known are {known}.', "precision")
    if precision == "float16" and device.type != "cuda":
        raise BadParameter(
            f'Precision "float16" asked on the device "{device.type}"; it needs a CUDA GPU. '
            'Use "float32", or "bfloat16" where the processor has it.',
            "precision",
        )
    if precision == "bfloat16" and not _is_fast_with_bfloat16(device):
        raise BadParameter(
            f'Precision "bfloat16" asked; this {_name(device)} has no instructions for it and would be many times '
            'slower. Use "float32".',
            "precision",
        )


def lower_precision(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return a context in which products of matrices use `precision`; sums and softmax stay exact where it matters."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=SHORT_TYPES[precision])


def _is_fast_with_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # AVX512-BF16 or AMX; torch also runs without, by converting every number, which takes a hundred times longer.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _name(device: torch.device) -> str:
    return "GPU" if device.type == "cuda" else "processor"
