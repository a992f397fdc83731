"""The state of the machine, also where it cannot be told."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from server.observability.machine import Gpu, GpuReader, Memory, read_disk, read_held_bytes, read_memory


def test_disk_and_memory(tmp_path):
    disk = read_disk(tmp_path)
    assert 0 < disk.used_bytes <= disk.total_bytes
    process, machine = tmp_path / "status", tmp_path / "meminfo"
    process.write_text("Name:\tpython\nVmHWM:\t 300 kB\nVmRSS:\t 200 kB\nThreads:\t3\n")
    machine.write_text("MemTotal: 1000 kB\nMemAvailable: 400 kB\nHugePages_Total: 0\n")
    assert read_memory(process, machine) == Memory(200 * 1024, 300 * 1024, 400 * 1024)
    assert read_memory(tmp_path / "absent") is None


@pytest.fixture
def make_tool(tmp_path, monkeypatch):
    def make(script: str) -> str:
        path = tmp_path / "fake-smi"
        path.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/calls\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        return "fake-smi"

    return make


def test_gpus_are_asked_at_most_every_few_seconds(make_tool, tmp_path):
    now = [0.0]
    lines = "NVIDIA H200, 512, 143771, 7\\nBoard, with comma, 1, 2, 100\\nOld board, [N/A], 2, 3"
    reader = GpuReader(make_tool(f"printf '{lines}\\n'"), clock=lambda: now[0])
    expected = [Gpu("NVIDIA H200", 512 * 2**20, 143771 * 2**20, 0.07), Gpu("Board, with comma", 2**20, 2**21, 1.0)]
    assert reader.read() == expected
    assert reader.read() == expected
    now[0] = 11.0
    assert reader.read() == expected
    assert (tmp_path / "calls").read_text().count("asked") == 2


def test_a_driver_that_does_not_answer_is_no_gpu(make_tool):
    assert GpuReader(make_tool("exit 9")).read() == []
    assert GpuReader("no-such-tool").read() == []


def test_what_a_process_holds_is_known_while_it_is_there():
    assert (read_held_bytes(os.getpid()) or 0) > 2**20
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    assert read_held_bytes(process.pid) is None
