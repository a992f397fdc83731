"""Downloads from a local server: resumed, checked, and honest about what went wrong."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from server.errors import BadParameter, CheckpointMissing
from server.segmentation.networks import checkpoints
from server.segmentation.networks.checkpoints import Source
from server.segmentation.networks.fetch import fetch_checkpoint, fetch_file

CONTENT = bytes(range(256)) * 12_000  # 3 MB: several chunks


@dataclass
class Server:
    """What the local server does and what it was asked."""

    url: str = ""
    ranges: list[str | None] = field(default_factory=list)
    can_resume: bool = True
    breaks_after: int | None = None
    status: int = 200


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            state.ranges.append(wanted)
            if state.status != 200:
                self.send_error(state.status)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.can_resume else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            self.wfile.write(CONTENT[start : state.breaks_after])

        def log_message(self, *_: object) -> None: ...

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{httpd.server_address[1]}/weights.pth"
    yield state
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def source(server: Server) -> Source:
    return Source(
        file="weights.pth",
        kind="vit_b",
        parameters=None,
        input_size=1024,
        licence="Apache-2.0",
        note="",
        url=server.url,
        size_bytes=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )


def ignore(_done: int, _total: int | None) -> None: ...


def test_a_download_is_complete_and_tells_its_progress(source: Source, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    fetch_file(source, tmp_path / "weights.pth", lambda done, total: told.append((done, total)))
    assert (tmp_path / "weights.pth").read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert len(told) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth"]


def test_a_broken_download_is_resumed(source: Source, server: Server, tmp_path: Path) -> None:
    server.breaks_after = 1_500_000
    with pytest.raises(CheckpointMissing, match="broke off at 1500000 of 3072000"):
        fetch_file(source, tmp_path / "weights.pth", ignore)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth.part"]
    server.breaks_after = None
    told: list[int] = []
    fetch_file(source, tmp_path / "weights.pth", lambda done, _: told.append(done))
    assert server.ranges == [None, "bytes=1500000-"]
    assert told[0] > 1_500_000
    assert (tmp_path / "weights.pth").read_bytes() == CONTENT


def test_a_server_that_cannot_resume_sends_everything_again(source: Source, server: Server, tmp_path: Path) -> None:
    server.can_resume = False
    (tmp_path / "weights.pth.part").write_bytes(CONTENT[:1000])
    fetch_file(source, tmp_path / "weights.pth", ignore)
    assert (tmp_path / "weights.pth").read_bytes() == CONTENT


def test_a_wrong_digest_is_refused_and_removed(source: Source, tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissing, match="SHA-256"):
        fetch_file(replace(source, sha256="0" * 64), tmp_path / "weights.pth", ignore)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_part_does_not_survive(source: Source, server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.part").write_bytes(b"\0" * 5000)
    with pytest.raises(CheckpointMissing, match="SHA-256"):
        fetch_file(source, tmp_path / "weights.pth", ignore)
    fetch_file(source, tmp_path / "weights.pth", ignore)
    assert (tmp_path / "weights.pth").read_bytes() == CONTENT


def test_a_complete_part_is_not_asked_for_again(source: Source, server: Server, tmp_path: Path) -> None:
    (tmp_path / "weights.pth.part").write_bytes(CONTENT)
    fetch_file(source, tmp_path / "weights.pth", ignore)
    assert server.ranges == []


def test_offline_is_one_sentence(source: Source, tmp_path: Path) -> None:
    with pytest.raises(CheckpointMissing, match="no connection") as error:
        fetch_file(replace(source, url="http://127.0.0.1:9/weights.pth"), tmp_path / "weights.pth", ignore)
    assert "\n" not in error.value.message
    assert "by hand" in error.value.message


def test_a_refusal_names_the_status(source: Source, server: Server, tmp_path: Path) -> None:
    server.status = 403
    with pytest.raises(CheckpointMissing, match="403 Forbidden"):
        fetch_file(source, tmp_path / "weights.pth", ignore)


@pytest.mark.parametrize("name", ["embedded", "vit_x", "../vit_b"])
def test_only_official_checkpoints_can_be_fetched(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="vit_b, vit_l, vit_h"):
        fetch_checkpoint(name, tmp_path, ignore)


def test_a_checkpoint_is_stored_under_its_official_name(
    source: Source, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    official = checkpoints.read_sources()["vit_b"]
    listed = {"vit_b": replace(source, file=official.file)}
    monkeypatch.setattr("server.segmentation.networks.fetch.read_sources", lambda: listed)
    for _ in range(2):  # the second time there is nothing to do
        path = fetch_checkpoint("vit_b", tmp_path / "new" / "folder", ignore)
        assert path.name == "sam_vit_b_01ec64.pth"
        assert path.read_bytes() == CONTENT
    assert len(server.ranges) == 1
