"""The report as one self-contained HTML file: no other file, no network; charts need a browser with scripts, all else doesn't.

Every text is escaped by the template engine; beyond that the page carries a policy that lets no script run but the two it
was written with (by their digests) and no address be asked.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.records import INSTRUCTION_TYPES, TYPE_LABELS
from pipeline.reporting.charts import figures
from pipeline.reporting.facts import SelectionReport
from pipeline.reporting.words import STAGE_LABELS, settings_text

PAGE = Path(__file__).parent / "page"


def as_html(report: SelectionReport) -> str:
    """The whole page, about 5 MB: most of it is the chart library."""
    from markupsafe import Markup

    library, script = _library(), (PAGE / "page.js").read_text(encoding="utf-8")
    return _template().render(
        report=report, types=[TYPE_LABELS[name] for name in INSTRUCTION_TYPES], stages=STAGE_LABELS, settings=settings_text(report.spec),
        library=Markup(library), script=Markup(script), style=Markup((PAGE / "page.css").read_text(encoding="utf-8")),  # noqa: S704 - our own files
        figures=Markup(_json(figures(report))), policy=policy(library, script))  # noqa: S704 - escaped by _json


def policy(*scripts: str) -> str:
    """A content security policy under which these very scripts run and no others."""
    digests = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts)
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {digests}; base-uri 'none'; form-action 'none'"


@cache
def _library() -> str:
    """The chart library, as its Python package brings it. It holds no end of a script element: that would cut the page."""
    from plotly.offline import get_plotlyjs

    return get_plotlyjs().replace("</script", "<\\/script")


def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(loader=FileSystemLoader(PAGE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(count=_count, score=_score, share=_share, day=_day, picture=_picture)
    return environment.get_template("page.html")


def _json(value: Any) -> str:
    """JSON that can stand inside a script element: no `<` in it."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")


def _count(n: int) -> str:
    return f"{n:,}"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


def _share(n: int, of: int) -> str:
    return "–" if not of else f"{100 * n / of:.1f} %"


def _day(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _picture(thumbnail: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(thumbnail).decode()}"
