"""Requests made from `/openapi.json`, right and wrong ones: none ends in an error of the server."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.routes.support import TOKEN, upload

EXAMPLES_PER_OPERATION = 2
# These answer without an end, or take seconds of the whole machine on purpose.
LEFT_OUT = frozenset({"/jobs/{job}/events", "/sample"})


@pytest.fixture
def operations(client, make_raster):
    """Every documented operation, on a service that has a raster with a result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # schemathesis imports what others deprecate
        import schemathesis

        schema = schemathesis.openapi.from_wsgi("/openapi.json", client.application)
    upload(client, make_raster())
    client.post("/segment", json={})
    return [item.ok() for item in schema.get_all_operations() if item.ok().path not in LEFT_OUT]


@pytest.mark.filterwarnings("ignore")
def test_no_request_ends_in_an_error_of_the_server(operations):
    assert len(operations) > 25
    n_answers = 0
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES_PER_OPERATION,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        def ask(case):
            nonlocal n_answers
            response = case.call(headers={"Authorization": f"Bearer {TOKEN}"})
            n_answers += 1
            assert response.status_code < 500, f"{case.method} {case.formatted_path}: {response.text[:300]}"
            if response.status_code >= 400:
                assert {"error", "message", "field"} <= set(response.json()), case.formatted_path

        ask()
    assert n_answers > len(operations)
