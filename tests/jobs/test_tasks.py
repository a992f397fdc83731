"""Stored jobs become the engine's requests, those of earlier versions included."""

from __future__ import annotations

from server.jobs.tasks import describe_run, read_class_request, read_request

OLD = {
    "raster_id": "1",
    "out_raster": "result.tif",
    "band_indexes": [1, 2, 3],
    "parameters": {"points_per_side": 8},
    "checkpoint": "embedded",
    "window": None,
}
OF_A_CLASS = {
    **OLD,
    "mode": "class",
    "class_name": "sidewalk",
    "parameters": {"min_mask_region_area": 7},
    "checkpoint": "sidewalks",
    "window": [1, 2, 3, 4],
    "area": None,
    "resolution_m": 0.5,
    "full_cover": False,
}


def test_a_job_of_an_earlier_version_segments_everything():
    request = read_request(OLD)
    assert (request.settings.points_per_side, request.window, request.area) == (8, None, None)
    described = describe_run(OLD)
    assert (described["mode"], described["class_name"], described["full_cover"]) == ("everything", None, False)


def test_a_class_job_keeps_what_was_asked():
    request = read_class_request(OF_A_CLASS)
    assert (request.class_name, request.checkpoint, request.min_mask_region_area) == ("sidewalk", "sidewalks", 7)
    assert (tuple(request.window), request.resolution_m) == ((1, 2, 3, 4), 0.5)
    assert describe_run(OF_A_CLASS)["rgb_index"] == [1, 2, 3]
