"""The operator's choices: one frozen dataclass, read once from `configuration.json` and checked key by key."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from limits import parse_many

from server.errors import BadParameter

REPOSITORY = Path(__file__).resolve().parents[1]
GIB = 2**30
N_THREADS = 16
REDIS_SCHEMES = ("redis://", "rediss://", "redis+unix://")
# Shorter ones would run out while a machine is merely busy.
LEASES_S = (2.0, 3600.0)


def _setting(default: Any, about: str, **rules: Any) -> Any:
    """Declare one key: its default, its README sentence, and `minimum`, `maximum` or `choices`."""
    return field(default=default, metadata={"about": about, **rules})


@dataclass(frozen=True)
class QueueChoice:
    """Who works on jobs.

    Attributes:
        engine: "local": threads of the process that serves; "celery": processes started by `ultimate.py worker`.
        broker: URL of the Redis server through which workers are told that there is work.
        lease_s: seconds after a worker's last sign of life until others take over what it was at.
    """

    engine: str = "local"
    broker: str = ""
    lease_s: float = 30.0


@dataclass(frozen=True)
class Settings:
    """Everything an operator may set; given relative folders count from the folder of the configuration file."""

    host: str = _setting(
        "127.0.0.1", 'Address to listen on. "auto" listens on every address and prints the one visitors can use.'
    )
    port: int = _setting(8000, "TCP port to listen on; 0 takes a free one.", minimum=0, maximum=65535)
    debug: bool = _setting(False, "Log every request and internal step.")
    multi_thread: bool = _setting(True, "Answer requests with 16 threads; false uses one.")
    ip_access_limit: str = _setting(
        "60 per minute", "Limit per address for the routes that cost: upload and segment.", syntax="rate"
    )
    interactive_access_limit: str = _setting(
        "1200 per minute", "Limit per address for clicks, metadata, previews, progress and downloads.", syntax="rate"
    )
    tile_access_limit: str = _setting("12000 per minute", "Limit per address for map tiles.", syntax="rate")
    limits_storage: str = _setting(
        "",
        "Where requests are counted for these limits: URL of a Redis server that all processes share, such as "
        "`redis://host:6379/1`; empty for the memory of each process.",
        syntax="redis address",
    )
    human_check: bool = _setting(True, "Ask new visitors an arithmetic question before they may use the service.")
    api_tokens: tuple[str, ...] = _setting(
        (), "Tokens programs may send as `Authorization: Bearer TOKEN` instead of answering the question."
    )
    operator_token: str = _setting(
        "",
        "Opens `/operator` and `/metrics`, as `Authorization: Bearer TOKEN` or as the password a browser asks for; "
        "empty switches both off.",
        syntax="any text",
    )
    metrics_from_loopback: bool = _setting(
        False, "Let programs on this machine read `/metrics` without the token; not behind a proxy on this machine."
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (),
        "Addresses or networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed; "
        "those of everybody else are ignored.",
        syntax="networks",
    )
    log_format: str = _setting(
        "text", "Log lines for people or, one JSON object each, for programs.", choices=("text", "json")
    )
    drain_s: float = _setting(
        20.0,
        "Seconds running requests may take to finish when the process is told to stop.",
        minimum=0.0,
        maximum=3600.0,
    )
    cache_folder: Path = _setting(Path("cache"), "Folder for rasters, results and the database.")
    database: str = _setting(
        "",
        "URL of a PostgreSQL database, such as `postgresql+psycopg://user@host/name`, which several hosts can share; "
        "empty for a SQLite file in the cache folder.",
        syntax="any text",
    )
    checkpoint_folder: Path = _setting(Path("ckpt"), "Folder the checkpoints lie in.")
    checkpoint: str = _setting("embedded", "Checkpoint used where a request names none.")
    basemap_url: str = _setting(
        "",
        "Address of Web-Mercator tiles with `{x}`, `{y}` and `{z}` that visitors may switch on below rasters; "
        "none by default, and then no page asks another server for anything.",
        syntax="tile address",
    )
    basemap_attribution: str = _setting("", "What the licence of these tiles asks to be shown.", syntax="any text")
    device: str = _setting("auto", "Where networks run.", choices=("auto", "cpu", "cuda"))
    precision: str = _setting(
        "float32",
        "Numbers networks compute with; the short ones are faster on GPUs, `bfloat16` also on processors that have it.",
        choices=("float32", "bfloat16", "float16"),
    )
    max_upload_bytes: int = _setting(8 * GIB, "Largest file a client may upload.", minimum=1024, maximum=2**45)
    max_pixels: int = _setting(4_000_000_000, "Largest width times height of a raster.", minimum=65_536, maximum=2**40)
    client_quota_bytes: int = _setting(32 * GIB, "Space all files of one client may take.", minimum=1024, maximum=2**50)
    segment_wait_s: float = _setting(
        25.0, "Seconds `/segment` waits for a job before it answers 202.", minimum=0.0, maximum=600.0
    )
    job_process: bool = _setting(
        True,
        "Whether jobs run in a process of their own, so that pages do not wait for them and running out of memory in "
        "one does not end the service; networks are then loaded twice, there and for clicks.",
    )
    job_workers: int = _setting(1, "Jobs that run at the same time.", minimum=1, maximum=64)
    max_queued_jobs: int = _setting(20, "Jobs one client may have waiting or running.", minimum=1, maximum=10_000)
    max_waiting_jobs: int = _setting(1000, "Jobs of all clients that may wait.", minimum=1, maximum=100_000)
    embedding_cache_bytes: int = _setting(
        GIB // 2, "Memory for encoder outputs that are kept for reuse.", minimum=0, maximum=2**44
    )
    tile_cache_bytes: int = _setting(
        GIB // 8, "Memory for drawn map tiles that are kept for the next look.", minimum=0, maximum=2**44
    )
    client_lifetime_h: float = _setting(
        168.0, "Hours after its last visit until a client and its files are removed.", minimum=0.01, maximum=87_600.0
    )
    visitor_lifetime_h: float = _setting(
        1.0, "Hours until a visitor who never passed the human check is removed.", minimum=0.01, maximum=87_600.0
    )
    stale_file_lifetime_h: float = _setting(
        24.0, "Hours until side files without a raster and other leftovers are removed.", minimum=0.01, maximum=87_600.0
    )
    cleaning_interval_s: float = _setting(
        600.0, "Seconds between two rounds of the cleaning threads.", minimum=0.1, maximum=86_400.0
    )
    queue: QueueChoice = _setting(
        QueueChoice(),
        'Who works on jobs: `{"engine": "local"}` means this service itself, see `job_process`; with '
        '`{"engine": "celery", "broker": "redis://host:6379/0"}` processes started by `python ultimate.py worker` do, '
        'and after `"lease_s"` seconds (30) without a sign of life others take over what one was at.',
    )

    @property
    def sqlite_file(self) -> Path:
        """The database where `database` names none."""
        return self.cache_folder / "service.sqlite"

    @property
    def database_place(self) -> Path | str:
        """The database in use, as `server.database.open_database` takes it."""
        return self.database or self.sqlite_file

    @property
    def is_alone(self) -> bool:
        """Whether no other process shares cache folder and database, but one that this one starts for its jobs."""
        return self.queue.engine == "local"

    @property
    def n_threads(self) -> int:
        """Requests answered at the same time."""
        return N_THREADS if self.multi_thread else 1


def read_settings(path: Path | None = None) -> Settings:
    """Read the configuration file.

    Args:
        path: a JSON file; None means `configuration.json` at the top of this repository, defaults where it is absent.

    Raises:
        BadParameter: the file is missing or not JSON, or a key is unknown, of the wrong type or out of range;
            `field` names the key.
    """
    chosen = path or REPOSITORY / "configuration.json"
    if path is None and not chosen.exists():
        return make_settings({}, REPOSITORY)
    try:
        content = json.loads(chosen.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadParameter(f"Cannot read the configuration {chosen}: {error.strerror}.") from error
    except ValueError as error:
        raise BadParameter(f"{chosen} is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise BadParameter(f"{chosen} holds a {type(content).__name__}; expected one JSON object of settings.")
    return make_settings(content, chosen.resolve().parent)


def make_settings(values: dict[str, Any], base_folder: Path) -> Settings:
    """Check `values` key by key; relative folders are taken from `base_folder`, default ones from this repository.

    Raises:
        BadParameter: see `read_settings`.
    """
    known = {item.name: item for item in dataclasses.fields(Settings)}
    checked = {}
    for key, value in values.items():
        if key not in known:
            raise BadParameter(f'Unknown setting "{key}"; known are {", ".join(sorted(known))}.', key)
        checked[key] = _check_value(known[key], value)
    settings = Settings(**checked)
    folders = ("cache_folder", "checkpoint_folder")
    bases = {key: base_folder if key in values else REPOSITORY for key in folders}
    return dataclasses.replace(settings, **{key: (bases[key] / getattr(settings, key)).resolve() for key in folders})


def _check_value(item: dataclasses.Field[Any], value: Any) -> Any:
    """Return `value` as the type of its default, or raise naming the key."""
    key, default, rules = item.name, item.default, item.metadata
    if isinstance(default, QueueChoice):
        return _check_queue(value)
    if isinstance(default, bool):
        return _require(isinstance(value, bool), value, key, value, "true or false")
    if isinstance(default, int | float):
        return _check_number(key, default, rules, value)
    if isinstance(default, tuple):
        fine = isinstance(value, list) and all(isinstance(token, str) and token.strip() for token in value)
        _require(fine, value, key, "its value", "a list of non-empty strings")
        if rules.get("syntax") == "networks":
            _require(all(_is_network(item) for item in value), value, key, value, 'networks such as "10.0.0.0/8"')
        return tuple(value)
    return _check_text(key, rules, value, Path if isinstance(default, Path) else str)


def _check_queue(value: Any) -> QueueChoice:
    known = {item.name for item in dataclasses.fields(QueueChoice)}
    is_object = isinstance(value, dict) and value.keys() <= known
    _require(is_object, value, "queue", value, "an object with " + ", ".join(f'"{name}"' for name in sorted(known)))
    choice = QueueChoice(**value)
    _require(choice.engine in ("local", "celery"), value, "queue", value, 'the engine "local" or "celery"')
    broker, lease_s = choice.broker, choice.lease_s
    is_unneeded = broker == "" and choice.engine == "local"
    is_address = is_unneeded or (isinstance(broker, str) and broker.startswith(REDIS_SCHEMES))
    _require(is_address, value, "queue", value, 'a "broker" such as redis://host:6379/0 with the engine "celery"')
    is_number = isinstance(lease_s, int | float) and not isinstance(lease_s, bool)
    low, high = LEASES_S
    _require(is_number and low <= lease_s <= high, value, "queue", value, f'a "lease_s" from {low:.0f} to {high:.0f}')
    return dataclasses.replace(choice, lease_s=float(lease_s))


def _check_text(key: str, rules: Any, value: Any, kind: type) -> Any:
    syntax = rules.get("syntax")
    may_be_empty = syntax in ("tile address", "redis address", "any text")
    fine = isinstance(value, str) and (may_be_empty or bool(value.strip()))
    _require(fine, value, key, value, "a string" if may_be_empty else "a non-empty string")
    if "choices" in rules:
        _require(value in rules["choices"], value, key, value, "one of " + ", ".join(rules["choices"]))
    if syntax == "rate":
        _check_rate(key, value)
    if syntax == "tile address":
        _check_tile_address(key, value)
    if syntax == "redis address":
        is_address = not value or value.startswith(REDIS_SCHEMES)
        _require(is_address, value, key, value, "an address such as redis://host:6379/1, or an empty string")
    return kind(value)


def _check_number(key: str, default: float, rules: Any, value: Any) -> float:
    whole = isinstance(default, int)
    kind = "an integer" if whole else "a number"
    low, high = rules["minimum"], rules["maximum"]
    is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    # NaN fails the comparison and is refused with the rest.
    _require(is_number and low <= value <= high, value, key, value, f"{kind} from {low} to {high}")
    return int(value) if whole else float(value)


def _check_rate(key: str, value: str) -> None:
    try:
        parse_many(value)
    except ValueError as error:
        raise BadParameter(f'Setting "{key}" is "{value}"; expected a rate such as "60 per minute".', key) from error


def _is_network(value: str) -> bool:
    try:
        ip_network(value)
    except ValueError:
        return False
    return True


def _check_tile_address(key: str, value: str) -> None:
    has_places = all(f"{{{place}}}" in value for place in "xyz")
    # The address becomes part of a header, where these would begin something else.
    is_one_word = not any(sign.isspace() or sign in ";,'\"" for sign in value)
    fine = not value or (value.startswith(("https://", "http://")) and has_places and is_one_word)
    _require(
        fine, value, key, value, "an address such as https://tiles.example.org/{z}/{x}/{y}.png, or an empty string"
    )


def _require(fine: bool, value: Any, key: str, found: object, expected: str) -> Any:
    """Return `value` when `fine`; else raise a sentence with what was `found` and `expected`."""
    if not fine:
        raise BadParameter(f'Setting "{key}" is {json.dumps(found, default=str)}; expected {expected}.', key)
    return value
