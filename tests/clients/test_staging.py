"""What an earlier process left in the staging folder is gone after a start."""

from __future__ import annotations

from server.clients.staging import clear_staging, staging_folder


def test_leftovers_are_cleared(tmp_path):
    folder = staging_folder(tmp_path / "cache")
    (folder / "upload-1").mkdir()
    (folder / "upload-1" / "half").write_bytes(b"x")
    clear_staging(tmp_path / "cache")
    assert list(staging_folder(tmp_path / "cache").iterdir()) == []


def test_nothing_to_clear(tmp_path):
    clear_staging(tmp_path / "absent")
