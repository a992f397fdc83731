"""What was looked up is kept until rows of its client change, and never in place of what is newer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from server.clients import recent
from server.clients.rasters import RasterStore
from server.clients.recent import Recent
from server.clients.sessions import ClientStore
from server.errors import NoSuchRaster
from tests.clients.conftest import StandingClock


class Counted:
    """Returns how often it was called."""

    def __init__(self) -> None:
        self.n_calls = 0

    def __call__(self) -> int:
        self.n_calls += 1
        return self.n_calls


def test_a_second_look_reads_nothing_until_the_client_changes() -> None:
    kept, read = Recent[int](is_used=True), Counted()
    assert [kept.look_up("a", "x", read), kept.look_up("a", "x", read)] == [1, 1]
    assert [kept.look_up("a", "y", read), kept.look_up("b", "x", read)] == [2, 3]
    kept.forget("a")
    assert [kept.look_up("a", "x", read), kept.look_up("b", "x", read)] == [4, 3]


def test_one_of_several_processes_keeps_nothing() -> None:
    kept, read = Recent[int](is_used=False), Counted()
    assert [kept.look_up("a", "x", read), kept.look_up("a", "x", read)] == [1, 2]


def test_what_was_read_before_a_change_is_not_kept_after_it() -> None:
    kept = Recent[str](is_used=True)

    def read_slowly() -> str:
        kept.forget("a")  # while this reads, somebody changes the rows
        return "old"

    assert kept.look_up("a", "x", read_slowly) == "old"
    assert kept.look_up("a", "x", lambda: "new") == "new"


def test_clients_who_left_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "MAX_CLIENTS", 2)
    kept, read = Recent[int](is_used=True), Counted()
    for client in "abac":
        kept.look_up(client, "x", read)
    assert [kept.look_up("a", "x", read), kept.look_up("b", "x", read)] == [1, 4]


def test_a_program_that_was_deleted_comes_back_without_its_rasters(
    clients: ClientStore, rasters: RasterStore, stage: Callable[[], Path], clock: StandingClock
) -> None:
    program = clients.token_client("secret")
    rasters.add(program, "scene.tif", stage(), ".tif")
    assert rasters.find(program, "scene.tif").name == "scene.tif"
    clients.delete(program.id)
    clock.now += 1
    again = clients.token_client("secret")
    assert again.id == program.id
    with pytest.raises(NoSuchRaster):
        rasters.find(again, "scene.tif")
