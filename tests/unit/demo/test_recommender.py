"""The made-up shop, what its models learn of it, and what the log says of slates."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.support.journal_maker import START, event, label, prediction, route, tensor, write

from tidegate.config import parse_project
from tidegate.demo.recommender.cli import project, spread
from tidegate.demo.recommender.clickstream import LOOKS, NEW, OWNERS, PRODUCTS, RENUMBERED, Customer, Shop, appeal
from tidegate.demo.recommender.figures import read
from tidegate.demo.recommender.models import SLATE, Popularity, Profile, Scores, Slate
from tidegate.demo.recommender.train import logistic, train
from tidegate.runtimes.typed import read_annotations
from tidegate.stats.auc import auc
from tidegate.storage.layout import Layout
from tidegate.types.inference import Signature, TensorSpec
from tidegate.types.monitoring import Value


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learned")
    train(folder, visits=2000)
    return folder


def customers(count: int, relaunched: bool = False) -> list[Customer]:
    shop = Shop(7, relaunched)
    return [shop.customer() for _ in range(count)]


def column(values: list[str]) -> np.ndarray:
    return np.array(values, object)


def slates(
    folder: Path, came: list[Customer], scores: type[Popularity], profile: str = "profile.npz"
) -> list[list[str]]:
    """What the pipeline gives, its stages asked by hand."""
    first, second = Profile(str(folder / profile)), scores(str(folder / "scores.npz"))
    first.load()
    second.load()
    items = column([one.items for one in came])
    known = first.predict(column([one.pages for one in came]))
    score = second.predict(known["owner"], known["known"], items)["score"]
    return Slate().predict(score, items)["product"].tolist()


def clicked(came: list[Customer], spread: list[list[str]]) -> float:
    """The share of visits with a click that the planted truth lets one expect."""
    found = []
    for customer, slate in zip(came, spread, strict=True):
        looks, share = 1.0, 0.0
        for product in slate:
            chance = customer.appeal[PRODUCTS.index(product)]
            share += looks * chance
            looks *= (1.0 - chance) * LOOKS
        found.append(share)
    return float(np.mean(found))


def test_the_same_customers_come_whatever_they_click() -> None:
    one, other = Shop(3), Shop(3)
    for _ in range(50):
        a, b = one.customer(), other.customer()
        assert (a.owner, a.pages, a.items, a.bought) == (b.owner, b.pages, b.items, b.bought)
        assert 0 <= one.click(a, list(PRODUCTS[:SLATE])) <= SLATE
    came = customers(3000)
    assert np.mean([one.owner for one in came]) == pytest.approx(OWNERS, abs=0.03)
    assert np.mean([not one.pages and not one.items for one in came]) == pytest.approx(NEW, abs=0.02)
    assert appeal(True, "music")[0] > 10 * appeal(False, "music")[0], "tyres are for those who own a car"


def test_a_relaunch_changes_numbers_of_pages_and_nothing_else() -> None:
    for before, after in zip(customers(200), customers(200, relaunched=True), strict=True):
        assert [RENUMBERED.get(page, page) for page in before.pages.split()] == after.pages.split()
        assert len(before.pages) == len(after.pages) and before.items == after.items and before.bought == after.bought


def test_the_profile_learns_who_owns_a_car_and_the_scores_what_they_click(learned: Path) -> None:
    came = customers(1500)
    profile = Profile(str(learned / "profile.npz"))
    profile.load()
    owner = profile.predict(column([one.pages for one in came]))["owner"]
    assert auc(np.array([one.owner for one in came], float), owner) > 0.92
    popular, better = (clicked(came, slates(learned, came, scores)) for scores in (Popularity, Scores))
    assert better > popular + 0.08
    later = customers(1500, relaunched=True)
    assert clicked(later, slates(learned, later, Scores)) < popular, "a profile that reads nothing is worse than none"
    assert clicked(later, slates(learned, later, Scores, "profile-2.npz")) == pytest.approx(better, abs=0.02)


def test_the_unknown_get_what_is_popular_and_nobody_what_they_have(learned: Path) -> None:
    strangers = [Customer(False, pages, "", np.zeros(0), []) for pages in ("", " ", "999 no-such-page", "x" * 10_000)]
    expected = slates(learned, strangers, Popularity)
    assert slates(learned, strangers, Scores) == expected and len(set(map(tuple, expected))) == 1
    nothing = Profile(str(learned / "profile.npz"))
    nothing.load()
    assert nothing.predict(np.array([None, "101"], object))["known"].tolist() == [0, 1]
    has = expected[0][:2]
    (given,) = slates(learned, [Customer(True, "101", ",".join([*has, "no such product"]), np.zeros(0), [])], Scores)
    assert not set(has) & set(given) and len(set(given)) == SLATE


def test_a_logistic_regression_of_nothing_is_the_base_rate() -> None:
    weights = logistic(np.zeros((200, 2)), np.array([1.0] * 50 + [0.0] * 150))
    assert weights[1:].tolist() == [0.0, 0.0] and 1 / (1 + np.exp(-weights[0])) == pytest.approx(0.25)


def test_the_models_say_what_they_take(tmp_path: Path) -> None:
    assert read_annotations(Profile("nowhere").predict, "Profile").inputs == [TensorSpec("pages", "BYTES", [-1])]
    found = read_annotations(Scores("nowhere").predict, "Scores")
    assert [spec.name for spec in found.inputs or []] == ["owner", "known", "items"]
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "recommender.md").read_text()
    shown = "project: shop\n" + page.partition("```yaml\n")[2].partition("```")[0]
    for text in (project(tmp_path), shown):
        stages = parse_project(text).endpoints["recommend"].pipeline
        assert [(stage.stage, stage.split) for stage in stages] == [
            ("profile", {"1": 100.0}), ("scores", {"1": 100.0}), ("slate", {"1": 100.0}),
        ]  # fmt: skip


def test_figures_are_of_each_version_from_the_log(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".tidegate")
    outputs = [TensorSpec("product", "BYTES", [-1, SLATE])]
    route(layout, {("m", "1"): Signature([TensorSpec("pages", "BYTES", [-1])], outputs)}, ["recommend"])

    def answer(id: str, version: str, first: int) -> object:
        slate = [tensor("product", "BYTES", [1, SLATE], list(PRODUCTS[first : first + SLATE]))]
        pages = [tensor("pages", "BYTES", [1], ["101"])]
        return prediction(pages, slate, id=id, version=version, time=START, endpoint="recommend", model="")

    records = [answer("a", "old", 0), answer("b", "old", 0), answer("c", "new", 0), answer("d", "new", 6)]
    said = [event("a", "impression", endpoint="recommend"), event("c", "click", 2.0, endpoint="recommend")]
    said += [label("c", json.dumps([PRODUCTS[0], PRODUCTS[35]]), endpoint="recommend")]
    write(layout, [*records, *said])
    new, old = read(layout, START / 1e9 - 1, START / 1e9 + 1)
    assert (new.version, new.visits, new.clicks.value, new.coverage) == ("new", 2, 0.5, 12 / 36)
    assert (old.version, old.visits, old.clicks.value, old.coverage) == ("old", 2, 0.0, 6 / 36)
    assert new.precision.value == pytest.approx(1 / 6) and new.ndcg.value == pytest.approx(1 / (1 + 1 / np.log2(3)))
    assert spread(Value(0.0712, 10, 0.06, 0.082)) == "7.1% ± 1.1" and spread(Value(0.5)) == "50.0% ± 0.0"
