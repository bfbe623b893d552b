"""What open dashboards cost: `python -m benchmarks.dashboard.browsers [--rounds 8] [--seconds 15] [--browsers 10]`.

    steady requests --> gateway --------------------------------> CPU microseconds a request
    Chromium, 10 windows (half overview, half endpoint) --> web -> CPU, share of a core
    rounds in turn: none open, all open, none open, ...           ratios of neighbours, their median and its 95% interval

And how long a first view takes: a fresh browser profile (cold) and the next page of the same one (warm), until the page's figures
are there. Needs Chromium on the PATH or in CHROMIUM.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from tests.support.load import row_body
from tests.support.system import System

from benchmarks.serving import paced
from benchmarks.serving.machine import describe
from benchmarks.serving.say import say, stop

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-renderer-backgrounding"]
RATE = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--browsers", type=int, default=10)
    parser.add_argument("--out", default="benchmarks/dashboard/results/browsers.json")
    args = parser.parse_args()
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        stop("no Chromium: `make browser` installs it, or name it in CHROMIUM")
    machine = describe()
    with tempfile.TemporaryDirectory() as folder:
        system = System(Path(folder)).start()
        try:
            found = asyncio.run(measure(system, str(browser), args))
        finally:
            system.stop()
    out = Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"machine": machine, **found}, indent=1) + "\n")


async def measure(system: System, browser: str, args: argparse.Namespace) -> dict[str, Any]:
    """All figures, in one run."""
    from playwright.async_api import async_playwright

    load = asyncio.create_task(paced.drive(f"{system.http}/v2/models/row/infer", row_body(), RATE, 3600.0))
    await asyncio.sleep(75)  # a minute of profiles to show
    web, gateways = psutil.Process(system.pid("web")), [psutil.Process(pid) for pid in pids(system, "gateway")]
    async with async_playwright() as playwright:
        views = await first_views(playwright, browser, system.control)
        rounds: list[dict[str, float]] = []
        for number in range(2 * args.rounds):
            count = args.browsers if number % 2 else 0
            chromium = await playwright.chromium.launch(executable_path=browser, args=FLAGS)
            for each in range(count):
                window = await chromium.new_context(viewport={"width": 1280, "height": 800})
                page = await window.new_page()
                await page.goto(f"{system.control}/{'endpoints/row' if each % 2 else ''}")
            await asyncio.sleep(4)
            rounds.append({"browsers": count, **(await spent(system, web, gateways, args.seconds))})
            await chromium.close()
            await asyncio.sleep(2)
            last = rounds[-1]
            say(
                f"{count:>3} browsers  web {last['web']:6.1%} of a core  gateway {last['gateway_us']:7.1f} us a request"
            )
    load.cancel()
    return {"rate": RATE, "first_view": views, "rounds": rounds, **compare(rounds)}


async def spent(
    system: System, web: psutil.Process, gateways: list[psutil.Process], seconds: float
) -> dict[str, float]:
    """CPU of the web process (cores) and of the gateways (microseconds a request answered) over some seconds."""
    began, asked = time.monotonic(), requests(system)
    before = [cpu(web), sum(map(cpu, gateways))]
    await asyncio.sleep(seconds)
    took, answered = time.monotonic() - began, requests(system) - asked
    after = [cpu(web), sum(map(cpu, gateways))]
    return {
        "web": (after[0] - before[0]) / took,
        "gateway_us": (after[1] - before[1]) / answered * 1e6,
        "rate": answered / took,
        "web_mb": web.memory_info().rss / 1e6,
    }


async def first_views(playwright: Any, browser: str, control: str) -> dict[str, list[float]]:
    """Seconds from asking for the overview until a row of it is there."""
    found: dict[str, list[float]] = {"cold": [], "warm": []}
    for _ in range(5):
        chromium = await playwright.chromium.launch(executable_path=browser, args=FLAGS)
        window = await chromium.new_context(viewport={"width": 1280, "height": 800})
        for kind in ("cold", "warm"):
            page = await window.new_page()
            began = time.perf_counter()
            await page.goto(control + "/", wait_until="commit")
            await page.get_by_text("row", exact=True).first.wait_for(timeout=30_000)
            found[kind].append(time.perf_counter() - began)
            await page.wait_for_timeout(1500)
            await page.close()
        await chromium.close()
        say(f"first view: cold {found['cold'][-1]:.2f} s, warm {found['warm'][-1]:.2f} s")
    return found


def compare(rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Ratios of neighbouring rounds, the median and a bootstrap interval of it."""
    pairs = list(zip(rounds[::2], rounds[1::2], strict=True))
    ratios = np.array([full["gateway_us"] / none["gateway_us"] for none, full in pairs])
    draws = np.random.default_rng(7).choice(ratios, (4000, len(ratios)))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975])
    return {
        "gateway_ratio": {"median": float(np.median(ratios)), "low": float(low), "high": float(high)},
        "web_open": statistics.median(full["web"] for _, full in pairs),
        "web_idle": statistics.median(none["web"] for none, _ in pairs),
    }


def cpu(process: psutil.Process) -> float:
    """User and system seconds so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def requests(system: System) -> int:
    """Requests that the gateways have answered."""
    return int(system.get(f"{system.control}/api/status").json()["traffic"]["requests"])


def pids(system: System, kind: str) -> list[int]:
    """Of all processes of a kind."""
    return [int(one["pid"]) for one in system.processes()["processes"] if one["kind"] == kind]


if __name__ == "__main__":
    main()
