"""Several networks at once write what one alone writes."""

from __future__ import annotations

import threading
import time

import pytest

from server.datasets.building.building import DatasetBuilder
from server.datasets.building.data_sheet import Provenance
from server.datasets.building.settings import BuildSettings
from server.datasets.building.workers import run_side_by_side
from server.errors import BadParameter
from tests.datasets.building.conftest import MAKING, BrightNetwork, Interrupted


def test_the_number_of_workers_changes_no_byte(open_scene, tmp_path):
    written = []
    for n_workers in (1, 2, 3):
        root = tmp_path / str(n_workers)
        network, *others = (BrightNetwork() for _ in range(n_workers))
        DatasetBuilder(open_scene(), BuildSettings(), MAKING, root).build(network, Provenance(), others=others)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        written.append({path.relative_to(root): path.read_bytes() for path in files})
    assert written[0] == written[1] == written[2]


@pytest.mark.parametrize("n_networks", [1, 2, 3])
def test_each_network_does_one_thing_at_a_time(n_networks):
    networks = [BrightNetwork() for _ in range(n_networks)]
    locks = {id(network): threading.Lock() for network in networks}
    used, told = [], []

    def work(network):
        assert locks[id(network)].acquire(blocking=False)
        time.sleep(0.005)
        locks[id(network)].release()
        used.append(id(network))

    run_side_by_side([work] * 12, networks, told.append)
    assert told == list(range(13))
    assert len(used) == 12
    assert set(used) == set(locks)


@pytest.mark.parametrize("n_networks", [1, 2])
def test_stopping_begins_nothing_more(n_networks):
    begun = []

    def tell(n_finished):
        if n_finished == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        run_side_by_side([begun.append] * 20, [BrightNetwork() for _ in range(n_networks)], tell)
    assert 2 <= len(begun) <= 4


def test_an_error_in_a_worker_is_raised():
    def fail(_):
        raise BadParameter("The third image is broken.", "images")

    with pytest.raises(BadParameter, match="third image"):
        run_side_by_side([lambda _: None, fail, lambda _: None], [BrightNetwork(), BrightNetwork()], lambda _: None)
