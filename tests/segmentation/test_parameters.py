"""Every bound, default and message of the parameter table."""

from __future__ import annotations

import inspect
import json
import math
import subprocess
import sys

import pytest

from server.errors import BadParameter
from server.segmentation.parameters import PARAMETERS, PRESETS, MaskGeneratorSettings, describe_parameters

CONTRACT_DEFAULTS = {
    "points_per_side": 32,
    "points_per_batch": 64,
    "pred_iou_thresh": 0.88,
    "stability_score_thresh": 0.95,
    "stability_score_offset": 1.0,
    "box_nms_thresh": 0.7,
    "crop_n_layers": 0,
    "crop_nms_thresh": 0.7,
    "crop_overlap_ratio": 512 / 1500,
    "crop_n_points_downscale_factor": 1,
    "min_mask_region_area": 0,
}


def test_defaults_are_those_of_the_contract() -> None:
    assert {name: item.default for name, item in PARAMETERS.items()} == CONTRACT_DEFAULTS
    assert MaskGeneratorSettings.from_mapping({}) == MaskGeneratorSettings()


def test_names_and_defaults_are_those_of_the_package() -> None:
    from segment_anything import SamAutomaticMaskGenerator

    theirs = inspect.signature(SamAutomaticMaskGenerator.__init__).parameters
    assert set(theirs) - {"self", "model", "point_grids", "output_mode"} == set(PARAMETERS)
    assert {name: theirs[name].default for name in PARAMETERS} == CONTRACT_DEFAULTS


@pytest.mark.parametrize("row", describe_parameters(), ids=lambda row: row["name"])
def test_bounds_are_inclusive_and_enforced(row: dict[str, object]) -> None:
    name, step = str(row["name"]), 1 if row["type"] == "integer" else 0.001
    assert row["minimum"] <= row["default"] <= row["maximum"]  # type: ignore[operator]
    assert str(row["description"]).endswith(".")
    grid = {"points_per_side": 128}  # a grid that no downscale factor empties
    for value in (row["minimum"], row["maximum"]):
        assert getattr(MaskGeneratorSettings.from_mapping({**grid, name: value}), name) == value
    for value in (row["minimum"] - step, row["maximum"] + step):  # type: ignore[operator]
        with pytest.raises(BadParameter) as error:
            MaskGeneratorSettings.from_mapping({name: value})
        assert error.value.field == name
        assert str(row["minimum"]) in error.value.message


@pytest.mark.parametrize("value", [True, "32", None, 32.0, math.nan, math.inf, [32]])
def test_integers_take_only_integers(value: object) -> None:
    with pytest.raises(BadParameter) as error:
        MaskGeneratorSettings.from_mapping({"points_per_side": value})
    assert error.value.field == "points_per_side"


@pytest.mark.parametrize("value", [True, "0.5", None, math.nan, math.inf, -math.inf])
def test_numbers_take_only_finite_numbers(value: object) -> None:
    with pytest.raises(BadParameter) as error:
        MaskGeneratorSettings.from_mapping({"pred_iou_thresh": value})
    assert error.value.field == "pred_iou_thresh"


def test_an_integer_is_a_fine_number() -> None:
    assert MaskGeneratorSettings.from_mapping({"pred_iou_thresh": 1}).pred_iou_thresh == 1.0


def test_unknown_names_are_refused() -> None:
    with pytest.raises(BadParameter, match="pred_iou_tresh") as error:
        MaskGeneratorSettings.from_mapping({"pred_iou_tresh": 0.5})
    assert error.value.field == "pred_iou_tresh"


def test_a_grid_without_points_is_refused() -> None:
    values = {"points_per_side": 3, "crop_n_layers": 2, "crop_n_points_downscale_factor": 2}
    with pytest.raises(BadParameter) as error:
        MaskGeneratorSettings.from_mapping(values)
    assert error.value.field == "crop_n_points_downscale_factor"
    MaskGeneratorSettings.from_mapping({**values, "points_per_side": 4})


def test_presets_are_valid_and_json() -> None:
    assert list(PRESETS) == ["fast", "standard", "fine"]
    for values in PRESETS.values():
        MaskGeneratorSettings.from_mapping(values)
    json.dumps([PRESETS, describe_parameters()], allow_nan=False)


def test_importing_needs_no_torch() -> None:
    modules = "server.segmentation.parameters, server.segmentation.networks.checkpoints, server.segmentation.engine"
    commands = "server.commands.segment, server.commands.checkpoints, server.commands.fetch"
    code = f"import sys, {modules}, {commands}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
