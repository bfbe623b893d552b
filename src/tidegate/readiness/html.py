"""A report as one HTML file, with nothing to load: to attach, to print, to keep."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from tidegate.readiness.base import SECTIONS, TITLES, Check, Report

STYLE = """
:root { color-scheme: light dark; --ink: #14202b; --soft: #5b6b7a; --line: #d8e0e6; --paper: #fff; --wash: #f4f7f9;
  --held: #1d7f5f; --hand: #8a6d1a; --missed: #b3372f; --unknown: #5b6b7a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eef3; --soft: #9bb0c0; --line: #2c3b48; --paper: #10181f; --wash: #17222b;
    --held: #58c79f; --hand: #d9b95c; --missed: #f0857d; --unknown: #9bb0c0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.05rem; margin: 2.4rem 0 .4rem; }
.when { color: var(--soft); margin: .2rem 0 1.6rem; }
.score { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; }
.score div { background: var(--wash); border-radius: .6rem; padding: .8rem 1rem; }
.score b { display: block; font-size: 1.7rem; font-variant-numeric: tabular-nums; line-height: 1.2; }
.score span { color: var(--soft); }
table { width: 100%; border-collapse: collapse; }
td { border-top: 1px solid var(--line); padding: .5rem .6rem .5rem 0; vertical-align: top; }
td:first-child { width: 5.2rem; white-space: nowrap; font-weight: 600; }
td + td + td { color: var(--soft); width: 45%; }
code { font-size: .92em; background: var(--wash); padding: .08em .35em; border-radius: .3em; overflow-wrap: anywhere; }
.held { color: var(--held); } .by-hand { color: var(--hand); } .missed { color: var(--missed); }
.unknown, .not-asked { color: var(--unknown); }
ol { padding-left: 1.3rem; }
li { margin: .35rem 0; }
@media (max-width: 34rem) {
  td { display: block; border: 0; padding: .1rem 0; width: auto !important; }
  tr { display: block; border-top: 1px solid var(--line); padding: .6rem 0; } }
@media print { main { padding: 0; } tr { break-inside: avoid; } }
"""


def page(report: Report) -> str:
    """The whole file."""
    when = datetime.fromtimestamp(report.time, UTC).strftime("%Y-%m-%d %H:%M UTC")
    verdict = "Ready" if report.ready else f"Not ready: {len(report.faults)} faults"
    parts = "".join(
        f"<div><b>{report.sections[name]:g}</b><span>of 7, {escape(TITLES[name])}</span></div>" for name in SECTIONS
    )
    nexts = "".join(f"<li>{escape(check.title)}: {_ticks(check.do)}</li>" for check in report.next[:8] if check.do)
    sections: dict[str, list[Check]] = {}
    for check in report.questionnaire:
        sections.setdefault(check.section, []).append(check)
    asked = "".join(f"<h2>{escape(QUESTIONNAIRE[name])}</h2>{_table(checks)}" for name, checks in sections.items())
    tests = "".join(
        f"<h2>ML Test Score: {escape(TITLES[name])}</h2>{_table([check for check in report.rubric if check.section == name])}"
        for name in SECTIONS
    )
    title = f"{escape(report.endpoint)}, version {escape(report.version or '-')}"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(report.endpoint)}: readiness</title><style>{STYLE}</style></head><body><main>"
        f'<h1>{title}: <span class="{"held" if report.ready else "missed"}">{verdict}</span></h1>'
        f'<p class="when">{when} &middot; ML Test Score {report.score:g}: {escape(report.meaning)}</p>'
        f'<div class="score">{parts}</div>'
        + (f"<h2>What to do next</h2><ol>{nexts}</ol>" if nexts else "")
        + asked
        + tests
        + "</main></body></html>\n"
    )


QUESTIONNAIRE = {**TITLES, "baselines": "Baselines, data and the way back"}


def _table(checks: list[Check]) -> str:
    rows = "".join(
        f'<tr><td class="{check.status.replace(" ", "-")}">{check.status}</td><td>{escape(check.title)}</td>'
        f"<td>{escape(check.found)}{' &rarr; ' + _ticks(check.do) if check.do else ''}</td></tr>"
        for check in checks
    )
    return f"<table>{rows}</table>"


def _ticks(text: str) -> str:
    """`code` as HTML's."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))
