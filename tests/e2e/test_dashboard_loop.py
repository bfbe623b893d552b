"""The pages of the closed loop in a real browser: where to work, mistakes tagged with one key, retraining asked for and answered, the life
cycle. The state folder is as processes leave it; none but the web process runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from playwright.sync_api import expect
from tests.support.browser import Chromium, browser, go
from tests.support.journal_maker import label, prediction, route, tensor, write
from tests.support.web import Web

from tidegate import app
from tidegate.evaluation.adding import add
from tidegate.evaluation.mistakes import tags_of
from tidegate.storage.layout import Layout
from tidegate.storage.retraining import RetrainingStore
from tidegate.storage.tags import TagStore
from tidegate.types.inference import Signature, TensorSpec
from tidegate.types.retraining import Retraining, Verdict

pytestmark = pytest.mark.xdist_group("dashboard")

SPOKEN = Signature(
    kind="table",
    inputs=[TensorSpec("condition", "BYTES", [-1]), TensorSpec("loud", "FP64", [-1])],
    outputs=[TensorSpec("word", "BYTES", [-1])],
)
PROJECT = """
project: loop
scoping: {goal: write down what is said, retention: 30d, risks: [{risk: noise}]}
models: {m: {versions: {"1": {path: "code:Model"}}}}
endpoints:
  loan:
    model: m
    split: {"1": 100}
    monitoring: {profiles: {segments: [condition]}}
    retraining: {trainer: "train:it", auto: [drift], minRows: 50, by: [condition]}
"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with browser(tmp_path_factory.mktemp("screenshots")) as found:
        yield found


@pytest.fixture(autouse=True)
def clean(chromium: Chromium) -> Iterator[None]:
    """Every test answers for its own pages."""
    yield
    chromium.close()
    chromium.check()


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("loop")
    layout = Layout(folder / ".tidegate")
    app.apply(layout, PROJECT, base=folder, actor="test")
    fill(layout)
    with Web(layout) as made:
        yield made


def fill(layout: Layout) -> None:
    """Words heard in noise: one in twenty wrong where it is quiet, two in five where it isn't; people err at 4%."""
    rng = np.random.default_rng(1)
    route(layout, {("m", "1"): SPOKEN}, ["loan"])
    start = int((time.time() - 3600) * 1e9)
    lines: list[Any] = []
    ratings = []
    for number in range(600):
        noisy = number % 3 == 0
        truth = ("yes", "no")[number % 2]
        wrong = rng.random() < (0.4 if noisy else 0.05)
        inputs = [
            tensor("condition", "BYTES", [1], ["noise <b>" if noisy else "clear"]),
            tensor("loud", "FP64", [1], [float(number)]),
        ]
        said = truth if not wrong else {"yes": "no", "no": "yes"}[truth]
        record = prediction(inputs, [tensor("word", "BYTES", [1], [said])], time=start + number * 1_000_000)
        lines += [record, label(record.id, truth, received=start + number * 1_000_000)]
        for rater in range(3):
            heard = truth if rng.random() > 0.04 else {"yes": "no", "no": "yes"}[truth]
            ratings.append(f"{record.id},r{rater},{heard}")
    write(layout, lines)
    file = layout.root / "raters.csv"
    file.write_text("\n".join(["prediction_id,rater,answer", *ratings]) + "\n")
    add(layout, "loan", actor="test", name="people", human=Path(file))


def run_of(web: Web, **values: Any) -> Retraining:
    with closing(RetrainingStore(web.layout)) as store:
        made = store.queue(
            "loan",
            "drift",
            {"trainer": "train:it"},
            actor="retraining",
            text="input loud is higher",
            mark=f"{time.time()}",
        )
        return store.change(
            made.id, lambda run: msgspec.structs.replace(run, model="m", parent="1", version="2", **values)
        )


def test_the_table_says_where_to_work(web: Web, chromium: Chromium) -> None:
    page = chromium.page(f"{web.url}/evaluation/loan")
    expect(page.get_by_text("Work on condition = noise <b> next")).to_be_visible(timeout=20_000)
    line = page.get_by_role("row", name="work here next")
    expect(line).to_contain_text("condition = noise <b>")
    expect(page.locator("#content")).to_contain_text("people")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("link", name="Mistakes").click()
    page.wait_for_url("**/errors/loan")


def test_mistakes_are_tagged_with_one_key(web: Web, chromium: Chromium) -> None:
    page = chromium.page(f"{web.url}/errors/loan?sort=newest")
    expect(page.get_by_text("1 of 60")).to_be_visible(timeout=20_000)
    page.get_by_label("Another tag").fill("car noise")
    page.get_by_label("Another tag").press("Enter")
    expect(page.get_by_role("button", name="1 car noise")).to_be_visible()
    page.get_by_label("Another tag").blur()
    page.keyboard.press("j")
    expect(page.get_by_text("2 of 60")).to_be_visible()
    page.keyboard.press("1")
    expect(page.locator(".tg-button-primary", has_text="1 car noise")).to_be_visible()
    with closing(TagStore(web.layout)) as store:
        assert [(one.tag, one.actor) for one in store.listed("loan")] == [("car noise", "ui:local")] * 2
    page.keyboard.press("1")
    expect(page.locator(".tg-button-primary", has_text="1 car noise")).to_have_count(0)
    assert list(tags_of(web.layout, "loan").values()) == [["car noise"]]
    go(page, f"{web.url}/errors/loan?tag=car noise")
    expect(page.get_by_text("1 of 1", exact=True)).to_be_visible(timeout=20_000)


def test_a_person_begins_a_run_and_says_no_to_another(web: Web, chromium: Chromium) -> None:
    page = chromium.page(f"{web.url}/retraining")
    page.get_by_role("button", name="Retrain…").click()
    dialog = page.locator("dialog[open]")
    expect(dialog).to_contain_text("480 logged rows")
    dialog.get_by_role("button", name="Retrain").click()
    page.wait_for_url("**/retraining/1")
    expect(page.get_by_text("because of a person")).to_be_visible()
    page.get_by_role("button", name="Cancel…").click()
    page.locator("dialog[open]").get_by_role("button", name="Cancel it").click()
    expect(page.locator(".tg-pill", has_text="cancelled")).to_be_visible()
    verdict = Verdict("quality.accuracy", 0.82, 0.9, 120, -0.12, -0.04, [])
    waits = run_of(web, state="waiting", verdict=verdict, message="a person decides")
    go(page, f"{web.url}/retraining/{waits.id}")
    expect(page.get_by_text("surely better, on 120 rows")).to_be_visible()
    page.get_by_role("button", name="Say no…").click()
    page.locator("dialog[open] textarea").fill("too young")
    page.locator("dialog[open]").get_by_role("button", name="Say no").click()
    expect(page.locator(".tg-timeline").get_by_text("said no: too young")).to_be_visible()
    with closing(RetrainingStore(web.layout)) as store:
        found = store.get(waits.id)
    assert found.state == "rejected" and found.approvals[0].actor == "ui:local"
    go(page, f"{web.url}/retraining")
    expect(page.get_by_role("row", name="rejected")).to_contain_text("input loud is higher")


def test_the_life_cycle_and_what_is_missed(web: Web, chromium: Chromium) -> None:
    page = chromium.page(f"{web.url}/project", phone=True)
    page.wait_for_url("**/project/loan")
    expect(page.get_by_role("heading", name="Life cycle")).to_be_visible(timeout=20_000)
    expect(page.locator(".tg-cycle-stage.tg-is-here")).to_contain_text("Scoping")
    content = page.locator("#content")
    expect(content).to_contain_text("write down what is said")
    expect(content).to_contain_text("kept for ever, 30 days allowed")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/evaluation/loan", "/errors/loan", "/retraining", "/project/loan"])
def test_everybody_can_use_it(web: Web, chromium: Chromium, path: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for theme in ("light", "dark"):
        page = chromium.page(web.url + path, theme=theme)  # type: ignore[arg-type]
        page.wait_for_timeout(1500)
        found = Axe().run(page).response["violations"]
        grave = [
            (v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found if v["impact"] in ("serious", "critical")
        ]
        assert not grave
