"""The measure of how well scorers find planted faults."""

from __future__ import annotations

from typing import Any

from pipeline.planted import PlantedAUC, planted_auc
from pipeline.records import WHOLE, Record, Score, Turn


def record(number: int, planted: Any) -> Record:
    return Record(str(number), (Turn("Q?", ("A", "B")),), "detail", True, extra={} if planted is None else {"planted": planted}, id=number)


def told(question: list[str], *answers: list[str]) -> dict[str, Any]:
    return {"question_faults": question, "answer_faults": [list(answers)]}


def test_perfect_order_is_one_and_reversed_order_is_nought() -> None:
    records = [record(1, told([])), record(2, told(["generic"])), record(3, told([]))]

    def with_values(*values: float) -> dict[int, list[Score]]:
        return {i + 1: [Score(i + 1, WHOLE, WHOLE, value)] for i, value in enumerate(values)}

    assert planted_auc(records, with_values(3, 1, 2), "question") == PlantedAUC(1.0, 2, 1)
    assert planted_auc(records, with_values(1, 3, 2), "question") == PlantedAUC(0.0, 2, 1)
    assert planted_auc(records, with_values(2, 2, 2), "question") == PlantedAUC(0.5, 2, 1)


def test_each_answer_candidate_counts_for_itself() -> None:
    records = [record(1, told([], [], ["wordy"]))]
    scores = {1: [Score(1, 0, 0, 0.4), Score(1, 0, 1, 0.9)]}
    assert planted_auc(records, scores, "answer") == PlantedAUC(0.0, 1, 1)


def test_texts_without_a_number_or_without_the_field_do_not_count() -> None:
    records = [record(1, told([])), record(2, told(["generic"])), record(3, None), record(4, "nonsense"), record(5, {"question_faults": []})]
    scores = {n: [Score(n, WHOLE, WHOLE, None if n == 1 else float(n))] for n in range(1, 6)}
    assert planted_auc(records, scores, "question") == PlantedAUC(1.0, 1, 1)
    assert planted_auc(records, {5: [Score(5, 0, 0, 1.0)]}, "answer") is None


def test_nothing_planted_says_nothing() -> None:
    assert planted_auc([record(1, None)], {1: [Score(1, WHOLE, WHOLE, 1.0)]}, "question") is None
