"""A report as one HTML file, with nothing to load."""

from __future__ import annotations

from html import escape

from tidegate.datachecks.base import Finding, Report

STYLE = """
:root { color-scheme: light dark; --ink: #14202b; --soft: #5b6b7a; --line: #d8e0e6; --paper: #fff; --wash: #f4f7f9;
  --error: #b3372f; --warning: #8a6d1a; --note: #2b6c8f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eef3; --soft: #9bb0c0; --line: #2c3b48; --paper: #10181f; --wash: #17222b;
    --error: #f0857d; --warning: #d9b95c; --note: #7cc0e4; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 56rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; letter-spacing: -.01em; }
.when { color: var(--soft); margin: .2rem 0 1.6rem; overflow-wrap: anywhere; }
section { border-top: 3px solid var(--line); background: var(--wash); border-radius: .5rem; padding: 1rem 1.1rem; margin: .9rem 0; }
section.error { border-color: var(--error); } section.warning { border-color: var(--warning); } section.note { border-color: var(--note); }
h2 { font-size: 1.05rem; margin: 0; } h2 small { font-weight: 400; color: var(--soft); float: right; }
p { margin: .35rem 0; }
ul { margin: .5rem 0 0; padding: 0; list-style: none; font-size: .93em; }
li { border-top: 1px solid var(--line); padding: .35rem 0; overflow-wrap: anywhere; } li b { font-weight: 500; }
li span { color: var(--soft); }
"""


def page(report: Report) -> str:
    """The whole file."""
    grave = len(report.errors)
    verdict = f"{grave} to mend first" if grave else "nothing grave"
    body = "".join(_section(one) for one in report.findings) or "<p>Nothing was found.</p>"
    skipped = "".join(
        f"<li><b>{escape(name)}</b> <span>{escape(why)}</span></li>" for name, why in report.skipped.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Data check</title><style>{STYLE}</style></head><body><main><h1>{report.items:,} {report.kind} items: {verdict}</h1>"
        f'<p class="when">{escape(", ".join(report.sources))} &middot; {report.labels:,} labels</p>{body}'
        + (f"<h2>Not checked</h2><ul>{skipped}</ul>" if skipped else "")
        + "</main></body></html>\n"
    )


def _section(one: Finding) -> str:
    shown = "".join(
        f"<li><b>{escape(', '.join(example.items))}</b> <span>{escape(example.words)}</span></li>"
        for example in one.examples
    )
    share = f"{one.count:,} of {one.of:,}" if one.of > 1 else ""
    fix = " <span>(--fix does it)</span>" if one.fixable else ""
    return (
        f'<section class="{one.severity}"><h2>{escape(one.title[:1].upper() + one.title[1:])} <small>{share}</small></h2>'
        f"<p>{escape(one.do)}{fix}</p>" + (f"<ul>{shown}</ul>" if shown else "") + "</section>"
    )
