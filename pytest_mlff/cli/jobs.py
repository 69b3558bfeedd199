"""``mlff jobs``: list, tail and cancel trainings on a cluster."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlff.cli.parts import print_table
from pytest_mlff.errors import MlffError

if TYPE_CHECKING:
    from pytest_mlff.scheduling.engines.jobs import JobRecord, JobRecords
    from pytest_mlff.scheduling.engines.slurm_commands import QueueEntry

STORE = Path(".mlff-store")
_ENDED = ("done", "failed", "cancelled")


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``jobs list | tail | cancel``."""
    parser = subparsers.add_parser("jobs", help="trainings on a cluster: list, tail, cancel")
    _add_store(parser, STORE)
    parser.set_defaults(run=lambda arguments: list_jobs(arguments.mlff_store))
    commands = parser.add_subparsers(dest="jobs_command", metavar="COMMAND")

    listing = commands.add_parser("list", help="list the jobs of a store")
    _add_store(listing)
    listing.set_defaults(run=lambda arguments: list_jobs(arguments.mlff_store))

    tailing = commands.add_parser("tail", help="print the end of a job's log")
    _add_store(tailing)
    tailing.add_argument("id", metavar="ID", help="job id, or the beginning of a key")
    tailing.add_argument(
        "-n", "--lines", type=int, default=20, metavar="N", help="lines (default: 20)"
    )
    tailing.add_argument("-f", "--follow", action="store_true", help="go on until the job ends")
    tailing.set_defaults(
        run=lambda arguments: tail(
            arguments.mlff_store, arguments.id, arguments.lines, follow=arguments.follow
        )
    )

    ending = commands.add_parser("cancel", help="end jobs, for good")
    _add_store(ending)
    ending.add_argument("id", metavar="ID", nargs="*", help="job ids, or beginnings of keys")
    ending.add_argument("--all", action="store_true", help="all that have not ended")
    ending.set_defaults(
        run=lambda arguments: cancel(arguments.mlff_store, arguments.id, everything=arguments.all)
    )


def list_jobs(store: Path) -> int:
    """Print the store's jobs, oldest first: id, state, key, when submitted, restarts, node."""
    records, queue = _records(store), _queue()
    rows = [("ID", "STATE", "KEY", "SUBMITTED", "RESTARTS", "NODE", "NAME")]
    for record in records.all():
        entry = None if queue is None else queue.get(record.job_id or "")
        rows.append((
            record.job_id or "-",
            _state(records, record, queue),
            record.key[:12],
            record.submitted.removesuffix("+00:00").replace("T", " "),
            str(len(record.ended)),
            entry.nodes if entry is not None and entry.nodes else "-",
            record.name if record.name != record.key[:12] else "-",
        ))  # fmt: skip
    if len(rows) == 1:
        print(f"no jobs in {store}")
        return 0
    print_table(rows)
    return 0


def tail(store: Path, wanted: str, lines: int, *, follow: bool = False) -> int:
    """Print the last lines of a job's log, and with ``follow`` what comes until it ends.

    Raises
    ------
    MlffError
        If there is no such job, or it has not begun to write.
    """
    if lines < 1:
        raise MlffError(f"--lines: {lines} is too small, at least 1 is needed")
    records = _records(store)
    record = _find(records, wanted)
    log = records.log(record)
    if not log.exists():
        state = _state(records, record, _queue())
        raise MlffError(f"job {wanted} is {state} and has written no log yet ({log})")
    content = log.read_text(encoding="utf-8", errors="replace")
    print("\n".join(content.splitlines()[-lines:]))
    if follow:
        with log.open(encoding="utf-8", errors="replace") as stream:
            stream.seek(0, 2)
            ended = False
            while not ended:
                # Asked before reading, so that the last words are not missed.
                ended = _state(records, record, _queue()) in (*_ENDED, "lost")
                print(stream.read(), end="", flush=True)
                if not ended:
                    time.sleep(1.0)
    return 0


def cancel(store: Path, wanted: list[str], *, everything: bool = False) -> int:
    """End jobs; whoever waits for them is told, and does not submit them again.

    Raises
    ------
    MlffError
        If a job is not there, none is named, or Slurm does not answer.
    """
    from pytest_mlff.scheduling.engines import slurm_commands

    records = _records(store)
    if bool(wanted) == everything:
        raise MlffError("jobs cancel: name jobs (see mlff jobs list), or say --all")
    queue = slurm_commands.queue()
    chosen = records.all() if everything else [_find(records, word) for word in wanted]
    running = [r for r in chosen if r.open and _state(records, r, queue) not in _ENDED]
    # Marked first: a controller that sees the job end looks here for why.
    for record in running:
        records.mark(record, cancelled=True)
    slurm_commands.cancel([record.job_id for record in running if record.job_id is not None])
    for record in chosen:
        if record in running:
            print(f"{record.job_id or record.key[:12]} cancelled")
        elif not everything:
            print(f"{record.job_id} had already ended")
    if everything and not running:
        print("no job was waiting or running")
    return 0


def _add_store(parser: argparse.ArgumentParser, default: Path | None = None) -> None:
    # A subcommand's own default would hide what was said before its name.
    parser.add_argument(
        "--mlff-store",
        type=Path,
        metavar="DIR",
        default=argparse.SUPPRESS if default is None else default,
        help=f"the store (default: {STORE})",
    )


def _records(store: Path) -> JobRecords:
    from pytest_mlff.scheduling.engines.jobs import JobRecords

    if not store.is_dir():
        raise MlffError(f"no store at {store}: say --mlff-store=DIR")
    return JobRecords(store)


def _queue() -> dict[str, QueueEntry] | None:
    from pytest_mlff.scheduling.engines import slurm_commands

    try:
        return slurm_commands.queue()
    except slurm_commands.SlurmUnreachableError:
        return None


def _find(records: JobRecords, wanted: str) -> JobRecord:
    known = records.all()
    found = (
        [r for r in known if r.job_id == wanted]
        # A job that was submitted again goes by its earlier ids, too.
        or [r for r in known if wanted in [end.split()[0] for end in r.ended]]
        or [r for r in known if len(wanted) >= 4 and r.key.startswith(wanted)]
    )
    if len(found) == 1:
        return found[0]
    if found:
        raise MlffError(f"job {wanted!r} may be any of {', '.join(r.key[:16] for r in found)}")
    ids = ", ".join(r.job_id or r.key[:12] for r in known[-10:]) or "none at all"
    raise MlffError(f"no job {wanted!r} in {records.root} (known, newest last: {ids})")


def _state(records: JobRecords, record: JobRecord, queue: dict[str, QueueEntry] | None) -> str:
    outcome = records.outcome_kind(record)
    if outcome is not None:
        return outcome
    if record.cancelled:
        return "cancelled"
    if queue is None:
        return "unknown (no answer from Slurm)"
    entry = queue.get(record.job_id or "")
    if record.job_id is None:
        return "submitting"
    if entry is None:
        return "lost"
    state = entry.state.lower()
    # A bare "pending" hides that Slurm holds a requeued job back for two minutes.
    return f"{state} ({entry.reason})" if state == "pending" else state
