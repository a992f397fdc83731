"""The human check: one-time arithmetic questions, and delays for guessing that are noted, never slept."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Engine, ForeignKey
from sqlalchemy.orm import Mapped, Session, mapped_column

from server.clients.question_picture import draw_question
from server.clients.sessions import ClientRow
from server.database import Base, reading, writing
from server.errors import NotHuman, TooFrequent

# Two slips are free; whoever guesses on meets 1, 2, 4, 8 … seconds.
N_FREE_FAILURES = 2
MAX_DELAY_S = 60.0
N_FREE_CHANGES = 3
LARGEST_NUMBER = 40


class HumanCheckRow(Base):
    """The question a client has to answer, and how long it must wait; times are seconds since 1970."""

    __tablename__ = "human_checks"

    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True)
    question: Mapped[str]
    expected: Mapped[int]
    noise_seed: Mapped[int]
    n_failures: Mapped[int] = mapped_column(default=0)
    n_changes: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[float] = mapped_column(default=0.0)


@dataclass(frozen=True)
class Question:
    """What is asked, the right answer, and what makes its picture its own."""

    text: str
    expected: int
    noise_seed: int


class HumanCheck:
    """Asks and judges; each question is judged once."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def question_png(self, client_id: str) -> bytes:
        """Draw the client's current question, made if there is none."""
        with reading(self._engine) as session:
            row = session.get(HumanCheckRow, client_id)
            shown = None if row is None else (row.question, row.noise_seed)
        if shown is None:
            with writing(self._engine) as session:
                row = _find_or_make(session, client_id)
                shown = (row.question, row.noise_seed)
        return draw_question(*shown)

    def new_question(self, client_id: str) -> None:
        """Ask another question; the first few are free, then each counts like a wrong answer.

        Raises:
            TooFrequent: the delay has not passed.
        """
        with writing(self._engine) as session:
            row = _find_or_make(session, client_id)
            if row.n_changes >= N_FREE_CHANGES:
                self._refuse_if_early(row)
                self._count_failure(row)
            row.n_changes += 1
            _ask(row, make_question(row.question))

    def answer(self, client_id: str, value: int) -> bool:
        """Judge an answer to the current question, which is then gone.

        Args:
            client_id: who answers.
            value: the answer.

        Returns:
            Whether it is right. If not, another question is set and the delay grows.

        Raises:
            TooFrequent: the delay has not passed.
        """
        with reading(self._engine) as session:
            row = session.get(HumanCheckRow, client_id)
            asked = None if row is None else row.noise_seed
        with writing(self._engine) as session:
            row = _find_or_make(session, client_id)
            self._refuse_if_early(row)
            if asked is not None and row.noise_seed != asked:
                return False  # an answer that came at the same time has just been judged; this question is a new one
            if asked is not None and row.expected == value:
                session.delete(row)
                return True
            self._count_failure(row)
            _ask(row, make_question(row.question))
            return False

    def _refuse_if_early(self, row: HumanCheckRow) -> None:
        remaining = row.not_before - self._clock()
        if remaining > 0:
            seconds = math.ceil(remaining)
            raise TooFrequent(f"Too many answers were wrong. Please wait {seconds} s and try again.", float(seconds))

    def _count_failure(self, row: HumanCheckRow) -> None:
        row.n_failures += 1
        row.not_before = self._clock() + delay_s(row.n_failures)


def delay_s(n_failures: int) -> float:
    """Return how long a client waits after its nth failure: 0, 0, 1, 2, 4, 8 … up to a minute."""
    if n_failures <= N_FREE_FAILURES:
        return 0.0
    # The exponent is bounded so that years of guessing do not overflow.
    return min(2.0 ** min(n_failures - N_FREE_FAILURES - 1, 10), MAX_DELAY_S)


def make_question(previous: str = "") -> Question:
    """Return a random sum or difference that differs from `previous`; differences are never negative."""
    while True:
        numbers = sorted(secrets.randbelow(LARGEST_NUMBER) + 1 for _ in range(2))
        if secrets.randbelow(2):
            text, expected = f"{numbers[1]} - {numbers[0]} = ?", numbers[1] - numbers[0]
        else:
            text, expected = f"{numbers[0]} + {numbers[1]} = ?", numbers[0] + numbers[1]
        if text != previous:
            return Question(text, expected, secrets.randbits(48))


def _find_or_make(session: Session, client_id: str) -> HumanCheckRow:
    row = session.get(HumanCheckRow, client_id)
    if row is None:
        if session.get(ClientRow, client_id) is None:
            raise NotHuman("This client is not known here any more. Open the start page again.")
        row = HumanCheckRow(client_id=client_id, n_failures=0, n_changes=0, not_before=0.0)
        _ask(row, make_question())
        session.add(row)
    return row


def _ask(row: HumanCheckRow, question: Question) -> None:
    row.question, row.expected, row.noise_seed = question.text, question.expected, question.noise_seed
