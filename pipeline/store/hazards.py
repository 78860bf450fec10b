"""What a worker has in hand while it works on it, so that the next worker knows what the last one died on.

A thing is marked before the work and cleared after it. What is still in hand when a worker takes a job up again was there when
the last one died: it becomes a suspect, is tried alone, and is set aside when a worker dies on it a second time. Where one
process watches over several workers it says itself which of them died with what in hand.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.store.database import Database

DEATHS = 2
"""Workers that must die on a thing before it is set aside."""
DIED = ("UPDATE hazard SET deaths = deaths + 1, state = CASE WHEN deaths + 1 >= ? THEN 'aside' ELSE 'suspect' END"
        " WHERE job_id = ? AND state = 'in hand'")


class Hazards:
    """Things of a job by name, such as "record 12" or "image 3fa…".

    Marks must outlive a process, not a power cut, and there are several a second: they have a connection that doesn't wait for the disk.
    """

    def __init__(self, database: Database) -> None:
        self._db = Database(database.path, synchronous="NORMAL")

    def mark(self, job_id: int, things: Iterable[str]) -> None:
        """The work on these things starts now. A suspect keeps its count of deaths."""
        with self._db.write() as db:
            db.executemany("INSERT INTO hazard(job_id, thing, state) VALUES (?, ?, 'in hand') ON CONFLICT (job_id, thing) DO UPDATE SET state = 'in hand'"
                           " WHERE state != 'aside'", [(job_id, thing) for thing in things])

    def clear(self, job_id: int, things: Iterable[str]) -> None:
        """The work on these things is done, and the worker lives."""
        with self._db.write() as db:
            db.executemany("DELETE FROM hazard WHERE job_id = ? AND thing = ? AND state != 'aside'", [(job_id, thing) for thing in things])

    def take_stock(self, job_id: int) -> tuple[list[str], list[str]]:
        """(suspects to try alone, things set aside), called once when a worker takes a job up: all in hand outlived its worker."""
        with self._db.write() as db:
            db.execute(DIED, (DEATHS, job_id))
        rows = self._db.rows("SELECT thing, state FROM hazard WHERE job_id = ? ORDER BY thing", (job_id,))
        return [row["thing"] for row in rows if row["state"] == "suspect"], [row["thing"] for row in rows if row["state"] == "aside"]

    def died(self, job_id: int, things: Iterable[str]) -> tuple[list[str], list[str]]:
        """One of several workers died with these things in hand: (those that are suspects now, those that are set aside now)."""
        states: dict[str, str] = {}
        with self._db.write() as db:
            for thing in sorted(things):
                db.execute(f"{DIED} AND thing = ?", (DEATHS, job_id, thing))
                states.update(db.execute("SELECT thing, state FROM hazard WHERE job_id = ? AND thing = ?", (job_id, thing)).fetchall())
        return [thing for thing, state in states.items() if state == "suspect"], [thing for thing, state in states.items() if state == "aside"]

    def close(self) -> None:
        """Close this thread's connection."""
        self._db.close()
