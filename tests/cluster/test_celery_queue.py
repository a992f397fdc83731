"""A process that serves knows its jobs from the database, tells workers of new ones, and needs no broker for that."""

from __future__ import annotations

import threading
import time

import pytest

from server.cluster.messages import Messenger, make_celery
from server.cluster.queue import CeleryQueue
from server.jobs.limits import QueueLimits
from tests.outside_servers import find_free_port, run_redis


@pytest.fixture
def queue(cluster):
    return CeleryQueue(cluster.engine, {}, cluster.messenger, QueueLimits(3, 1000))


def submit(queue: CeleryQueue, raster: str = "a.tif"):
    return queue.submit("work", client="anna", raster=raster, request={})


def test_workers_are_told_of_new_and_retried_jobs(queue, cluster):
    record = submit(queue)
    queue.cancel("anna", record.job)
    queue.retry("anna", record.job)
    assert cluster.messenger.sent == [("job",), ("job",)]


def test_somebody_who_waits_sees_the_end(queue, cluster):
    record = submit(queue)
    assert queue.wait(record.job, 0.01).state == "queued"
    worker = cluster.make_worker("one")
    thread = threading.Thread(target=worker.work)
    thread.start()
    assert queue.wait(record.job, 5).state == "done"
    thread.join()
    with pytest.raises(KeyError):
        queue.wait("absent", 1)


def test_a_stop_wakes_who_waits(queue):
    record = submit(queue)
    waiting = threading.Thread(target=lambda: queue.wait(record.job, 60))
    waiting.start()
    queue.stop(1)
    waiting.join(5)
    assert not waiting.is_alive()
    assert queue.is_stopping
    queue.start()
    assert not queue.is_stopping


def test_all_jobs_of_a_raster_are_cancelled_and_waited_for(queue, cluster):
    held = threading.Event()
    worker = cluster.make_worker("one", held=held)
    running, waiting, other = submit(queue), submit(queue), submit(queue, "b.tif")
    working = threading.Thread(target=worker.work)
    working.start()
    assert cluster.tasks["one"].running.wait(5)
    stopper = threading.Thread(target=lambda: queue.cancel_all("anna", "a.tif"))
    stopper.start()
    while not cluster.table.is_told_to_stop(running.job):
        time.sleep(0.005)
    worker.watch(0.0)
    stopper.join(5)
    working.join(5)
    states = [queue.find("anna", item.job).state for item in (running, waiting, other)]
    assert states == ["cancelled", "cancelled", "queued"]


def test_a_broker_that_is_away_delays_nobody(cluster, caplog):
    celery = make_celery(f"redis://127.0.0.1:{find_free_port()}/0")
    queue = CeleryQueue(cluster.engine, {}, Messenger(celery))
    started = time.monotonic()
    for _ in range(3):
        assert submit(queue).state == "queued"
    assert time.monotonic() - started < 5
    assert [record.getMessage().count("broker") for record in caplog.records] == [1]


def test_messages_cover_all_windows_and_go_on_after_a_restart(cluster, tmp_path):
    now = [0.0]
    with run_redis(tmp_path) as redis:
        celery = make_celery(redis.url)
        messenger = Messenger(celery, clock=lambda: now[0])
        messenger.tell_of_windows("job", 1000)
        ranges = [(first, end) for _, first, end in read_messages(celery)]
        assert [end for _, end in ranges[:-1]] == [first for first, _ in ranges[1:]]
        assert (ranges[0][0], ranges[-1][1], len(ranges)) == (0, 1000, 63)
        redis.stop()
        messenger.tell_of_job()
        redis.start()
        messenger.tell_of_job()  # still silent
        assert read_messages(celery) == []
        now[0] = 10.0
        messenger.tell_of_job()
        assert read_messages(celery) == [[]]
        celery.close()


def test_messages_are_json_alone():
    assert make_celery("redis://host/0").conf.accept_content == ["json"]


def read_messages(celery) -> list[list]:
    """Return the arguments of all messages that wait, oldest first."""
    found = []
    with celery.connection_for_read() as connection, connection.SimpleQueue(celery.conf.task_default_queue) as waiting:
        while True:
            try:
                message = waiting.get(block=False)
            except waiting.Empty:
                return found
            found.append(message.payload[0])
            message.ack()
