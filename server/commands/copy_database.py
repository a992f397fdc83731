"""`copy-database`: everything the SQLite file knows goes into the PostgreSQL database of the settings.

For a service that has outgrown one host: clients, rasters, jobs and annotations stay what they are, and so do the files
of the cache folder.
"""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Table, func, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from server.database import Base, open_database, reading, writing
from server.errors import BadParameter
from server.settings import read_settings

ROWS_AT_ONCE = 500


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "copy-database",
        help='bring a service from its SQLite file into the empty PostgreSQL database that "database" names',
        description=__doc__,
    )
    parser.add_argument("--configuration", type=Path, metavar="FILE", help="settings (default: configuration.json)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Copy all rows, or none.

    Raises:
        BadParameter: the settings name no PostgreSQL database or one that is not empty, there is no SQLite file, or a
            process has it open.
    """
    settings = read_settings(arguments.configuration)
    file = settings.sqlite_file
    if not settings.database:
        raise BadParameter(
            f'The setting "database" is empty. Write the URL of an empty PostgreSQL database there first, such as '
            f'"postgresql+psycopg://user@host/name"; {file} is copied into it.',
            "database",
        )
    _refuse_unless_closed(file)
    import server.app  # noqa: F401 - declares every table

    target = open_database(settings.database)
    source = open_database(file)
    try:
        n_rows = copy_rows(source, target)
    except DBAPIError as error:
        reason = " ".join(str(error.orig).split())
        raise BadParameter(f"The database could not be copied, and nothing was: {reason}", "database") from error
    finally:
        source.dispose()
        target.dispose()
    for table, number in n_rows.items():
        print(f"{table:<24} {number:>9,}")
    print(f"Copied. The service uses PostgreSQL from its next start on; {file} is kept and no longer used.")
    return 0


def copy_rows(source: Engine, target: Engine) -> dict[str, int]:
    """Copy the rows of every table in one transaction; return how many rows each table has.

    Raises:
        BadParameter: the target has rows.
    """
    with reading(source) as old, writing(target) as new:
        tables = Base.metadata.sorted_tables
        _refuse_rows(new, tables)
        return {table.name: _copy_table(old, new, table) for table in tables}


def _copy_table(old: Session, new: Session, table: Table) -> int:
    n_rows = 0
    for rows in old.execute(select(table)).mappings().partitions(ROWS_AT_ONCE):
        new.execute(insert(table), [dict(row) for row in rows])
        n_rows += len(rows)
    if n_rows and table.autoincrement_column is not None:
        _go_on_counting(new, table, table.autoincrement_column)
    return n_rows


def _go_on_counting(new: Session, table: Table, column: Any) -> None:
    """Let PostgreSQL number the next row after the highest number that was copied."""
    highest = select(func.max(column)).scalar_subquery()
    new.execute(select(func.setval(func.pg_get_serial_sequence(table.name, column.name), highest)))


def _refuse_unless_closed(file: Path) -> None:
    if not file.exists():
        raise BadParameter(f'There is no {file} to be copied; check the setting "cache_folder".', "cache_folder")
    try:
        with closing(sqlite3.connect(file, timeout=1.0)) as connection:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            # Fails as long as any other process has the file open, even if it does nothing just now.
            connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        raise BadParameter(
            f"{file} cannot be had alone ({error}): stop the service first, so that nothing changes meanwhile.",
            "cache_folder",
        ) from error


def _refuse_rows(new: Session, tables: Iterable[Table]) -> None:
    for table in tables:
        if new.execute(select(table).limit(1)).first() is not None:
            raise BadParameter(
                f'The database that "database" names is not empty: its table "{table.name}" has rows. '
                "Nothing was copied; make an empty one, for instance with `createdb`.",
                "database",
            )
