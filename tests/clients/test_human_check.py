"""Questions are one-time, delays grow and are never slept, and of two answers at once one is judged."""

from __future__ import annotations

import io
import re
import threading
import time

import pytest
from PIL import Image
from sqlalchemy import text

from server.clients.human_check import HumanCheck, HumanCheckRow, delay_s, make_question
from server.database import reading
from server.errors import NotHuman, TooFrequent


@pytest.fixture
def check(engine, clock):
    return HumanCheck(engine, clock=clock)


@pytest.fixture
def expected(engine, client):
    """Return a reader of the answer the current question expects."""

    def read() -> int:
        with engine.connect() as connection:
            return connection.execute(text("SELECT expected FROM human_checks")).scalar_one()

    return read


def test_questions_say_what_they_expect():
    for _ in range(300):
        question = make_question()
        left, sign, right = re.fullmatch(r"(\d+) ([+-]) (\d+) = \?", question.text).groups()
        assert question.expected == (int(left) + int(right) if sign == "+" else int(left) - int(right))
        assert 0 <= question.expected <= 80
        assert make_question(question.text).text != question.text


def test_the_picture_stays_until_the_question_changes(check, client):
    first = check.question_png(client.id)
    assert Image.open(io.BytesIO(first)).size == (240, 80)
    assert check.question_png(client.id) == first
    check.new_question(client.id)
    assert check.question_png(client.id) != first


def test_a_right_answer_counts_once(check, client, expected):
    check.question_png(client.id)
    value = expected()
    assert check.answer(client.id, value)
    assert not check.answer(client.id, value)


def test_delays_double_up_to_a_minute():
    assert [delay_s(n) for n in range(1, 11)] == [0, 0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert delay_s(100_000) == 60


def test_guessing_is_refused_until_the_time_has_come(check, client, clock, expected):
    check.question_png(client.id)
    started = time.monotonic()
    for wait_s in (0, 0, 1, 2, 4, 8):
        assert not check.answer(client.id, -1)
        if wait_s:
            clock.now += wait_s - 0.5
            with pytest.raises(TooFrequent) as refused:
                check.answer(client.id, expected())
            assert refused.value.retry_after_s == 1
            clock.now += 0.5
    assert time.monotonic() - started < 2
    assert check.answer(client.id, expected())


def test_changing_the_question_is_free_a_few_times(check, client, clock):
    for _ in range(3 + 3):
        check.new_question(client.id)
    with pytest.raises(TooFrequent):
        check.new_question(client.id)
    clock.now += 1
    check.new_question(client.id)


def test_delays_survive_a_restart(check, client, engine, clock):
    for _ in range(3):
        check.answer(client.id, -1)
    with pytest.raises(TooFrequent):
        HumanCheck(engine, clock=clock).answer(client.id, -1)


def test_of_answers_at_once_only_one_is_judged(check, client, engine, monkeypatch):
    """All read the question before any writes: the rest must not be judged against a question nobody saw."""
    check.question_png(client.id)
    meeting = threading.Barrier(6)
    original = reading

    def read_then_meet(engine):
        manager = original(engine)

        class Met:
            def __enter__(self):
                return manager.__enter__()

            def __exit__(self, *args):
                manager.__exit__(*args)
                meeting.wait(10)

        return Met()

    monkeypatch.setattr("server.clients.human_check.reading", read_then_meet)
    results = []
    threads = [threading.Thread(target=lambda: results.append(check.answer(client.id, -1))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [False] * 6
    with original(engine) as session:
        assert session.get_one(HumanCheckRow, client.id).n_failures == 1


def test_an_unknown_client_is_sent_back(check):
    with pytest.raises(NotHuman):
        check.question_png("0" * 32)
