"""Job rows: the only thing web process, command line and workers share about work in progress."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import NotFound
from pipeline.records import Job
from pipeline.store.database import Database

MAX_STALLS = 4
"""Workers that may die on a job one after the other without getting further. A job that gets further is taken up again for as
long as it takes; one bad record costs two deaths before it is set aside."""


class Jobs:
    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, kind: str, lane: str, dataset_id: int | None, params: dict[str, Any], priority: int = 0) -> Job:
        with self._db.write() as db:
            job_id = db.execute("INSERT INTO job(kind, lane, dataset_id, params, priority, state, created_at) VALUES (?, ?, ?, ?, ?, 'queued', ?)",
                                (kind, lane, dataset_id, json.dumps(params, ensure_ascii=False), priority, time.time())).lastrowid
        return self.get(job_id)

    def get(self, job_id: int) -> Job:
        row = self._db.row("SELECT * FROM job WHERE id = ?", (job_id,))
        if row is None:
            raise NotFound(f"there is no job {job_id}")
        return _job(row)

    def recent(self, *, dataset_id: int | None = None, kinds: Sequence[str] = (), limit: int = 30, least_priority: int | None = None) -> list[Job]:
        """Active jobs first, then the newest ended ones."""
        parts, values = ["1"], []
        if dataset_id is not None:
            parts.append("dataset_id = ?")
            values.append(dataset_id)
        if kinds:
            parts.append(f"kind IN ({','.join('?' * len(kinds))})")
            values.extend(kinds)
        if least_priority is not None:
            parts.append("priority <= ?")
            values.append(least_priority)
        return [_job(row) for row in self._db.rows(
            f"SELECT * FROM job WHERE {' AND '.join(parts)} ORDER BY state IN ('queued', 'running') DESC, id DESC LIMIT ?", (*values, limit))]

    def active(self, lane: str | None = None) -> list[Job]:
        where = "" if lane is None else " AND lane = ?"
        return [_job(row) for row in self._db.rows(f"SELECT * FROM job WHERE state IN ('queued', 'running'){where} ORDER BY id", () if lane is None else (lane,))]

    def claim(self, lane: str, *, above_priority: int | None = None) -> Job | None:
        """Take the next queued job of a lane (highest priority, then oldest) and mark it running; None when there is none."""
        with self._db.write() as db:
            row = db.execute("SELECT id FROM job WHERE state = 'queued' AND lane = ? AND priority > ? ORDER BY priority DESC, id LIMIT 1",
                             (lane, -1_000_000 if above_priority is None else above_priority)).fetchone()
            if row is None:
                return None
            db.execute("UPDATE job SET state = 'running', started_at = coalesce(started_at, ?), attempts = attempts + 1, done_at_start = done WHERE id = ?", (time.time(), row[0]))
        return self.get(row[0])

    def progress(self, job_id: int, *, done: int, total: int, rate: float, stage: str, message: str) -> bool:
        """Write progress; True when a person asked the job to stop."""
        with self._db.write() as db:
            db.execute("UPDATE job SET done = ?, total = ?, rate = ?, stage = ?, message = ? WHERE id = ?", (done, total, rate, stage, message, job_id))
            return bool(db.execute("SELECT cancel_requested FROM job WHERE id = ?", (job_id,)).fetchone()[0])

    def cancel_requested(self, job_id: int) -> bool:
        return bool(self._db.value("SELECT cancel_requested FROM job WHERE id = ?", (job_id,)))

    def end(self, job_id: int, state: str, *, result: Mapping[str, Any] | None = None, error: str = "", hint: str = "") -> None:
        with self._db.write() as db:
            db.execute("UPDATE job SET state = ?, result = ?, error = ?, hint = ?, rate = 0, ended_at = ? WHERE id = ?",
                       (state, json.dumps(result or {}, ensure_ascii=False), error, hint, time.time(), job_id))

    def cancel(self, job_id: int) -> Job:
        """Ask a job to stop. A queued one ends at once, a running one between two batches, an ended one stays as it is."""
        with self._db.write() as db:
            db.execute("UPDATE job SET cancel_requested = 1 WHERE id = ? AND state = 'running'", (job_id,))
            db.execute("UPDATE job SET state = 'cancelled', cancel_requested = 1, ended_at = ? WHERE id = ? AND state = 'queued'", (time.time(), job_id))
        return self.get(job_id)

    def requeue_orphans(self, lane: str) -> list[Job]:
        """Jobs still marked running although nobody holds the lane's lease: queue them again, or fail them after MAX_STALLS deaths without progress.

        Call only while holding the lease of the lane.
        """
        with self._db.write() as db:
            db.execute("UPDATE job SET stalls = CASE WHEN done > done_at_start THEN 1 ELSE stalls + 1 END WHERE state = 'running' AND lane = ?", (lane,))
            rows = db.execute("SELECT id, attempts, stalls, cancel_requested FROM job WHERE state = 'running' AND lane = ?", (lane,)).fetchall()
            for row in rows:
                if row["cancel_requested"]:
                    db.execute("UPDATE job SET state = 'cancelled', ended_at = ? WHERE id = ?", (time.time(), row["id"]))
                elif row["stalls"] >= MAX_STALLS:
                    db.execute("UPDATE job SET state = 'failed', ended_at = ?, error = ?, hint = ? WHERE id = ?",
                               (time.time(), f"the worker died {row['stalls']} times on this job without getting further", "What was done is kept. Its log says more; start the job again to go on.", row["id"]))
                else:
                    db.execute("UPDATE job SET state = 'queued', message = 'the worker ended early; going on where it stopped' WHERE id = ?", (row["id"],))
        return [self.get(row["id"]) for row in rows]

    def add_metric(self, job_id: int, step: int, values: Mapping[str, float]) -> None:
        """Append one point of each named curve."""
        now = time.time()
        with self._db.write() as db:
            db.executemany("INSERT OR REPLACE INTO metric VALUES (?, ?, ?, ?, ?)", [(job_id, step, name, float(v), now) for name, v in values.items() if v == v])

    def metrics(self, job_id: int, *, after_step: int = -1) -> dict[str, list[tuple[int, float]]]:
        """{curve name: [(step, value), …]} in step order."""
        curves: dict[str, list[tuple[int, float]]] = {}
        for row in self._db.rows("SELECT name, step, value FROM metric WHERE job_id = ? AND step > ? ORDER BY name, step", (job_id, after_step)):
            curves.setdefault(row["name"], []).append((row["step"], row["value"]))
        return curves


def _job(row: sqlite3.Row) -> Job:
    return Job(id=row["id"], kind=row["kind"], lane=row["lane"], dataset_id=row["dataset_id"], params=json.loads(row["params"]), state=row["state"],
               stage=row["stage"], message=row["message"], done=row["done"], total=row["total"], rate=row["rate"], error=row["error"], hint=row["hint"],
               result=json.loads(row["result"]), created_at=row["created_at"], started_at=row["started_at"], ended_at=row["ended_at"],
               attempts=row["attempts"], priority=row["priority"], cancel_requested=bool(row["cancel_requested"]))
