"""How long the server takes for what the Select page asks: one HTTP client, one question after another, none asked twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np

from tests.tools.vocabulary import vocabulary

PAGE = 48
TYPES = ("conversation", "detail", "complex")
BULK = 100_000
BEST = {"by": "answer", "ascending": False}


@dataclass(frozen=True)
class Times:
    """How long one kind of question took, in milliseconds, in the order of asking."""

    name: str
    ms: tuple[float, ...]

    def at(self, share: float) -> float:
        """Quantile; a share of 0.95 of six or fewer is the slowest."""
        return float(np.quantile(self.ms, share, method="higher"))

    def as_json(self) -> dict[str, float]:
        return {"n": len(self.ms), "p50": round(self.at(0.5), 1), "p95": round(self.at(0.95), 1), "most": round(max(self.ms), 1)}


class Asker:
    """Asks a running studio about one data set and keeps the times."""

    def __init__(self, address: str, dataset_id: int) -> None:
        self._client = httpx.Client(base_url=address, timeout=300, headers={"x-align-person": "bench"})
        self._dataset = dataset_id

    def get(self, path: str, **query: Any) -> tuple[float, httpx.Response]:
        return self._timed("GET", path, params={"dataset": self._dataset, **query})

    def post(self, path: str, body: dict[str, Any]) -> tuple[float, httpx.Response]:
        return self._timed("POST", path, json={"dataset": self._dataset, **body})

    def put(self, path: str, body: dict[str, Any]) -> tuple[float, httpx.Response]:
        return self._timed("PUT", path, json={"dataset": self._dataset, **body})

    def _timed(self, method: str, path: str, **what: Any) -> tuple[float, httpx.Response]:
        """(milliseconds, answer). Raises RuntimeError with the server's words where it says no."""
        started = time.perf_counter()
        response = self._client.request(method, path, **what)
        took = 1000 * (time.perf_counter() - started)
        if response.status_code != 200:
            raise RuntimeError(f"{method} {path} {what}: {response.status_code} {response.text[:400]}")
        return took, response

    def repeated(self, name: str, times: int, ask: Callable[[int], tuple[float, httpx.Response]]) -> Times:
        """What `ask(0)`, `ask(1)` … took."""
        return Times(name, tuple(ask(n)[0] for n in range(times)))

    def pages(self, name: str, wishes: Iterable[tuple[dict[str, Any], dict[str, Any], int]]) -> Times:
        """One page of records for each (query, sort, offset)."""
        return Times(name, tuple(self.post("/api/record-lists/page", {"query": query, "sort": sort, "offset": offset, "limit": PAGE})[0] for query, sort, offset in wishes))


def ranges(count: int, name: str, flag: str | None) -> list[dict[str, Any]]:
    """So many filters that differ: a range on a score, one type, a flag where the data set has one."""
    return [{"ranges": {name: [round(float(low), 3), round(float(low) + 1.0, 3)]}, "types": [TYPES[n % 3]], **({"flags": {flag: n % 4 == 0}} if flag else {})}
            for n, low in enumerate(np.linspace(-1.5, 1.5, count))]


def texts() -> dict[str, list[str]]:
    """Searches by kind; the words are those of the generator, whose frequency is known."""
    nouns = vocabulary().words["noun"]
    return {"rare word": [str(word) for word in nouns[9_000:9_006]], "common word": [str(word) for word in nouns[:6]],
            "two words": [f"{nouns[n]} {nouns[n + 40]}" for n in range(6)], "phrase": [f'"next to the {nouns[n]}"' for n in range(6)]}


def ask_everything(asker: Asker, records: int) -> Iterator[Times]:
    """Everything that reads, and moved cuts. The store is left as it was."""
    yield Times("overview, first", (asker.get("/api/selections/overview")[0],))
    overview = asker.get("/api/selections/overview")[1].json()
    yield asker.repeated("overview", 5, lambda n: asker.get("/api/selections/overview"))
    yield asker.repeated("cube", 5, lambda n: asker.get("/api/selections/cube"))
    specs = [moved(overview["spec"], share) for share in np.linspace(0.12, 0.55, 12)]
    yield asker.repeated("exact numbers of moved cuts", len(specs), lambda n: asker.post("/api/selections/preview", {"spec": specs[n]}))
    yield asker.pages("page, first", [({}, BEST, 0)])
    yield asker.pages("page", [({}, BEST, offset) for offset in range(PAGE, 13 * PAGE, PAGE)])
    yield asker.pages("page from the middle", [({}, BEST, int(records * share)) for share in np.linspace(0.3, 0.9, 8)])
    yield asker.pages("page, another order", [({}, {"by": by, "ascending": up}, 0) for by in ("question", "row", "answer", "answer_words", "turns") for up in (True, False)])
    yield from _filters(asker)
    for kind, words in texts().items():
        yield asker.pages(f"search, {kind}", [({"text": word}, BEST, 0) for word in words])
    yield from _records(asker)


def _filters(asker: Asker) -> Iterator[Times]:
    columns = asker.get("/api/record-lists/columns")[1].json()["columns"]
    flag = flag_of(asker)
    told = [column["name"] for column in columns][:10]  # the rail shows about ten at once
    yield asker.pages("page of a filter", [(query, BEST, 0) for query in ranges(20, "question", flag)])
    counted, faceted, joint = ranges(20, "answer", flag), ranges(12, "answer_words", flag), ranges(12, "question_words", flag)
    yield asker.repeated("count of a filter", 20, lambda n: asker.post("/api/record-lists/count", {"query": counted[n]}))
    yield asker.repeated("facets of a filter", 12, lambda n: asker.post("/api/record-lists/facets", {"query": faceted[n], "columns": told}))
    yield asker.repeated("joint view of a filter", 12, lambda n: asker.post("/api/record-lists/joint", {"query": joint[n]}))


def _records(asker: Asker) -> Iterator[Times]:
    walked = {"query": ranges(20, "question", None)[7], "sort": BEST}
    record = asker.post("/api/record-lists/page", {**walked, "offset": 0, "limit": 1})[1].json()["records"][0]["id"]
    steps = []
    for _ in range(30):
        took, answer = asker.post("/api/record-lists/walk", {**walked, "record": record, "step": 1})
        record = answer.json()["record"] or record
        steps.append(took)
    yield Times("a step of the walk", tuple(steps))
    yield asker.repeated("detail of a record", 12, lambda n: asker.get("/api/record-lists/detail", record=record - n))


def decide_in_bulk(asker: Asker, records: int) -> tuple[int, list[Times]]:
    """Keep every record of one filter of about 100,000 and take it back. How many they were, and the times."""
    query = about(asker, min(BULK, records // 4))
    total = asker.post("/api/record-lists/count", {"query": query})[1].json()["total"]
    kept, answer = asker.post("/api/decisions/decide-all", {"query": query, "verdict": "keep", "expected": total})
    action = answer.json()["action"]
    after, _ = asker.post("/api/record-lists/page", {"query": {"show": "hand"}, "sort": BEST, "offset": 0, "limit": PAGE})
    preview, _ = asker.get("/api/decisions/undo-preview", action=action)
    undone, _ = asker.post("/api/decisions/undo", {"action": action})
    told = {"keep all of a filter": kept, "first page after it": after, "what an undo would do": preview, "undo of it": undone}
    return total, [Times(name, (ms,)) for name, ms in told.items()]


def flag_of(asker: Asker) -> str | None:
    """A flag to filter by, None where no signal gives one."""
    return next((column["name"] for column in asker.get("/api/record-lists/columns")[1].json()["columns"] if column["name"] == "refusal"), None)


def about(asker: Asker, wanted: int) -> dict[str, Any]:
    """A filter by question score that about so many records pass."""
    low, high = -4.0, 4.0
    for _ in range(14):
        middle = (low + high) / 2
        total = asker.post("/api/record-lists/count", {"query": {"ranges": {"question": [round(middle, 4), None]}}})[1].json()["total"]
        low, high = (middle, high) if total > wanted else (low, middle)
    return {"ranges": {"question": [round((low + high) / 2, 4), None]}}


def moved(spec: dict[str, Any], share: float) -> dict[str, Any]:
    """The same selection with the same share in every cut of the first stage."""
    return {**spec, "question": {group: {"mode": "share", "amount": round(float(share), 4)} for group in spec["question"]}}
