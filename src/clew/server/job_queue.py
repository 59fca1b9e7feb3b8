"""The queue of jobs: one runs at a time, in order; the database keeps requests and results."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from pydantic import TypeAdapter

from clew.errors import ClewError
from clew.plain_text import visible
from clew.progress import PHASES
from clew.server.database import Database, now
from clew.server.errors import RequestError
from clew.server.events import Events
from clew.server.schemas.jobs import (
    InterveneRequest,
    Job,
    JobRequest,
    JobResult,
    SwapRequest,
    TracedGraph,
)
from clew.system_errors import system_sentence

ACTIVE = "waiting", "running"
MOST_WAITING = 100
LEAST_PAUSE = 0.1
"""Seconds between two events about one job's progress."""
STOPPED = "The server stopped before the job was done; start it again."

log = logging.getLogger("clew.server")


class Cancelled(Exception):
    """Raised inside a job that was cancelled, where it may stop."""


class JobProgress:
    """Phase, done and total of one running job; every report is a place where the job may stop."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.phase, self.done, self.total = "", 0, 0
        self._on_change = on_change
        self._cancelled = threading.Event()

    @property
    def facts(self) -> dict[str, Any]:
        return {"phase": self.phase, "done": self.done, "total": self.total}

    def cancel(self) -> None:
        self._cancelled.set()

    def check(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled

    def note(self, text: str) -> None:
        """A stage of unknown length."""
        self.work(text.removesuffix("...").rstrip(), 0, 0)

    def work(self, phase: str, done: int, total: int) -> None:
        """`done` of `total` in a phase (an `OnProgress`)."""
        self.check()
        self.phase, self.done, self.total = PHASES.get(phase, phase), done, total
        self._on_change()


Run = Callable[[JobRequest, JobProgress], JobResult]
REQUEST: TypeAdapter[JobRequest] = TypeAdapter(JobRequest)
RESULT: TypeAdapter[JobResult] = TypeAdapter(JobResult)


class Jobs:
    """The queue, its one worker thread, and the record of all jobs."""

    def __init__(self, database: Database, events: Events, run: Run) -> None:
        self._database, self._events, self._run = database, events, run
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._running: dict[str, JobProgress] = {}
        self._unrecorded: dict[str, dict[str, Any]] = {}
        """Ends of jobs that the database could not take: its folder turned read-only, or the disk is full."""
        self._worker: threading.Thread | None = None
        self._lock = threading.Lock()
        self._fail_active()

    def add(self, request: JobRequest) -> Job:
        """Put work at the end of the queue."""
        new = uuid.uuid4().hex
        graph = request.graph if isinstance(request, InterveneRequest | SwapRequest) else None
        with self._database.changing() as connection:
            waiting = connection.execute("SELECT count(*) FROM jobs WHERE state = 'waiting'").fetchone()[0]
            if waiting >= MOST_WAITING:
                raise RequestError(409, f"{waiting} jobs are waiting already; cancel some, or try later.")
            connection.execute(
                "INSERT INTO jobs (id, kind, state, phase, done, total, created, request, graph) "
                "VALUES (?, ?, 'waiting', '', 0, 0, ?, ?, ?)",
                [new, request.kind, now(), REQUEST.dump_json(request).decode(), graph],
            )
        self._start_worker()
        self._publish(new)
        self._waiting.put(new)
        return self.get(new)

    def get(self, job: str) -> Job:
        """A job by its id; raises `RequestError` where there is none."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT * FROM jobs WHERE id = ?", [job]).fetchone()
        if row is None:
            raise RequestError(404, f"There is no job {job[:40]!r}; it may have been deleted.")
        return self._job(row)

    def list(self, graph: str | None = None) -> list[Job]:
        """All jobs, or those about one graph, newest first."""
        where, given = ("", []) if graph is None else ("WHERE graph = ?", [graph])
        with self._database.reading() as connection:
            rows = connection.execute(f"SELECT * FROM jobs {where} ORDER BY created DESC, rowid DESC", given)
            return [self._job(row) for row in rows]

    def cancel_or_delete(self, job: str) -> None:
        """Cancel an active job, now or at the next place where it can stop; delete any other."""
        if self.get(job).state in ACTIVE:
            for before in ACTIVE:  # it may begin to run meanwhile
                self._change(job, before, state="cancelled", finished=now())
        else:
            with self._database.changing() as connection:
                connection.execute("DELETE FROM jobs WHERE id = ?", [job])
            self._unrecorded.pop(job, None)
        if progress := self._running.get(job):
            progress.cancel()

    def stop(self) -> None:
        """End the worker soon; its job ends as cancelled, or as failed where it does not stop in time."""
        for progress in list(self._running.values()):
            progress.cancel()
        self._waiting.put(None)
        if self._worker is not None:
            self._worker.join(timeout=2)
        with suppress(RequestError):  # a folder that turned read-only; the next start does it
            self._record_ends()
            self._fail_active()

    def _fail_active(self) -> None:
        failed = "UPDATE jobs SET state = 'failed', error = ?, finished = ? WHERE state = ?"
        with self._database.changing() as connection:
            connection.executemany(failed, [(STOPPED, now(), state) for state in ACTIVE])

    def _start_worker(self) -> None:
        with self._lock:
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="clew jobs", daemon=True)
                self._worker.start()

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            try:
                self._do(job)
            except BaseException:  # a thread that ends would leave all others waiting
                log.exception("A job could not be recorded")

    def _do(self, job: str) -> None:
        progress = self._running[job] = JobProgress(self._publisher(job))
        try:
            self._record_ends()
            if not self._change(job, "waiting", state="running", started=now()):
                return  # cancelled meanwhile
            outcome = self._outcome(self.get(job).request, progress)
            self._unrecorded[job] = {**progress.facts, **outcome, "finished": now()}
            self._record_ends()
        except RequestError as error:  # the database cannot be written
            end = {"state": "failed", "error": str(error), "finished": now()}
            self._unrecorded.setdefault(job, end)
        finally:
            del self._running[job]
            if job in self._unrecorded:
                self._publish(job)

    def _record_ends(self) -> None:
        """Write the ends of jobs that are not recorded yet; `RequestError` where that is impossible."""
        for job, end in list(self._unrecorded.items()):
            for before in ACTIVE:
                self._change(job, before, **end)
            del self._unrecorded[job]

    def _outcome(self, request: JobRequest, progress: JobProgress) -> dict[str, Any]:
        """The columns of a job that say how it ended."""
        try:
            result = self._run(request, progress)
        except Cancelled:
            return {"state": "cancelled"}
        except ClewError as error:
            return {"state": "failed", "error": str(error)}
        except BaseException as error:  # a panic of Rust is not an `Exception`
            if sentence := system_sentence(error):
                return {"state": "failed", "error": sentence}
            log.exception("A job failed")
            reason = visible(f"{type(error).__name__}: {error}".rstrip(": ").partition("\n")[0])
            return {"state": "failed", "error": f"Unexpected {reason}; the terminal shows where."}
        made = {"graph": result.graph} if isinstance(result, TracedGraph) else {}
        return {"state": "done", "result": json.dumps(RESULT.dump_python(result, mode="json")), **made}

    def _change(self, job: str, state_before: str, **columns: Any) -> bool:
        """Set columns of a job in this state; False where it is in another state."""
        changes = ", ".join(f"{name} = :{name}" for name in columns)
        with self._database.changing() as connection:
            changed = connection.execute(
                f"UPDATE jobs SET {changes} WHERE id = :job AND state = :state_before",
                columns | {"job": job, "state_before": state_before},
            )
        if changed.rowcount:
            self._publish(job)
        return bool(changed.rowcount)

    def _publish(self, job: str) -> None:
        self._events.publish("job", **self.get(job).model_dump(mode="json", exclude={"result"}))

    def _publisher(self, job: str) -> Callable[[], None]:
        """A function that publishes progress, but not more often than a page can show."""
        last, phase = 0.0, ""

        def publish_sometimes() -> None:
            nonlocal last, phase
            progress = self._running[job]
            if progress.phase != phase or time.monotonic() - last >= LEAST_PAUSE:
                last, phase = time.monotonic(), progress.phase
                self._publish(job)

        return publish_sometimes

    def _job(self, row: Mapping[str, Any]) -> Job:
        row = {**row, **(self._unrecorded.get(row["id"], {}) if row["state"] in ACTIVE else {})}
        facts = {
            **row,
            "request": REQUEST.validate_json(row["request"]),
            "result": RESULT.validate_json(row["result"] or "null"),
        }
        if (progress := self._running.get(row["id"])) and row["state"] == "running":
            facts |= progress.facts
        return Job(**facts)
