"""Damaged rasters through the whole service, a few of the many that `python -m benchmarks.fuzz` sends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.fuzz import Findings, _follow, fuzz
from benchmarks.fuzz_cases import CHANGES, Corpus


def test_damaged_rasters_meet_no_bug():
    findings = fuzz(range(60), None, seed=7, hang_s=60.0)
    assert findings.problems == []
    assert findings.n_cases == 60
    assert findings.answers["upload 200"] > 3
    assert findings.answers["upload 415"] > 10


def test_cases_follow_from_seed_and_number():
    first, second = Corpus(None), Corpus(None)
    assert [first.make(3, n).content for n in range(30)] == [second.make(3, n).content for n in range(30)]
    assert len({first.make(3, n).content for n in range(30)}) > 25


def test_every_change_is_used():
    corpus = Corpus(None)
    stories = " ".join(corpus.make(0, number).story for number in range(200))
    assert all(change.__name__ in stories for change in CHANGES)


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("import os; os.abort()", "SIGABRT"),
        ("import sys; sys.exit(3)", "status 3"),
        ("import time; time.sleep(60)", "no end"),
    ],
)
def test_crashes_and_hangs_are_found(code, word):
    program = f'print(\'{{"began": 5, "story": "a.tif: flip_bits"}}\', flush=True)\n{code}'
    findings = Findings()
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as worker:
        assert _follow(worker, findings, 5, 0.5) == 6
    assert len(findings.problems) == 1
    assert word in findings.problems[0]
