"""The queue of long work: order, progress, cancelling, and what a stopped server leaves."""

from __future__ import annotations

import contextlib
import json
import threading

import pytest

from clew import ClewError
from clew.server.database import MIGRATIONS, Database
from clew.server.events import Events
from clew.server.job_queue import MOST_WAITING, STOPPED, Jobs
from clew.server.schemas.jobs import InterveneRequest, InterventionOutcome, LoadRequest, PatchSource
from clew.sqlite import connect, migrate
from clew.system_errors import OUT_OF_MEMORY

LOAD = LoadRequest(kind="load", model="any")
RESULT = InterventionOutcome(results=[], text=None, python="")

PANIC = type("PanicException", (BaseException,), {})("no \x1b token")
"""As `tokenizers` raises it: no `Exception`."""


def load(model):
    return LoadRequest(kind="load", model=model)


class Told(Events):
    """Keeps what pages would hear."""

    def __init__(self):
        super().__init__()
        self.heard = []
        self.changed = threading.Condition()

    def publish(self, name, **data):
        with self.changed:
            self.heard.append(data)
            self.changed.notify_all()

    def wait_for(self, job, *states):
        """Until the job has been told to be in one of these states."""
        with self.changed:
            assert self.changed.wait_for(
                lambda: any(data["id"] == job.id and data["state"] in states for data in self.heard), 10
            ), self.heard


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "jobs.sqlite3")
    yield database
    database.close()


@pytest.fixture
def events():
    return Told()


def waiting_for(event):
    """JobRunner that is not done before the event."""

    def run(request, progress):
        event.wait(10)
        return

    return run


def test_a_job_runs_tells_of_itself_and_is_kept(database, events):
    def run(request, progress):
        progress.note("Loading any ...")
        progress.work("rows", 1, 2)
        return RESULT

    jobs = Jobs(database, events, run)
    job = jobs.add(LOAD)
    assert (job.state, job.request, job.result) == ("waiting", LOAD, None)
    events.wait_for(job, "done")
    done = jobs.get(job.id)
    assert done.result == RESULT
    assert (done.phase, done.done, done.total) == ("Computing rows", 1, 2)
    assert "" < (done.started or "") <= (done.finished or "")
    heard = ["", "", "Loading any", "Computing rows", "Computing rows"]
    assert [data["phase"] for data in events.heard] == heard
    assert all("result" not in data for data in events.heard)
    jobs.stop()
    assert Jobs(database, events, run).get(job.id) == done


def test_jobs_run_one_after_another_in_order(database, events):
    ran = []

    def run(request, progress):
        ran.append(request.model)

    jobs = Jobs(database, events, run)
    added = [jobs.add(load(str(number))) for number in range(5)]
    events.wait_for(added[-1], "done")
    assert ran == ["0", "1", "2", "3", "4"]
    assert [job.id for job in jobs.list()] == [job.id for job in reversed(added)]
    jobs.stop()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ClewError("There is no such model."), "There is no such model."),
        (MemoryError(), OUT_OF_MEMORY),
        (ValueError("odd"), "Unexpected ValueError: odd; the terminal shows where."),
        (PANIC, "A library panicked (no \\x1b token); fetch the files of the model again."),
        (SystemExit("odd"), "Unexpected SystemExit: odd; the terminal shows where."),
    ],
)
def test_what_went_wrong_is_told_and_the_next_job_runs(database, events, error, told):
    def run(request, progress):
        if request.model == "bad":
            raise error
        return

    jobs = Jobs(database, events, run)
    bad, good = jobs.add(load("bad")), jobs.add(LOAD)
    events.wait_for(good, "done")
    assert (jobs.get(bad.id).state, jobs.get(bad.id).error) == ("failed", told)
    jobs.stop()


def test_a_running_job_is_cancelled_at_its_next_word_and_a_waiting_one_at_once(database, events):
    begun, go_on, cut = threading.Event(), threading.Event(), []

    def run(request, progress):
        begun.set()
        go_on.wait(10)
        try:
            progress.work("rows", 1, 2)
        except BaseException:
            cut.append(request.model)
            raise
        return

    jobs = Jobs(database, events, run)
    running, waiting = jobs.add(load("running")), jobs.add(load("waiting"))
    begun.wait(10)
    for job in (waiting, running):
        jobs.cancel_or_delete(job.id)
        assert jobs.get(job.id).state == "cancelled"
    last = jobs.add(load("last"))
    go_on.set()
    events.wait_for(last, "done")
    assert cut == ["running"]
    assert jobs.get(running.id).state == "cancelled"
    jobs.cancel_or_delete(running.id)
    with pytest.raises(ClewError, match="There is no job"):
        jobs.get(running.id)
    jobs.stop()


def test_what_ran_or_waited_when_the_server_died_is_failed_at_the_next_start(database, events):
    stay = threading.Event()
    jobs = Jobs(database, events, waiting_for(stay))
    running, waiting = jobs.add(LOAD), jobs.add(LOAD)
    events.wait_for(running, "running")
    again = Jobs(database, events, lambda request, progress: None)  # as after a kill
    for job in (running, waiting):
        found = again.get(job.id)
        assert (found.state, found.error) == ("failed", STOPPED)
    stay.set()
    jobs.stop()
    assert again.get(running.id).state == "failed"


def test_too_many_waiting_jobs_are_refused(database, events):
    stay = threading.Event()
    jobs = Jobs(database, events, waiting_for(stay))
    events.wait_for(jobs.add(LOAD), "running")
    for _ in range(MOST_WAITING):
        jobs.add(LOAD)
    with pytest.raises(ClewError, match="100 jobs are waiting already"):
        jobs.add(LOAD)
    for job in jobs.list():
        jobs.cancel_or_delete(job.id)
    stay.set()
    jobs.stop()


def test_a_job_of_version_0_1_that_swapped_is_read_as_a_patch(tmp_path, events):
    change = {"nodes": ["1_2_3"], "how": "swap", "source": {"prompt": 'say "how": "swap"', "position": None}}
    request = {"kind": "intervene", "graph": "0" * 32, "changes": [change], "strengths": [1.0]}
    with contextlib.closing(connect(tmp_path / "old.sqlite3", "rwc")) as connection:
        migrate(connection, MIGRATIONS[:1])
        connection.execute(
            "INSERT INTO jobs (id, kind, state, phase, done, total, created, request) "
            "VALUES (?, 'intervene', 'done', '', 0, 0, '', ?)",
            ["1" * 32, json.dumps(request)],
        )
    database = Database(tmp_path / "old.sqlite3")
    job = Jobs(database, events, lambda request, progress: None).get("1" * 32)
    database.close()
    assert isinstance(job.request, InterveneRequest)
    (patch,) = job.request.changes
    assert (patch.how, patch.source) == ("patch", PatchSource(prompt='say "how": "swap"'))


def test_a_job_that_ends_while_the_folder_is_read_only_has_ended(database, events):
    """It is told from memory, and recorded when that is possible again."""
    begun, end = threading.Event(), threading.Event()

    def run(request, progress):
        begun.set()
        end.wait(10)
        return RESULT

    jobs = Jobs(database, events, run)
    running, waiting = jobs.add(LOAD), jobs.add(LOAD)
    assert begun.wait(10)
    database._connection.execute("PRAGMA query_only = ON")  # what SQLite does in such a folder
    end.set()
    events.wait_for(running, "done")
    events.wait_for(waiting, "failed")
    assert (jobs.get(running.id).state, jobs.get(running.id).result) == ("done", RESULT)
    assert "is read-only" in (jobs.get(waiting.id).error or "")
    assert [job.state for job in jobs.list()] == ["failed", "done"]
    database._connection.execute("PRAGMA query_only = OFF")
    events.wait_for(jobs.add(LOAD), "done")
    assert [job.state for job in Jobs(database, events, run).list()] == ["done", "failed", "done"]
    jobs.stop()
