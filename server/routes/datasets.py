"""Datasets from boxes: send an archive, follow the job, look at the counts, take the result home."""

from __future__ import annotations

import re
from pathlib import Path

from flask import Blueprint, Response, jsonify, request

from server.clients.datasets import DatasetEntry
from server.datasets.archives.packing import stream_zip
from server.datasets.archives.places import DatasetPlaces
from server.datasets.archives.unpacking import ArchiveLimits, look_into
from server.datasets.building.settings import check_settings
from server.datasets.review.reviewing import Review
from server.errors import BadParameter, NoSuchJob, WrongMoment
from server.jobs.dataset_options import DatasetOptions, read_settings
from server.jobs.records import DONE, FAILED, JobRecord
from server.routes.bodies import read_form
from server.routes.datasets_bodies import DatasetForm
from server.routes.documentation import Operation, documented
from server.routes.guards import current_client
from server.routes.segment_request import choose_checkpoint
from server.routes.services import services
from server.routes.uploads import staged_files

blueprint = Blueprint("datasets", __name__)
QUEUED = {202: ("Queued; follow `Location`.", "application/json")}
LISTED = {200: ("The client's datasets, latest first.", "application/json")}
DESCRIBED = {200: ("State, options, counts and how far the review is.", "application/json")}
DELETED = {200: ("The dataset and all its files are gone.", "application/json")}
SENT = {200: ("The finished dataset, decisions applied.", "application/zip")}
SHOWN = {200: ("A page for a new tab.", "text/html")}
# The names in it are a stranger's. The page itself asks for less: its own style and pictures inside of it.
REPORT_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox"
)
# A running job stops within two seconds of work.
STOP_WAIT_S = 10.0


@blueprint.post("/datasets")
@documented(Operation(QUEUED, upload="file", form=DatasetForm))
def make_dataset() -> Response:
    """Take in a zip archive of images and labels, and build a segmentation dataset of it."""
    with services().rasters.reserve(current_client(), request.content_length or 0):
        staged = staged_files()
        if len(staged) > 1:
            raise BadParameter(f"{len(staged)} files arrived; expected one zip archive in the field `file`.", "file")
        options = _make_options(read_form(DatasetForm), Path(staged[0].name).stem)
        limits = services().upload_limits
        look_into(staged[0].path, ArchiveLimits(limits.max_upload_bytes, limits.max_pixels))
        entry = services().datasets.add(current_client(), staged[0].name, staged[0].path, dict(options))
    job = _submit(entry)
    response = jsonify(_describe(find_dataset(entry.id)))
    response.status_code = 202
    response.headers["Location"] = f"/jobs/{job}"
    return response


@blueprint.get("/datasets")
@documented(Operation(LISTED))
def list_datasets() -> Response:
    """List the client's datasets."""
    response = jsonify(datasets=[_describe(entry) for entry in services().datasets.list(current_client())])
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/datasets/<dataset>")
@documented(Operation(DESCRIBED))
def show_dataset(dataset: str) -> Response:
    """Describe a dataset."""
    entry = find_dataset(dataset)
    told = _describe(entry)
    if entry.summary is not None:
        told["review"] = find_review(entry).objects.measure().to_json()
    response = jsonify(told)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.delete("/datasets/<dataset>")
@documented(Operation(DELETED))
def delete_dataset(dataset: str) -> Response:
    """Delete a dataset; its job is cancelled."""
    entry = find_dataset(dataset)
    _stop_job(entry)
    services().datasets.delete(current_client().id, entry.id)
    return jsonify(deleted=entry.id)


@blueprint.get("/datasets/<dataset>/download")
@documented(Operation(SENT))
def download_dataset(dataset: str) -> Response:
    """Send the finished dataset as a zip archive that is made while it is sent."""
    entry = find_dataset(dataset)
    export = find_review(entry).make_export()
    export.refresh()
    response = Response(stream_zip(list(export.list_files())), content_type="application/zip")
    # The name of the archive may hold anything; of the download's it takes what every system takes.
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(entry.name).stem)[:80] or "dataset"
    response.headers["Content-Disposition"] = f'attachment; filename="{plain}_masks.zip"'
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/datasets/<dataset>/report")
@documented(Operation(SHOWN))
def show_dataset_report(dataset: str) -> Response:
    """Show numbers, figures and examples of the finished dataset, decisions applied; one page that needs no other."""
    report = find_review(find_dataset(dataset)).make_export().find_report()
    response = Response(report.read_bytes(), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = REPORT_POLICY
    # Browsers show no sandboxed page that asks for a group of its own.
    response.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"
    response.headers["Cache-Control"] = "no-store"
    return response


def find_dataset(dataset: str) -> DatasetEntry:
    """Return a dataset of the client that asks.

    Raises:
        NoSuchDataset: it has none of this id.
    """
    return services().datasets.get(current_client().id, dataset)


def find_review(entry: DatasetEntry) -> Review:
    """Return the review of a finished dataset.

    Raises:
        WrongMoment: it is not finished.
    """
    if entry.summary is None:
        state = _tell_state(entry, _find_job(entry))
        raise WrongMoment(
            f'"{entry.name}" is not finished; its state is "{state}". Wait for its job, or send the archive again.',
            "dataset",
        )
    return Review(DatasetPlaces(entry.folder))


def _make_options(form: DatasetForm, name: str) -> DatasetOptions:
    """Return what the job is asked for, everything checked before an archive is kept."""
    values = form.model_dump(exclude={"checkpoint"})
    options: DatasetOptions = {**values, "name": name[:80], "checkpoint": choose_checkpoint(form.checkpoint)}  # type: ignore[typeddict-item]  # the form has the same fields
    check_settings(read_settings(options))
    return options


def _submit(entry: DatasetEntry) -> str:
    """Queue the job; a dataset without one would be of no use."""
    client = current_client()
    try:
        record = services().queue.submit(
            "dataset", client=client.id, raster=None, request={"dataset": entry.id, "options": entry.options}
        )
    except BaseException:
        services().datasets.delete(client.id, entry.id)
        raise
    services().datasets.note_job(client.id, entry.id, record.job)
    return record.job


def _stop_job(entry: DatasetEntry) -> None:
    """Cancel the job of a dataset and wait until nobody writes any more.

    Raises:
        WrongMoment: it goes on for long.
    """
    job = _find_job(entry)
    if job is None or not job.is_active:
        return
    services().queue.cancel(current_client().id, job.job)
    if services().queue.wait(job.job, STOP_WAIT_S).is_active:
        raise WrongMoment("The dataset's job is stopping. Try again in some seconds.", "dataset")


def _describe(entry: DatasetEntry) -> dict[str, object]:
    job = _find_job(entry)
    return {
        "id": entry.id,
        "name": entry.name,
        "created": entry.created,
        "state": _tell_state(entry, job),
        "options": entry.options,
        "summary": entry.summary,
        "job": None if job is None else job.to_json(),
    }


def _tell_state(entry: DatasetEntry, job: JobRecord | None) -> str:
    """Return the state of a dataset in the words of jobs."""
    if entry.summary is not None:
        return DONE
    # Without a job the server stopped between taking the archive and queueing.
    return FAILED if job is None else job.state


def _find_job(entry: DatasetEntry) -> JobRecord | None:
    """Return the job of a dataset; None where the queue has none, or has forgotten it."""
    if entry.job is None:
        return None
    try:
        return services().queue.find(current_client().id, entry.job)
    except NoSuchJob:
        return None
