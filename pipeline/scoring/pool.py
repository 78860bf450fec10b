"""Several processes of this machine share a scoring run: the parent reads windows and hands them out, children score.

Owns the children: starting one a post, feeding it one window ahead of the one in work, taking what it brings, and noticing its
death. A dead child's things in hand become suspects; a fresh child in its place tries each alone and finishes the window, while the
others go on. Writes no scores: what comes is handed on.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from pipeline.errors import ModelError, StudioError
from pipeline.models.planning import Plan
from pipeline.scoring.child import Brought, Child, Failed, PutBack, Ready, Taken, Through
from pipeline.scoring.engine import Counters
from pipeline.scoring.executors import BEAT_S, Assignment, Executor
from pipeline.scoring.pool_child import Post, serve
from pipeline.scoring.watch import MAX_STALLS, Watch
from pipeline.scoring.windows import Finished, Window, pieces, shares_of

if TYPE_CHECKING:
    from pipeline.worker import JobContext

log = logging.getLogger(__name__)

AHEAD = 1
"""Windows a child may have besides the one in work: it need not wait for the parent, and little is held in memory."""
FAILED_STARTS = 3
"""Children of one post that may die one after the other before their model is loaded."""
END_S = 5.0


def pool_of(workers: int) -> Executor:
    """An executor of so many processes. Raises ModelError where children can't start, StudioError where they die in vain."""
    def executor(context: "JobContext", assignment: Assignment, counters: Counters) -> Iterator[Finished]:
        with closing(_Pool(context, assignment, counters, workers)) as pool:
            yield from pool.run()

    return executor


def posts(found: Plan, count: int) -> list[Post]:
    """Where the children work: each on a GPU of its own, or on its part of the threads one process would use."""
    import torch

    threads = max(1, torch.get_num_threads() // count)
    if found.device == "cuda":
        told = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        gpus = [name.strip() for name in told.split(",")] if told else [str(number) for number in range(count)]
    else:
        gpus = [""] * count
    return [Post(number, gpus[number], threads) for number in range(count)]


@dataclass
class _Seat:
    """A post, the child on it, and what that child has."""

    post: Post
    child: Child
    ready: bool = False
    windows: deque[Window] = field(default_factory=deque)
    """Given out, the one in work first."""
    returned: Window | None = None
    """In work when the last child died: for the next child of this post."""
    done: list[Finished] = field(default_factory=list)
    """Of the window in work."""
    failed_starts: int = 0


class _Pool:
    def __init__(self, context: "JobContext", assignment: Assignment, counters: Counters, workers: int) -> None:
        self._assignment, self._counters, self._logs = assignment, counters, context.workspace.logs_dir
        self._watch = Watch(context.store.hazards, context.job.id)
        count = len(assignment.parts)
        self._waiting = pieces(assignment.windows(context.store), count, workers)
        self._left = sum(shares_of(number, count, workers) for number in range(count))
        self._given_back: deque[Window] = deque()
        context.shelf.clear()  # its memory is the children's now
        self._seats: list[_Seat] = []
        for post in posts(assignment.plan, workers):
            self._seats.append(_Seat(post, self._start(post)))

    def run(self) -> Iterator[Finished]:
        """Hand out and take in until everything is finished."""
        while True:
            for depth in range(1 + AHEAD):
                for seat in self._seats:
                    self._feed(seat, depth)
            if not (self._left or any(seat.windows for seat in self._seats)):
                return
            brought = []
            speaking = wait([seat.child.pipe for seat in self._seats], BEAT_S)
            for seat in self._seats:
                if seat.child.pipe in speaking:
                    brought += self._take_in(seat)
            yield from brought or [Finished(note=self._note())]

    def close(self) -> None:
        """End the children: an open pipe is all that keeps them."""
        for seat in self._seats:
            seat.child.pipe.close()
        for seat in self._seats:
            seat.child.end(END_S)
            self._watch.let_go(seat.post.number)

    def _start(self, post: Post) -> Child:
        return Child(serve, self._assignment, post, log=self._logs / f"scoring-{post.number}.log", name=f"scoring {post.number}")

    def _feed(self, seat: _Seat, depth: int) -> None:
        """Give a window to who has `depth` of them. Towards the end nobody gets one ahead that another could start on."""
        if not seat.ready or len(seat.windows) > depth or not self._left or (depth and self._left < len(self._seats)):
            return
        window = self._take_next(seat)
        if window is None:
            return
        self._left -= 1
        window = self._watch.warned(window)
        seat.windows.append(window)
        with suppress(BrokenPipeError, ConnectionResetError):  # its death is noticed when we listen
            seat.child.pipe.send(window)

    def _take_next(self, seat: _Seat) -> Window | None:
        """What its predecessor died on, what another's predecessor did not come to, or the next window."""
        if seat.returned is not None:
            window, seat.returned = seat.returned, None
            return window
        return self._given_back.popleft() if self._given_back else next(self._waiting, None)

    def _take_in(self, seat: _Seat) -> list[Finished]:
        """One message of a child, or the news of its death."""
        try:
            message = seat.child.pipe.recv()
        except (EOFError, OSError):
            self._bury(seat)
            return []
        if isinstance(message, Taken):
            self._watch.take(seat.post.number, message.things)
        elif isinstance(message, PutBack):
            self._watch.put_back(seat.post.number, message.things)
        elif isinstance(message, Brought):
            seat.done.append(message.finished)
            self._counters.add(message.counters)
            return [message.finished]
        elif isinstance(message, Through):
            seat.windows.popleft()
            seat.done = []
        elif isinstance(message, Ready):
            seat.ready, seat.failed_starts = True, 0
        elif isinstance(message, Failed):
            raise message.as_error()
        return []

    def _bury(self, seat: _Seat) -> None:
        """A child is dead: count it against what it had in hand, and seat another one."""
        child = seat.child
        child.end(1.0)
        if not seat.ready:
            seat.failed_starts += 1
            if seat.failed_starts >= FAILED_STARTS:
                raise ModelError(f"a scoring worker died {FAILED_STARTS} times while it started: {child.last_words()}",
                                 hint=f"The end of {child.log}:\n{child.tail()}")
        elif (stalls := self._watch.died(seat.post.number)) >= MAX_STALLS:
            raise StudioError(f"a scoring worker died {stalls} times without getting further: {child.last_words()}",
                              hint=f"What was done is kept. The end of {child.log}:\n{child.tail()}")
        log.warning("scoring worker %s ended with exit status %s; another one takes its place", seat.post.number, child.process.exitcode)
        self._left += len(seat.windows)
        if seat.windows:
            seat.returned = seat.windows.popleft().after(seat.done)
        self._given_back.extend(seat.windows)
        seat.windows.clear()
        seat.done, seat.ready = [], False
        seat.child = self._start(seat.post)

    def _note(self) -> str:
        starting = sum(not seat.ready for seat in self._seats)
        return f"{starting} of {len(self._seats)} workers load the model" if starting else ""

