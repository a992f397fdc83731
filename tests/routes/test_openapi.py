"""The generated document covers the contract and tells the truth about answers."""

from __future__ import annotations

import pytest

from server.segmentation.parameters import PARAMETERS
from tests.routes.support import upload

CONTRACT = {
    ("get", "/human_check"), ("post", "/human_check"), ("post", "/upload"), ("post", "/upload_cfg"),
    ("get", "/raster_meta"), ("post", "/preview_raster"), ("get", "/tiles/{raster}/tilejson.json"),
    ("get", "/tiles/{raster}/{z}/{x}/{y}.png"), ("post", "/segment"), ("post", "/predict"), ("get", "/jobs"),
    ("get", "/jobs/{job}"), ("delete", "/jobs/{job}"), ("get", "/preview_mask"), ("get", "/download"),
    ("get", "/checkpoints"), ("get", "/health"), ("get", "/openapi.json"),
}  # fmt: skip


@pytest.fixture
def document(app):
    return app.test_client().get("/openapi.json").get_json()


def test_the_contract_is_covered(document):
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert described >= CONTRACT


def test_every_view_is_documented(app):
    plain = {"pages.index", "pages.asset", "pages.icon", "human_check.static"}
    missing = [
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.endpoint not in plain and not hasattr(app.view_functions[rule.endpoint], "operation")
    ]
    assert missing == []


def test_segment_lists_every_parameter_with_bounds(document):
    properties = document["paths"]["/segment"]["post"]["requestBody"]["content"]["application/json"]["schema"][
        "properties"
    ]
    others = "raster out_raster rgb_index mode checkpoint window area resolution_m full_cover"
    assert set(properties) == set(PARAMETERS) | set(others.split())
    assert properties["mode"]["enum"] == ["everything", "class"]
    assert properties["mode"]["default"] == "everything"
    assert properties["points_per_side"]["maximum"] == PARAMETERS["points_per_side"].metadata["maximum"]


def test_checkpoints_list_what_is_described(document, client):
    answer = document["paths"]["/checkpoints"]["get"]["responses"]["200"]["content"]["application/json"]
    row = answer["schema"]["items"]
    listed = client.get("/checkpoints").get_json()
    assert listed
    assert all(set(item) == set(row["properties"]) for item in listed)
    assert {kind["type"] for kind in row["properties"]["class_name"]["anyOf"]} == {"string", "null"}
    assert "class_name: what the class mode finds" in row["description"]


def test_real_answers_have_documented_statuses_and_types(document, client, make_raster):
    upload(client, make_raster())
    posted = [("post", "/preview_raster")]
    asked = ("/rasters", "/raster_meta", "/health", "/checkpoints", "/jobs", "/segment_parameters")
    for method, path in posted + [("get", item) for item in asked]:
        response = client.open(path, method=method.upper())
        described = document["paths"][path][method]["responses"][str(response.status_code)]
        assert response.mimetype in described["content"], path


def test_health_wakes_no_network(app):
    content = app.test_client().get("/health").get_json()
    assert set(content) == {"status", "version", "device", "jobs_running", "jobs_queued"}
    assert content["status"] == "ok"
    assert content["device"] in ("cpu", "cuda")
