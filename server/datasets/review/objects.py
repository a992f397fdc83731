"""Keeps, in one small database beside a dataset, every object that was asked for and what people decided about it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from server.datasets.building.annotations import Annotation
from server.datasets.building.layout import drafting
from server.datasets.building.records import ImageRecord
from server.errors import NoSuchDataset, WrongMoment

State = Literal["open", "accepted", "rejected"]
STATES: tuple[State, ...] = get_args(State)
BUSY_TIMEOUT_S = 30.0
# `gate` says why the gate rejected a mask; `revision` grows with every decision in the dataset.
TABLES = """
CREATE TABLE objects (
    number INTEGER PRIMARY KEY, image TEXT NOT NULL, instance INTEGER NOT NULL, class TEXT NOT NULL,
    score REAL NOT NULL, gate TEXT, state TEXT NOT NULL DEFAULT 'open', correction TEXT, points TEXT,
    revision INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX by_score ON objects (state, score);
CREATE INDEX by_image ON objects (image);
CREATE INDEX by_revision ON objects (revision);
"""
ORDERS = {"score": "score, number", "place": "number"}


@dataclass(frozen=True)
class ReviewObject:
    """One object and what was decided about it.

    Attributes:
        number: in the whole dataset, from 1.
        image: name of the image.
        instance_id: in the image.
        class_name: of the box.
        score: predicted IoU of the mask that was built, 0..1.
        gate: why the gate rejected that mask; None where it passed.
        state: what people decided.
        correction: what of the annotation is another since somebody clicked; None where nobody did.
        points: x, y and 1 or 0 of these clicks, in pixels of the image.
        revision: of the last decision, 0 where there was none.
    """

    number: int
    image: str
    instance_id: int
    class_name: str
    score: float
    gate: str | None
    state: State
    correction: Annotation | None
    points: list[list[float]]
    revision: int

    @property
    def is_in(self) -> bool:
        """Tell whether the object belongs to the dataset as it stands."""
        return self.state == "accepted" or (self.state == "open" and self.gate is None)

    @property
    def changes_maps(self) -> bool:
        """Tell whether the maps of its image differ from those that were built."""
        return self.correction is not None or self.is_in != (self.gate is None)


@dataclass(frozen=True)
class Choice:
    """Which objects are listed.

    Attributes:
        state: None for all.
        passed: only those that passed the gate; False for those that it rejected.
        class_name: None for all.
        order: "score", lowest first, or "place": image by image.
        offset: number of objects to skip.
        limit: number of objects, at most.
    """

    state: State | None = None
    passed: bool = True
    class_name: str | None = None
    order: Literal["score", "place"] = "score"
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True)
class Progress:
    """How far a review is.

    Attributes:
        states: number of objects by state, of those that passed the gate.
        gated: number of objects that the gate rejected and nobody has taken in yet.
        corrected: number of objects with a mask from clicks.
        classes: number of objects that passed the gate, by class.
        mean_score: mean predicted IoU of these; None where there is none.
    """

    states: dict[str, int]
    gated: int
    corrected: int
    classes: dict[str, int]
    mean_score: float | None

    def to_json(self) -> dict[str, Any]:
        """Return what clients are told."""
        return {**self.states, "gated": self.gated, "corrected": self.corrected, "classes": self.classes}


class ReviewObjects:
    """The objects of one dataset; every call is one transaction, so threads may share it."""

    def __init__(self, path: Path) -> None:
        """Take the database's file."""
        self._path = path

    @classmethod
    def create(cls, path: Path, records: Iterable[ImageRecord]) -> ReviewObjects:
        """Write the database anew from the records of all images, whole or not at all."""
        with drafting(path) as draft, closing(sqlite3.connect(draft)) as connection:
            connection.executescript(TABLES)
            row = "INSERT INTO objects (image, instance, class, score, gate) VALUES (?, ?, ?, ?, ?)"
            connection.executemany(row, _list_rows(records))
            connection.commit()
        return cls(path)

    def page(self, choice: Choice) -> tuple[int, list[ReviewObject]]:
        """Return how many objects there are of a kind, and a page of them."""
        wheres, values = ["gate IS NULL" if choice.passed else "gate IS NOT NULL"], []
        for column, value in (("state", choice.state), ("class", choice.class_name)):
            if value is not None:
                wheres.append(f"{column} = ?")
                values.append(value)
        where = " AND ".join(wheres)
        with self._connect() as connection:
            total = connection.execute(f"SELECT count(*) FROM objects WHERE {where}", values).fetchone()[0]  # noqa: S608
            query = f"SELECT * FROM objects WHERE {where} ORDER BY {ORDERS[choice.order]} LIMIT ? OFFSET ?"  # noqa: S608
            rows = connection.execute(query, [*values, choice.limit, choice.offset])
            return total, [_read_row(row) for row in rows]

    def get(self, number: int) -> ReviewObject:
        """Return one object.

        Raises:
            NoSuchDataset: there is none of this number.
        """
        with self._connect() as connection:
            return _require(connection, number)

    def decide(self, number: int, state: State) -> ReviewObject:
        """Note a decision; "open" takes it back, with the correction if there is one.

        Raises:
            NoSuchDataset: there is no object of this number.
            WrongMoment: an object without a mask is to be accepted.
        """
        with self._connect() as connection:
            found = _require(connection, number)
            if state == "accepted" and found.gate == "no_mask" and found.correction is None:
                raise WrongMoment(
                    f"Object {number} has no mask that could be accepted. Click on it first, or leave it.", "state"
                )
            undo = ", correction = NULL, points = NULL" if state == "open" else ""
            _change(connection, number, f"state = ?{undo}", [state])
            return _require(connection, number)

    def correct(self, number: int, correction: Annotation, points: Sequence[Sequence[float]]) -> ReviewObject:
        """Replace the mask of an object, and accept it.

        Args:
            number: of the object.
            correction: what of its annotation is another.
            points: clicks that the mask comes from.

        Raises:
            NoSuchDataset: there is no object of this number.
        """
        with self._connect() as connection:
            _require(connection, number)
            values = [json.dumps(correction), json.dumps(points)]
            _change(connection, number, "state = 'accepted', correction = ?, points = ?", values)
            return _require(connection, number)

    def measure(self) -> Progress:
        """Count decisions."""
        with self._connect() as connection:
            ask = connection.execute
            states = dict(ask("SELECT state, count(*) FROM objects WHERE gate IS NULL GROUP BY state").fetchall())
            waiting = "SELECT count(*) FROM objects WHERE gate IS NOT NULL AND state != 'accepted'"
            classes = "SELECT class, count(*) FROM objects WHERE gate IS NULL GROUP BY class ORDER BY class"
            return Progress(
                states={state: states.get(state, 0) for state in STATES},
                gated=ask(waiting).fetchone()[0],
                corrected=ask("SELECT count(*) FROM objects WHERE correction IS NOT NULL").fetchone()[0],
                classes=dict(ask(classes).fetchall()),
                mean_score=ask("SELECT avg(score) FROM objects WHERE gate IS NULL").fetchone()[0],
            )

    def list_changed(self, since: int = 0) -> tuple[int, list[str]]:
        """Return the latest revision, and the images of which something was decided after revision `since`."""
        with self._connect() as connection:
            latest = connection.execute("SELECT max(revision) FROM objects").fetchone()[0] or 0
            query = "SELECT DISTINCT image FROM objects WHERE revision > ? ORDER BY image"
            return latest, [row["image"] for row in connection.execute(query, [since])]

    def list_of(self, image: str) -> list[ReviewObject]:
        """Return all objects of an image, in the order of their ids."""
        with self._connect() as connection:
            rows = connection.execute("SELECT * FROM objects WHERE image = ? ORDER BY instance", [image])
            return [_read_row(row) for row in rows]

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that holds the write lock from its first change and commits unless an error leaves it."""
        with closing(sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S)) as connection, connection:
            connection.row_factory = sqlite3.Row
            yield connection


def _list_rows(records: Iterable[ImageRecord]) -> Iterator[tuple[Any, ...]]:
    for record in records:
        for found in record.annotations:
            yield record.name, found["instance_id"], found["class"], found["score"], found.get("rejected")


def _require(connection: sqlite3.Connection, number: int) -> ReviewObject:
    row = connection.execute("SELECT * FROM objects WHERE number = ?", [number]).fetchone()
    if row is None:
        raise NoSuchDataset(f"The dataset has no object {number}. See its list of objects for their numbers.", "number")
    return _read_row(row)


def _change(connection: sqlite3.Connection, number: int, assignments: str, values: Sequence[Any]) -> None:
    revision = "revision = (SELECT max(revision) FROM objects) + 1"
    connection.execute(f"UPDATE objects SET {assignments}, {revision} WHERE number = ?", [*values, number])  # noqa: S608


def _read_row(row: sqlite3.Row) -> ReviewObject:
    return ReviewObject(
        number=row["number"],
        image=row["image"],
        instance_id=row["instance"],
        class_name=row["class"],
        score=row["score"],
        gate=row["gate"],
        state=row["state"],
        correction=json.loads(row["correction"]) if row["correction"] else None,
        points=json.loads(row["points"]) if row["points"] else [],
        revision=row["revision"],
    )
