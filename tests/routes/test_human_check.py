"""The human check: one-time questions, growing delays that are said and never slept."""

from __future__ import annotations

import io
import time

from PIL import Image

from tests.routes.support import assert_error


def test_a_visitor_sees_the_question_page(app):
    response = app.test_client().get("/", headers={"Accept-Language": "en"})
    text = response.get_data(as_text=True)
    assert 'src="/human_check"' in text
    assert "onclick" not in text
    assert '<label for="answer">' in text


def test_the_page_speaks_chinese(app):
    text = app.test_client().get("/", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).get_data(as_text=True)
    assert 'lang="zh-CN"' in text


def test_the_question_is_a_picture(app):
    response = app.test_client().get("/human_check")
    assert response.headers["Cache-Control"] == "no-store"
    assert Image.open(io.BytesIO(response.data)).size[0] >= 100


def test_the_right_answer_opens_the_service(app, answer_of):
    client = app.test_client()
    client.get("/human_check")
    response = client.post("/human_check", json={"answer": answer_of(client)})
    assert response.get_json() == {"human": True}
    assert client.get("/rasters").status_code == 200
    assert "the app" in client.get("/").get_data(as_text=True)


def test_a_wrong_answer_sets_a_new_question(app, answer_of):
    client = app.test_client()
    before = client.get("/human_check").data
    wrong = answer_of(client) + 1
    assert_error(client.post("/human_check", json={"answer": wrong}), 403, "not_human", "answer")
    assert client.get("/human_check").data != before


def test_guessing_meets_a_growing_delay_without_sleeping(app):
    client = app.test_client()
    client.get("/human_check")
    started = time.monotonic()
    answers = [client.post("/human_check", json={"answer": -999_999}) for _ in range(12)]
    assert time.monotonic() - started < 3
    refused = [item for item in answers if item.status_code == 429]
    assert refused
    assert int(refused[0].headers["Retry-After"]) >= 1


def test_another_question_may_be_asked_for(app):
    client = app.test_client()
    before = client.get("/human_check").data
    assert client.post("/human_check", json={"another": True}).get_json() == {"human": False}
    assert client.get("/human_check").data != before


def test_wrong_bodies(app):
    client = app.test_client()
    assert_error(client.post("/human_check", json={}), 400, "bad_parameter", "answer")
    assert_error(client.post("/human_check", json={"answer": "__import__('os')"}), 400, "bad_parameter", "answer")
    assert_error(client.post("/human_check", json={"uuid": "x", "answer": 1}), 400, "bad_parameter", "uuid")
