"""Keeps what was just looked up, because a page asks for dozens of tiles at once and each asks who and of what."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")
MAX_CLIENTS = 1000


class Recent(Generic[Value]):
    """What was looked up for each client since its rows last changed.

    Safe for threads, but it knows only this process: where others write to the same database, it must not be used.
    """

    def __init__(self, *, is_used: bool, tell_change: Callable[[str], None] | None = None) -> None:
        """Keep nothing unless `is_used`; `tell_change` is called after every change with the id of the client."""
        self._is_used = is_used
        self._tell_change = tell_change
        self._clients: OrderedDict[str, dict[Hashable, Value]] = OrderedDict()
        self._n_changes = 0
        self._lock = Lock()

    def look_up(self, client_id: str, what: Hashable, read: Callable[[], Value]) -> Value:
        """Return what is kept, or what `read` returns; what it raises is raised."""
        with self._lock:
            known = self._clients.get(client_id)
            if known is not None and what in known:
                self._clients.move_to_end(client_id)
                return known[what]
            n_changes = self._n_changes
        value = read()
        with self._lock:
            # What was read while rows changed may be from before the change.
            if self._is_used and n_changes == self._n_changes:
                self._clients.setdefault(client_id, {})[what] = value
                if len(self._clients) > MAX_CLIENTS:
                    self._clients.popitem(last=False)
        return value

    def forget(self, client_id: str) -> None:
        """Drop what is kept for a client; call it after every change of its rows."""
        with self._lock:
            self._n_changes += 1
            self._clients.pop(client_id, None)
        if self._tell_change is not None:
            self._tell_change(client_id)
