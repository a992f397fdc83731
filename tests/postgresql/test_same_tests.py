"""Tests of stores and queue once more, with PostgreSQL under them; on SQLite they run where they are written."""

# ruff: noqa: F401 - pytest finds what is imported
from __future__ import annotations

from pathlib import Path

import pytest

from tests.annotations.conftest import add_raster, client, clients, raster_id, rasters, store
from tests.annotations.test_classes import (
    test_leaving_a_class_out_makes_its_objects_classless,
    test_renaming_a_class_takes_its_objects_along,
)
from tests.annotations.test_history import test_undo_then_redo_changes_nothing
from tests.annotations.test_limits import (
    test_one_edit_may_name_more_objects_than_a_statement_takes_parameters,
    test_readers_away_for_too_many_removals_start_anew,
)
from tests.annotations.test_store import (
    test_a_layer_goes_with_its_raster,
    test_objects_come_back_exactly_as_they_were_put_in,
    test_readers_learn_what_changed_since_they_looked,
)
from tests.jobs.conftest import make_queue, submit, task
from tests.jobs.test_claims import (
    insert,
    live,
    test_cancelling_depends_on_the_worker,
    test_clients_take_turns_whoever_works,
    test_the_job_of_a_dead_worker_goes_to_another,
    test_there_is_only_help_for_jobs_that_run_and_offer_it,
    test_two_workers_never_take_the_same_window,
    test_windows_of_a_dead_worker_are_free,
    test_workers_are_known_until_they_leave,
)
from tests.jobs.test_lasting import (
    keeping,
    queue,
    test_quick_jobs_come_before_the_whole_rasters_of_their_client,
    test_the_log_tells_stages_and_is_bounded,
)
from tests.jobs.test_queue import (
    test_a_running_job_stops_at_its_next_report,
    test_clients_take_turns,
    test_old_records_are_dropped,
    test_several_workers_share_the_jobs,
)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path
