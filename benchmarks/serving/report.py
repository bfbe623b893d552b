"""results/*.json -> RESULTS.md: `python -m benchmarks.serving.report`. Every figure with its spread, its machine and
its bias.

Each script's JSON has a function here of the same name; a script that wasn't run leaves its section out.
"""

# ruff: noqa: E501 - rows of tables are easier to read unbroken

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.serving import results

PAGE = Path(__file__).with_name("RESULTS.md")

BIAS = """\
## What this benchmark is biased by

- **We wrote it.** Peers run with the best of the settings that we tried, not with the best there are. Their access
logs and dashboards are
  off, which is in their favour; none of them keeps its predictions, while Tidegate keeps every one.
- **The model is tiny** (a logistic regression, some 0.1 ms a call). So this measures what a server adds. With a
model of 20 ms they would
  all look alike.
- **One body, again and again.** A branch predictor and a cache like that. It is the same for all, but BentoML and
MLflow take their own,
  shorter form of the question.
- **The load generator is on the same machine.** Pinned, it has a core of its own; free, it takes a share of what the
servers have.
- **wrk is a closed loop**: a connection asks again when it was answered, so a slow server is asked less, and its p99
looks better than what
  callers who don't wait would see. The steady rate below is an open loop and has no such mercy.
- **Two cores of a shared host.** Absolute figures move by tens of percent within an hour. Compare within a round,
and mind the spread.
- **Bare Granian does no work**: its answer is fixed, and no process is crossed. It is a yardstick, not a server.
- Peers are stopped while others are visited; Tidegate's variants are not, and their idling (a few percent of a core each) slows all alike.
- **Tidegate's ingest works beside the requests**, on the same cores, and what it does after a visit is waited for and shown as "later". A visit
  of some seconds sees a part of its periodic work, now more, now less: a reason for the spread.
"""


def compare(content: dict[str, Any]) -> str:
    """The tables of one run of compare.py."""
    lines: list[str] = []
    bars = content["bars"]
    if bars:
        lines += ["| bar | connections | wanted | median | least | most | |", "|---|---|---|---|---|---|---|"]
        for bar in bars:
            ratio = median(bar["ratios"])
            met = ratio >= bar["bound"] if bar["sense"] == ">=" else ratio <= bar["bound"]
            word = "met" if met else "**missed**"
            spread = f"{min(bar['ratios']):.2f} | {max(bar['ratios']):.2f}"
            lines.append(
                f"| {bar['what']} | {bar['connections']} | {bar['sense']} {bar['bound']:g} | {ratio:.2f} | {spread} | {word} |"
            )
        lines.append("")
    visits = content["visits"]
    for count in content["connections"]:
        title = f"| {count} connection{'s' if count > 1 else ''} | requests/s | least | most | of bare | least | most "
        lines += [title + "| p50 ms | p99 ms | CPU us a request | later | failed |", "|---|" + "---|" * 11]
        for name in content["systems"]:
            own = [v for v in visits if v["system"] == name and v["connections"] == count]
            if not own:
                continue
            bare = {
                v["round"]: v["rps"] for v in visits if v["system"] == "granian-parse" and v["connections"] == count
            }
            ratios = [v["rps"] / bare[v["round"]] for v in own if v["round"] in bare] or [float("nan")]
            rates = [v["rps"] for v in own]
            lines.append(
                f"| {name} | {median(rates):,.0f} | {min(rates):,.0f} | {max(rates):,.0f} | {median(ratios):.3f} | {min(ratios):.3f} | "
                f"{max(ratios):.3f} | {_mid(own, 'p50_us') / 1e3:.2f} | {_mid(own, 'p99_us') / 1e3:.2f} | {_mid(own, 'cpu_us'):.0f} | "
                f"{_mid(own, 'later_us'):.0f} | {sum(v['failed'] for v in own)} |"
            )
        lines.append("")
    others = [v["others"] for v in visits]
    lines.append(
        f"{content['rounds']} rounds of {content['seconds']:g} s a visit, {content['workers']} worker(s) a server, {content['load']}. "
        f"Everything else on the watched core(s) took {median(others):.0%} of a core in the median visit, {max(others):.0%} at most."
    )
    if content["left_out"]:
        lines.append(f"\nDid not start here: {', '.join(content['left_out'])}.")
    lines += [
        "",
        "<details><summary>Settings and versions</summary>",
        "",
        "| system | settings | versions | first answer, s |",
        "|---|---|---|---|",
    ]
    for name, one in content["systems"].items():
        versions = ", ".join(f"{package} {version}" for package, version in one["versions"].items())
        lines.append(f"| {name} | {one['settings']} | {versions} | {one['ready_s']:.1f} |")
    lines += ["", "</details>"]
    return "\n".join(lines)


def _mid(visits: Sequence[dict[str, Any]], key: str) -> float:
    return float(median(v[key] for v in visits))


def _aim(value: float, bound: float) -> str:
    return "met" if value <= bound else "**missed**"


def footprint(content: dict[str, Any]) -> str:
    """Memory at rest and time to ready."""
    ready, rss, pss, idle = content["ready_s"], content["rss_mb"], content["pss_mb"], content["idle_core_share"]
    lines = [
        "| | median | least | most | aim | |",
        "|---|---|---|---|---|---|",
        f"| from start to the first answer, s | {ready['median']:.2f} | {ready['min']:.2f} | {ready['max']:.2f} | < 3 | {_aim(ready['median'], 3)} |",
        f"| RSS of all processes, MB | {rss['median']:.0f} | {rss['min']:.0f} | {rss['max']:.0f} | < 400 | {_aim(rss['median'], 400)} |",
        f"| PSS of all processes, MB | {pss['median']:.0f} | {pss['min']:.0f} | {pss['max']:.0f} | | |",
        f"| a core's share while idle | {idle['median']:.1%} | {idle['min']:.1%} | {idle['max']:.1%} | | |",
        "",
        "| process | RSS MB | PSS MB |",
        "|---|---|---|",
    ]
    for name, (rss_mb, pss_mb) in sorted(content["by_process_mb"].items()):
        lines.append(f"| {name} | {rss_mb:.0f} | {pss_mb:.0f} |")
    lines.append(f"\n{len(ready['all'])} starts, weighed {content['rest_s']:g} s after the last of ten requests.")
    return "\n".join(lines)


def _processes(rows: Sequence[dict[str, Any]]) -> list[str]:
    return sorted({name for row in rows for name in row["cpu_us"]})


def grow(content: dict[str, Any]) -> str:
    """Two tables: by connections, by size."""
    lines: list[str] = []
    for title, key, rows in (
        ("connections", "connections", content["by_connections"]),
        ("body", "bytes", content["by_size"]),
    ):
        names = _processes(rows)
        lines += [
            "| "
            + title
            + " | requests/s | MB/s in | p50 ms | p99 ms | "
            + " | ".join(f"{n}, us CPU" for n in names)
            + " | later | failed |"
        ]
        lines += ["|---" * (7 + len(names)) + "|"]
        for row in rows:
            cells = " | ".join(f"{row['cpu_us'].get(name, 0):,.0f}" for name in names)
            label = f"{row[key]:,}" + (f" {row['kind']}" if "kind" in row else "")
            lines.append(
                f"| {label} | {row['rps']:,.1f} | {row['rps'] * row['bytes'] / 1e6:,.1f} | {row['p50_ms']:.2f} | {row['p99_ms']:.2f} | {cells} | "
                f"{row['later_us']:,.0f} | {row['failed']} |"
            )
        lines.append("")
    lines.append(
        f"CPU in microseconds a request; bodies at 4 connections; {content['seconds']:g} s each; {content['load']}."
    )
    return "\n".join(lines)


def slo(content: dict[str, Any]) -> str:
    """The steady rate."""
    memory = content["memory"]
    total = [sum(sample["rss_mb"].values()) for sample in memory]
    grown = ", ".join(f"{name} {value:+.1f}" for name, value in content["growth_mb"].items())
    shares = ", ".join(f"{name} {share:.1%}" for name, share in sorted(content["cpu_share"].items()) if share >= 0.001)
    failed = sum(content["failures"].values())
    lines = [
        "| | | wanted | |",
        "|---|---|---|---|",
        f"| rate and time | {content['rate']:,.0f} a second for {content['seconds'] / 60:g} min: {content['sent']:,} sent | | |",
        f"| failed | {failed} {content['failures'] or ''} | 0 | {_aim(failed, 0)} |",
        f"| p50, p99, p99.9, max | {content['p50_ms']:.2f}, {content['p99_ms']:.2f}, {content['p999_ms']:.1f}, {content['max_ms']:.1f} ms | p99 < 50 ms | {_aim(content['p99_ms'], 50)} |",
        f"| slower than 500 ms | {content['over_500_ms']} | 0 | {_aim(content['over_500_ms'], 0)} |",
        f"| in the prediction log afterwards | {content['logged']:,} of {content['sent'] + content['warm_up'] - failed:,}, warm-up included | all | "
        f"{'met' if content['logged'] == content['sent'] + content['warm_up'] - failed else '**missed**'} |",
        f"| RSS of all, MB, least to most | {min(total, default=0):.0f} to {max(total, default=0):.0f} | flat | |",
        f"| grown from the second fifth to the last, MB | {grown} | | |",
        f"| share of a core | {shares} | | |",
        f"| the generator's own worst delay | {content['generator_late_ms']:.1f} ms | | |",
    ]
    return "\n".join(lines)


def spent(content: dict[str, Any]) -> str:
    """CPU a request a process, and the functions that took it."""
    rows = content["cpu"]
    names = _processes(rows)
    lines = [
        "| connections | requests/s | " + " | ".join(f"{name}, us" for name in names) + " | sum | later |",
        "|---" * (4 + len(names)) + "|",
    ]
    for row in rows:
        cells = " | ".join(f"{row['cpu_us'].get(name, 0):.0f}" for name in names)
        lines.append(
            f"| {row['connections']} | {row['rps']:,.0f} | {cells} | {sum(row['cpu_us'].values()):.0f} | {row['later_us']:.0f} |"
        )
    for name, found in content["functions"].items():
        if not found["samples"]:
            continue
        lines += [
            "",
            f"**{name}** at 64 connections, {found['samples']} samples of py-spy",
            "",
            "| in itself | | with what it calls | |",
            "|---|---|---|---|",
        ]
        for own, total in zip(found["self"], found["total"], strict=False):
            lines.append(f"| `{own[0]}` | {own[1]:.1%} | `{total[0]}` | {total[1]:.1%} |")
    return "\n".join(lines)


def change(content: dict[str, Any]) -> str:
    """How soon a split is in force."""
    lines = ["| | median ms | least | most | wanted | failed of requests | |", "|---|---|---|---|---|---|---|"]
    for key, title, bound in (
        ("file", "a new routing table to every gateway worker", 100.0),
        ("apply", "`apply` of an edited project file, the whole way", None),
    ):
        ms, failed = content[key]["ms"], content[key]["failed"]
        word = _aim(ms["max"], bound) if bound and not failed else "**missed**" if failed else ""
        lines.append(
            f"| {title} | {ms['median']:.0f} | {ms['min']:.0f} | {ms['max']:.0f} | {f'<= {bound:g}' if bound else ''} | {failed} of {content[key]['requests']:,} | {word} |"
        )
    lines.append(
        f"\n{content['changes']} changes each, {content['workers']} gateway workers, {content['connections']} connections that ask all the time."
    )
    return "\n".join(lines)


def switch(content: dict[str, Any]) -> str:
    """A blue-green switch and its return."""
    lines = ["| | median ms | least | most | failed of requests | |", "|---|---|---|---|---|---|"]
    for key, title in (
        ("there_ms", "`rollout promote`: until the last request that the old version answered"),
        ("back_ms", "`rollout undo`: until the last request that the new version answered"),
    ):
        ms, failed = content[key], content["failed"]
        lines.append(
            f"| {title} | {ms['median']:.0f} | {ms['min']:.0f} | {ms['max']:.0f} | {failed} of {content['requests']:,} | {'**missed**' if failed else 'met (0)'} |"
        )
    lines.append(
        f"\n{content['switches']} switches, {content['rate']:,} requests a second over {content['connections']} connections, {content['workers']} gateway workers."
    )
    return "\n".join(lines)


def shadow(content: dict[str, Any]) -> str:
    """Callers with and without a shadow behind them."""
    lines = [
        "| callers' latency | without, ms | with, ms | ratio | least | most | wanted | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key in ("p50", "p99"):
        ratio = content["ratio"][key]
        word = _aim(ratio["median"], 1.1) if key == "p99" else ""
        lines.append(
            f"| {key} | {content['without'][key]['median']:.2f} | {content['with'][key]['median']:.2f} | {ratio['median']:.2f} | {ratio['min']:.2f} | {ratio['max']:.2f} | {'<= 1.1' if key == 'p99' else ''} | {word} |"
        )
    busy = content["flat_out"]
    lines.append(
        f"\n{content['rounds']} rounds of {content['seconds']:g} s each way, {content['rate']:g} requests a second over {content['connections']} connections, 100% copied to a second runner "
        f"of the same model; {content['dropped_at_rate']} copies dropped at this rate. Flat out over {busy['connections']} connections: {busy['answered']:,} answered, "
        f"{busy['failed']} failed, {busy['dropped']:,} copies dropped."
    )
    return "\n".join(lines)


SECTIONS: tuple[tuple[str, str, Callable[[dict[str, Any]], str]], ...] = (
    ("compare-pinned", "Beside others, the server on one core and wrk on the other", compare),
    ("far-pinned", "Beside BentoML, LitServe, MLServer, MLflow and Ray Serve, placed likewise", compare),
    ("compare-free", "Beside others, all on both cores", compare),
    ("far-free", "Beside BentoML, LitServe, MLServer, MLflow and Ray Serve, all on both cores", compare),
    ("slo", "A steady rate", slo),
    ("footprint", "At rest, and at the start", footprint),
    ("change", "A new split", change),
    ("switch", "A blue-green switch under traffic", switch),
    ("shadow", "A shadow on all of the traffic", shadow),
    ("grow", "As connections and payloads grow", grow),
    ("spent", "Where the time goes", spent),
)


def page(folder: Path = results.FOLDER) -> str:
    """The whole page."""
    parts = [
        "# Results\n\nWritten by `python -m benchmarks.serving.report` from `results/*.json`; what is measured and how: [../README.md](../README.md).\n"
    ]
    for name, title, render in SECTIONS:
        content = results.read(name, folder)
        if content is None:
            continue
        m = content["machine"]
        shared = (
            "; beside other work, which the kernel was asked to serve after this (BENCH_PREFER)"
            if m["preferred"]
            else ""
        )
        where = f"{m['machine']}; {m['kernel']}; Python {m['python']}; commit {m['commit']}; {m['date']}; load before {m['load_before']}{shared}"
        parts.append(f"## {title}\n\n_{where}_\n\n{render(content)}\n")
    parts.append(BIAS)
    return "\n".join(parts)


def main() -> None:
    PAGE.write_text(page())
    print(f"written: {PAGE.name}")


if __name__ == "__main__":
    main()
