"""The report's charts as plain Plotly figures: data and layout as dictionaries. Pure; imports no chart library.

A colour is the name of a CSS variable of the page ("--accent"); the page's script puts in its value, so that one figure
serves light, dark and paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS
from pipeline.reporting.facts import Bars, SelectionReport, TypeRow

Figure = dict[str, Any]
GAP = 0.09
"""Share of the height left free between two histograms."""


def figures(report: SelectionReport) -> dict[str, Figure]:
    """{"funnel": …, "question": …, "answer": …}; a stage without any score has no chart."""
    found = {"funnel": funnel(report.funnel)}
    found.update({stage: histograms(rows, f"{stage.capitalize()} score") for stage, rows in report.bars.items() if any(row.edges for row in rows)})
    return found


def funnel(rows: Sequence[TypeRow]) -> Figure:
    """Records left after each step, one stacked bar a step, one colour a type."""
    steps = (("imported", "Imported"), ("question", "Passed the question cut"), ("answer", "Passed the answer cut"), ("kept", "Kept"))
    types = [row for row in rows if row.group in INSTRUCTION_TYPES]
    data = [{"type": "bar", "orientation": "h", "name": TYPE_LABELS[row.group], "marker": {"color": f"--type-{row.group}"},
             "y": [label for _, label in steps], "x": [getattr(row, step) for step, _ in steps], "hovertemplate": "%{x:,}<extra>" + TYPE_LABELS[row.group] + "</extra>"} for row in types]
    return {"data": data, "layout": {"barmode": "stack", "height": 210, "showlegend": True, "yaxis": {"autorange": "reversed"}, "xaxis": {"tickformat": ","}, "bargap": 0.35}}


def histograms(rows: Sequence[Bars], title: str) -> Figure:
    """One histogram a type above each other on one axis of scores: what passed, what was left out, and the line."""
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"barmode": "stack", "height": 70 + 105 * len(rows), "bargap": 0.04, "showlegend": True, "shapes": [], "annotations": [],
                              "xaxis": {"title": {"text": title}, "anchor": f"y{len(rows) if len(rows) > 1 else ''}"}}
    for number, row in enumerate(rows, 1):
        name = "" if number == 1 else str(number)
        top = 1 - (number - 1) * (1 + GAP) / (len(rows) + GAP * (len(rows) - 1))
        bottom = max(0.0, top - 1 / (len(rows) + GAP * (len(rows) - 1)))
        layout[f"yaxis{name}"] = {"domain": [bottom, top], "nticks": 3, "tickformat": ","}
        centres = [(low + high) / 2 for low, high in zip(row.edges, row.edges[1:])]
        width = row.edges[1] - row.edges[0] if len(row.edges) > 1 else 1.0
        for label, counts, colour in (("Passed", row.passed, f"--type-{row.group}"), ("Left out", row.lost, "--faint")):
            data.append({"type": "bar", "x": centres, "y": list(counts), "width": width * 0.96, "xaxis": "x", "yaxis": f"y{name}", "name": label, "marker": {"color": colour}, "legendgroup": label,
                         "showlegend": number == 1, "hovertemplate": "score %{x:.3g}: %{y:,}<extra>" + row.label + ", " + label.lower() + "</extra>"})
        if row.line is not None:
            layout["shapes"].append({"type": "line", "xref": "x", "yref": f"y{name} domain", "x0": row.line, "x1": row.line, "y0": 0, "y1": 1, "line": {"color": "--ink", "width": 1.5, "dash": "dot"}})
        layout["annotations"].append({"xref": "paper", "yref": f"y{name} domain", "x": 0, "y": 1, "xanchor": "left", "yanchor": "top", "showarrow": False,
                                      "text": f"{row.label} · {sum(row.passed):,} of {sum(row.passed) + sum(row.lost) + row.without:,}", "font": {"color": "--ink-2", "size": 12}})
    return {"data": data, "layout": layout}
