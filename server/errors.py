"""The errors a caller can fix: one class per kind, one sentence each, knowing nothing of HTTP.

Everything that is not a `UserError` is a bug. `server/routes/errors.py` maps each class to a status code,
the command line maps all of them to exit status 2, and a failed job stores `code` and `message`.
"""

from __future__ import annotations


class UserError(Exception):
    """Base of everything the caller can put right.

    Attributes:
        code: stable machine-readable word, part of the HTTP contract.
        message: one or more sentences: what was found, what was expected, how to fix it.
        field: name of the offending parameter, or None when no single one is to blame.
    """

    code = "user_error"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class BadParameter(UserError):
    """A parameter is missing, unknown, of the wrong type or out of range."""

    code = "bad_parameter"


class NotHuman(UserError):
    """The client has not passed the human check, or its token is unknown."""

    code = "not_human"


class NoSuchRaster(UserError):
    """The client has no raster of that name."""

    code = "no_such_raster"


class NoSuchDataset(UserError):
    """The client has no dataset of that id, or the dataset no object of that number."""

    code = "no_such_dataset"


class NoSuchJob(UserError):
    """The client has no job of that id."""

    code = "no_such_job"


class WrongMoment(UserError):
    """The request is valid but something has to happen first, such as a finished segmentation."""

    code = "wrong_moment"


class Conflict(UserError):
    """Someone else has changed what the request wants to change."""

    code = "conflict"


class TooLarge(UserError):
    """A file, a pixel count or a request body is over its limit."""

    code = "too_large"


class QuotaExceeded(UserError):
    """The client's files would take more space than it is given."""

    code = "quota_exceeded"


class NotARaster(UserError):
    """The file is not a readable raster in an allowed format."""

    code = "not_a_raster"


class TooFrequent(UserError):
    """The client must wait.

    Attributes:
        retry_after_s: seconds after which the same request will be accepted.
    """

    code = "too_frequent"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotOperator(UserError):
    """The request is for the operator alone and carries no operator token."""

    code = "not_operator"


class Unavailable(UserError):
    """The server cannot do this now: it is about to stop, or something it needs is used up.

    Attributes:
        retry_after_s: seconds after which the same request may well succeed.
    """

    code = "unavailable"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CheckpointMissing(UserError):
    """The weights asked for are not on this machine or cannot be read."""

    code = "checkpoint_missing"


class StorageFull(UserError):
    """The operator's disk has no room left."""

    code = "storage_full"


class Cancelled(Exception):
    """Raised by a job's progress report once the job was cancelled."""
