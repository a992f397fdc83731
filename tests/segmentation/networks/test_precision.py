"""A precision is used where the device is fast with it, and refused with a reason elsewhere."""

from __future__ import annotations

import pytest
import torch

from server.errors import BadParameter
from server.segmentation.networks.precision import check_precision, lower_precision

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def set_processor(monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool) -> None:
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: has_bfloat16)
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False)


@pytest.mark.parametrize(
    ("precision", "device", "message"),
    [
        ("float16", CPU, 'needs a CUDA GPU. Use "float32"'),
        ("bfloat16", CPU, 'this processor has no instructions for it .* Use "float32"'),
        ("float64", CPU, "known are float32, bfloat16, float16"),
    ],
)
def test_what_would_be_slow_is_refused(
    precision: str, device: torch.device, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_processor(monkeypatch, has_bfloat16=False)
    with pytest.raises(BadParameter, match=message) as error:
        check_precision(precision, device)
    assert error.value.field == "precision"


def test_what_is_fast_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    set_processor(monkeypatch, has_bfloat16=True)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: not including_emulation)
    for precision, device in (("float32", CPU), ("bfloat16", CPU), ("float16", GPU), ("bfloat16", GPU)):
        check_precision(precision, device)


def test_products_use_the_precision() -> None:
    values = torch.ones(2, 2)
    with lower_precision("bfloat16", CPU):
        assert (values @ values).dtype == torch.bfloat16
    with lower_precision("float32", CPU):
        assert (values @ values).dtype == torch.float32
