"""The numbers `/metrics` tells, in a registry of their own so that every application counts for itself."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from server.observability.hits import Hits
from server.observability.machine import GpuReader, read_disk, read_held_bytes, read_memory

PREFIX = "segment_anything_rs"
# Names the folder where processes of one host count together; the library looks for it when it is imported.
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
REQUEST_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
JOB_BUCKETS_S = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0)
# The operator page's quantiles are of the latest requests, which is what "how is it now" means.
N_RECENT = 2000


@dataclass(frozen=True)
class Sources:
    """Where figures come from that others keep; asked whenever somebody reads the metrics.

    Attributes:
        cache_folder: on the disk to be watched.
        job_states: state -> number of jobs.
        caches: name -> hits.
        job_process_id: of the process beside this one that works on jobs; None where there is none.
    """

    cache_folder: Path
    job_states: Callable[[], Mapping[str, int]]
    caches: Callable[[], Mapping[str, Hits]]
    job_process_id: Callable[[], int | None] = lambda: None

    def read_job_process_bytes(self) -> int | None:
        """Return the main memory that process holds, None where there is none."""
        process_id = self.job_process_id()
        return None if process_id is None else read_held_bytes(process_id)


class Measures:
    """Counts requests and jobs; safe to share by threads."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.gpus = GpuReader()
        self.registry = CollectorRegistry()
        self._requests = Counter(
            f"{PREFIX}_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self._request_seconds = Histogram(
            f"{PREFIX}_request_seconds",
            "Seconds from a request's arrival in the application to its answer's first byte.",
            ("route",),
            buckets=REQUEST_BUCKETS_S,
            registry=self.registry,
        )
        self._job_seconds = Histogram(
            f"{PREFIX}_job_seconds",
            "Seconds one attempt at a job took.",
            ("kind", "outcome"),
            buckets=JOB_BUCKETS_S,
            registry=self.registry,
        )
        self._recent: deque[float] = deque(maxlen=N_RECENT)
        self._recent_lock = Lock()
        self.registry.register(StateCollector(self))

    def note_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request.

        Args:
            route: the rule, such as `/jobs/<job>`, never the path: paths are without number.
            method: of HTTP.
            status: of the answer.
            seconds: it took.
        """
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)
        with self._recent_lock:
            self._recent.append(seconds)

    def recent_quantile_s(self, share: float) -> float | None:
        """Return the seconds that `share` (0 to 1) of the latest requests stayed within, None before the first."""
        with self._recent_lock:
            ordered = sorted(self._recent)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None

    def note_job(self, kind: str, outcome: str, seconds: float) -> None:
        """Count an attempt at a job.

        Args:
            kind: of job.
            outcome: "done", or the name of the exception that ended it.
            seconds: it took.
        """
        self._job_seconds.labels(kind, outcome).observe(seconds)

    def to_text(self) -> bytes:
        """Return all figures in Prometheus' text format, version 0.0.4; counts are those of all processes of a host."""
        if SHARED_FOLDER not in os.environ:
            return bytes(generate_latest(self.registry))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        registry.register(StateCollector(self))
        return bytes(generate_latest(registry))


class StateCollector:
    """Asks for what has a state instead of a history, each time the metrics are read."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering asks no source yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield jobs by state, disk, memory, caches and GPUs."""
        sources = self._measures.sources
        yield _gauge("jobs", "Jobs on record by state.", "state", sources.job_states())
        disk = read_disk(sources.cache_folder)
        amounts = {"used": disk.used_bytes, "free": disk.free_bytes, "total": disk.total_bytes}
        yield _gauge("disk_bytes", "The disk of the cache folder.", "kind", amounts)
        memory = read_memory()
        if memory is not None:
            amounts = {"process": memory.process_bytes, "process_peak": memory.peak_bytes,
                       "machine_available": memory.available_bytes}  # fmt: skip
            job_process_bytes = sources.read_job_process_bytes()
            if job_process_bytes is not None:
                amounts["job_process"] = job_process_bytes
            yield _gauge("memory_bytes", "Main memory.", "kind", amounts)
        caches = sources.caches()
        yield _gauge("cache_hits", "Lookups a cache could answer.", "cache", {k: v.hits for k, v in caches.items()})
        yield _gauge("cache_lookups", "Lookups of a cache.", "cache", {k: v.lookups for k, v in caches.items()})
        gpus = self._measures.gpus.read()
        yield _gauge("gpu_used_bytes", "Used memory of a GPU.", "gpu", _by_number([gpu.used_bytes for gpu in gpus]))
        yield _gauge("gpu_total_bytes", "Memory of a GPU.", "gpu", _by_number([gpu.total_bytes for gpu in gpus]))
        yield _gauge("gpu_busy_share", "Busy share of a GPU.", "gpu", _by_number([gpu.busy_share for gpu in gpus]))


def _gauge(name: str, about: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", about, labels=(label,))
    for value_of_label, value in values.items():
        family.add_metric((value_of_label,), value)
    return family


def _by_number(values: list[int] | list[float]) -> dict[str, float]:
    return {str(number): value for number, value in enumerate(values)}
