"""What a person reads of drift: what moved and what did not, the kinds told apart, harm, peers' figures; frames, files, log."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient
from journal_maker import START, TABLE, label, route, table, write
from tests.support.car_loan import MOVED, SHIFT, STEADY, car_loan
from tests.support.monitored import Endpoint

from tidegate.api.app import build
from tidegate.cli import run
from tidegate.errors import InvalidRequest, NotFound
from tidegate.ingest.cycle import Cycle
from tidegate.storage.layout import Layout
from tidegate.storage.options import LogOptions
from tidegate.storage.state import StateStore
from tidegate.views.drift import Options, drift, drift_of, drift_of_files
from tidegate.views.drift_frames import compare
from tidegate.views.drift_peers import evidently, nannyml
from tidegate.views.drift_quality import Roles
from tidegate.views.pace import pace, pace_of

ROLES = Roles("repaid", "y_pred_proba", "y_pred")
FROZEN = json.loads((Path(__file__).parents[2] / "data" / "car_loan_peers.json").read_text())
DAY = 86400.0


def outcomes(view):
    return {column.name: column.outcome for column in view.columns}


def test_car_loan_before_the_shift_nothing_is_found():
    reference, analysis = car_loan()
    view = drift_of(reference, analysis[:SHIFT], ROLES)
    assert set(outcomes(view).values()) == {"steady"}
    assert view.verdict.startswith("No drift")
    assert (view.concept.outcome, view.harm.outcome) == ("steady", "harmless")


def test_car_loan_after_the_shift_what_moved_is_named_and_the_kinds_are_told_apart():
    reference, analysis = car_loan()
    view = drift_of(reference, analysis[SHIFT:], ROLES)
    found = outcomes(view)
    assert {name for name in MOVED | STEADY if found[name] == "drifted"} == MOVED
    assert all(found[name] == "steady" for name in STEADY)
    assert [column.name for column in view.columns][:2] == ["car_value", "repaid_loan_on_prev_car"]
    assert view.columns[0].what.startswith("higher: median 21,")
    assert set(view.covariate.names) == MOVED and view.label.names == ["y_pred_proba"]
    assert view.concept.outcome == "moved" and view.concept.effect == pytest.approx(-0.0166, abs=0.001)
    assert view.harm.outcome == "harmful" and view.harm.source == "labels"
    assert (view.harm.before, view.harm.now) == pytest.approx((0.97098, 0.95967), abs=1e-4)


def test_without_labels_harm_is_estimated_and_concept_drift_unknown():
    reference, analysis = car_loan()
    view = drift_of(reference, analysis[SHIFT:].drop("repaid"), ROLES)
    assert view.concept.outcome == "unknown" and "no labels" in view.concept.words
    assert view.harm.source == "scores" and view.harm.outcome == "harmful"
    assert view.harm.now == pytest.approx(0.961, abs=0.001)
    view = drift_of(reference.drop("repaid"), analysis[SHIFT:].drop("repaid"), ROLES)
    assert view.harm.outcome == "unknown" and "unknown" in view.verdict


@pytest.mark.parametrize("part", ["evidently_large", "evidently_small", "evidently_smaller"])
def test_figures_of_evidently(part):
    reference, analysis = car_loan()
    a, b = {
        "evidently_large": (reference, analysis[SHIFT:]),
        "evidently_small": (reference[:1000], analysis[:500]),
        "evidently_smaller": (reference[:1000], analysis[SHIFT : SHIFT + 200]),
    }[part]
    for name, (method, value) in FROZEN[part].items():
        ours = evidently(a[name], b[name], name in FROZEN["categorical"])
        assert ours.value == pytest.approx(value, rel=1e-3, abs=1e-6), (name, method)
        assert ours.method[0].lower() == method[0].lower()
        limit = 0.05 if "p_value" in method else 0.1
        assert ours.drifted == (value < limit if "p_value" in method else value >= limit)


def test_figures_of_nannyml():
    reference, analysis = car_loan()
    for name, frozen in FROZEN["nannyml"].items():
        ours = nannyml(reference[name], analysis[name], name in FROZEN["categorical"])
        assert ours.value == pytest.approx(max(frozen["values"]), rel=1e-6)
        assert ours.threshold == pytest.approx(frozen["threshold"], rel=1e-6)
        assert (ours.alarms, ours.chunks) == (sum(frozen["alerts"]), 10)


def test_columns_that_come_go_change_type_or_hold_nothing():
    rng = np.random.default_rng(1)
    a = pl.DataFrame({
        "same": rng.normal(size=2000), "gone": 1.0, "kind": rng.normal(size=2000), "lost": rng.normal(size=2000),
        "row": range(2000), "when": [datetime(2026, 1, 1)] * 2000, "vector": [[1.0, 2.0]] * 2000,
        "sky": rng.choice(["sun", "rain"], 2000), "text": [f"text {n} " + "x" * (n % 7) for n in range(2000)],
    })  # fmt: skip
    b = pl.DataFrame({
        "same": rng.normal(size=1000), "new": 1.0, "kind": ["a"] * 1000,
        "lost": [None if n % 5 == 0 else float(v) for n, v in enumerate(rng.normal(size=1000))],
        "row": range(2000, 3000), "when": [datetime(2026, 2, 1)] * 1000, "vector": [[1.0, 2.0]] * 1000,
        "sky": rng.choice(["sun", "rain", "hail"], 1000, p=[0.45, 0.45, 0.1]),
        "text": [f"text {n} " + "x" * (n % 20) for n in range(1000)],
    })  # fmt: skip
    view = drift_of(a, b)
    assert outcomes(view) == {
        "gone": "gone", "new": "new", "kind": "type", "lost": "drifted", "sky": "drifted", "text": "drifted", "same": "unclear"
    } or outcomes(view)["same"] == "steady"  # fmt: skip
    assert set(view.left_out) == {"row", "when", "vector"}
    by = {column.name: column for column in view.columns}
    assert "missing 0% → 20%" in by["lost"].what and by["lost"].effect == pytest.approx(0.2)
    assert by["sky"].fresh == {"hail": pytest.approx(0.1, abs=0.03)}
    assert by["text"].kind == "text" and "length" in by["text"].what
    json.dumps(view.verdict)


def test_infinite_huge_and_empty_values_stop_nothing():
    a = pl.DataFrame({"x": [1.0, float("inf"), 1e300, -1e300] * 100, "y": pl.Series([None] * 400, dtype=pl.Float64),
                      "z": [1] * 400, "u": [2**63 - 1] * 400})  # fmt: skip
    b = pl.DataFrame({"x": [float("nan"), 2.0, 3.0, 4.0] * 100, "y": [1.0] * 400, "z": [1] * 400, "u": [0] * 400})
    found = {column.name: column for column in compare(a, b)}
    assert found["x"].before.infinite == 0.25 and found["x"].now.missing == 0.25
    assert found["y"].moved and found["y"].what == "no values before"
    assert not found["z"].moved and found["z"].effect == 0
    assert found["u"].moved


def test_false_alarms_of_whole_reports_on_clean_data():
    """12 columns, corrected: at 5% false discovery and no drift at most about 5% of reports name one."""
    rng = np.random.default_rng(5)

    def frame(rows):
        return pl.DataFrame({
            **{f"n{i}": rng.normal(size=rows) for i in range(4)}, **{f"t{i}": rng.standard_t(3, rows) for i in range(4)},
            **{f"c{i}": rng.choice([f"v{k}" for k in range(12)], rows) for i in range(4)},
        })  # fmt: skip

    reference = frame(5000)
    named = [any(column.moved for column in compare(reference, frame(500), minimum=0.0)) for _ in range(60)]
    assert sum(named) <= 8


def test_large_frames_agree_with_small_ones():
    rng = np.random.default_rng(6)
    a = pl.DataFrame({"x": rng.normal(size=40_000), "k": rng.poisson(30, 40_000).astype(float)})
    b = pl.DataFrame({"x": rng.normal(0.3, 1, 40_000), "k": rng.poisson(33, 40_000).astype(float)})
    large, small = ({c.name: c for c in compare(a[:rows], b[:rows])} for rows in (40_000, 20_000))
    for name in ("x", "k"):
        assert large[name].effect == pytest.approx(small[name].effect, abs=0.015)
        assert large[name].scores.wasserstein == pytest.approx(small[name].scores.wasserstein, rel=0.1)
        assert large[name].before.quantiles == pytest.approx(small[name].before.quantiles, abs=1.01)


def test_files_on_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    reference, analysis = car_loan()
    reference[:5000].write_parquet(tmp_path / "a.parquet")
    analysis[SHIFT : SHIFT + 3000].drop("repaid").write_csv(tmp_path / "b.csv")
    words = ["drift", "--reference", str(tmp_path / "a.parquet"), "--current", str(tmp_path / "b.csv")]
    assert run([*words, "--label", "repaid", "--compare", "evidently", "--compare", "nannyml"]) == 0
    text = capsys.readouterr().out
    assert "4 of 7 inputs moved" in text and "higher: median" in text and "Wasserstein / sd" in text
    assert run([*words, "--json", "--ignore", "car_value"]) == 0
    view = json.loads(capsys.readouterr().out)
    assert view["source"] == "files" and "car_value" not in {column["name"] for column in view["columns"]}
    assert run([*words, "--label", "repayed"]) == 1
    assert 'Did you mean "repaid"' in capsys.readouterr().err.replace("\n", " ")
    assert run(["drift"]) == 2
    assert run([*words, "--compare", "evidentally"]) == 1
    with pytest.raises(InvalidRequest, match="evidentally"):
        drift_of_files(tmp_path / "a.parquet", tmp_path / "b.csv", Options(["evidentally"]))


def records(rng, rows, shift, moment):
    """Requests of five rows to an endpoint of the signature TABLE."""
    made = []
    for number in range(rows // 5):
        ages, cities = rng.normal(40 + shift, 10, 5), rng.choice(["ulm", "köln"], 5)
        at = START + int((moment + number) * 1e9)
        made.append(
            table(
                [(float(a), str(c), int(r)) for a, c, r in zip(ages, cities, rng.integers(1, 9, 5), strict=True)],
                time=at,
            )
        )
    return made


def test_rows_that_ingest_has_yet_to_commit_are_described_like_the_others(layout: Layout):
    route(layout, {("m", "1"): TABLE})

    def told(day: int) -> list:
        times = [START + int((day * DAY + number) * 1e9) for number in range(200)]
        return [table([(40.0, f"left parcel {at} at the door of number {at % 97}", 3)] * 2, time=at) for at in times]

    write(layout, told(0))
    Cycle(layout, LogOptions()).run()
    write(layout, told(1))
    start = START / 1e9 + DAY - 1
    found = outcomes(drift(layout, "loan", reference="previous", start=start, end=start + DAY))
    assert "city_words" in found and "drifted" not in found.values()


def test_an_endpoints_window_against_the_one_before_a_file_and_nothing(layout: Layout, tmp_path: Path):
    rng = np.random.default_rng(7)
    route(layout, {("m", "1"): TABLE})
    before, now = records(rng, 2000, 0, 0), records(rng, 2000, 12, 7 * DAY)
    write(layout, [*before, *now, label(now[0].id, 1.0)])
    start = START / 1e9 + 7 * DAY - 1
    view = drift(layout, "loan", reference="previous", start=start, end=start + 7 * DAY)
    assert (view.rows_before, view.rows_now, view.volume_before) == (2000, 2000, 2000)
    assert outcomes(view)["age"] == "drifted" and not {"city", "rooms"} & set(view.covariate.names)
    assert view.columns[0].name == "age" and "higher" in view.columns[0].what
    day = drift(layout, "loan", reference="week", start=start, end=start + DAY)
    assert (day.rows_before, day.rows_now, outcomes(day)["age"]) == (2000, 2000, "drifted")
    pl.DataFrame({"age": rng.normal(40, 10, 3000), "city": rng.choice(["ulm", "köln"], 3000)}).write_parquet(
        tmp_path / "train.parquet"
    )
    view = drift(layout, "loan", reference=tmp_path / "train.parquet", start=start, end=start + 7 * DAY,
                 options=Options(["nannyml"], together=True))  # fmt: skip
    assert view.covariate.names == ["age"] and "rooms" in view.left_out
    assert view.told.auc > 0.7 and "age" in view.told.by
    with pytest.raises(NotFound, match="--reference"):
        drift(layout, "loan", start=start, end=start + DAY)
    with pytest.raises(InvalidRequest, match="no answered rows"):
        drift(layout, "loan", reference=tmp_path / "train.parquet", start=start + 5e6, end=start + 6e6)
    with pytest.raises(NotFound, match="loan"):
        drift(layout, "laon")


@pytest.fixture
def monitored(tmp_path):
    layout = Layout(tmp_path / "state")
    StateStore(layout).close()
    made = Endpoint(layout)
    yield layout, made
    made.close()


def test_profiles_tell_the_same_without_reading_rows(monitored):
    layout, made = monitored
    route(layout, {("m", "1"): TABLE})
    reference = made.store.reference("loan")
    from tests.support.monitored import SIDES

    from tidegate.profiles.fold import fold
    from tidegate.views.drift_columns import decide
    from tidegate.views.drift_frames import against_profile, against_summary

    for moved in (0.0, 8.0):
        frame = made.frame(20_000, 1e9, moved=moved, missing=0.1 if moved else 0.0)
        profile = next(iter(fold("loan", frame, SIDES, reference=reference).values()))
        rows = {c.name: c for c in decide(against_summary(reference, frame, SIDES))}
        sketch = {c.name: c for c in decide(against_profile(reference, profile, SIDES))}
        assert set(rows) == set(sketch) == set(SIDES)
        for name, column in rows.items():
            assert sketch[name].effect == pytest.approx(column.effect, abs=0.025)
            assert sketch[name].moved == column.moved == (moved > 0 and name in ("age", "answer"))


def test_pace_over_profiles_names_the_jump_and_the_fast(monitored):
    layout, made = monitored
    start = 1e9 // 60 * 60
    for number in range(12):
        made.serve(600, start + number * 3600, moved=12.0 if number >= 7 else 0.0)
    view = pace(layout, "loan", end=start + 12 * 3600)
    by = {column.name: column for column in view.columns}
    assert by["age"].pace == "sudden" and by["age"].changed == pytest.approx(start + 7 * 3600, abs=3600)
    assert by["income"].pace == by["colour"].pace == "stable"
    assert "alarm" in view.verdict
    with pytest.raises(NotFound, match="loan"):
        pace(layout, "laon")
    with pytest.raises(InvalidRequest, match="needs 4"):
        pace(layout, "loan", start=start + 11 * 3600)


def test_pace_of_a_column_that_wanders(monitored):
    _, made = monitored
    from tests.support.monitored import SIDES

    from tidegate.profiles.fold import fold

    parts = []
    for number in range(10):
        frame = made.frame(2000, 1e9 + number * DAY, moved=number * 1.5)
        profile = next(iter(fold("loan", frame, SIDES).values()))
        profile.start, profile.seconds = 1e9 + number * DAY, DAY
        parts.append(profile)
    view = pace_of("loan", parts)
    age = view.columns[0] if view.columns[0].name == "age" else view.columns[1]
    assert age.pace == "fast" and age.low < age.half_life < age.high and 0 < age.retrain < 3 * DAY
    assert "Train anew about every" in view.verdict


def test_over_http(monitored):
    layout, made = monitored
    route(layout, {("m", "1"): TABLE})
    client = TestClient(build(layout), base_url="http://127.0.0.1")
    write(layout, records(np.random.default_rng(8), 500, 0, (time.time() - START / 1e9) - 600))
    found = client.get("/api/endpoints/loan/drift").json()
    assert found["source"] == "log" and found["rows_now"] == 500
    assert client.get("/api/endpoints/loan/drift", params={"compare": "evidently"}).status_code == 400
    assert client.get("/api/endpoints/none/drift").status_code == 404
    assert client.get("/api/endpoints/loan/pace").status_code == 404
    for number in range(6):
        made.serve(200, time.time() - 600 * (6 - number))
    assert client.get("/api/endpoints/loan/pace").json()["windows"] >= 4
    assert datetime.now(UTC)
