"""Data with planted faults, real files of each kind: every fault is found, clean data has none, and what is mended is a new set."""

from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyloudnorm
import pytest
import soundfile
from PIL import Image, ImageDraw

from tidegate.cli import run as typed
from tidegate.datachecks.age import Age
from tidegate.datachecks.base import Finding, Report
from tidegate.datachecks.checking import check
from tidegate.datachecks.html import page
from tidegate.datachecks.labels import plain
from tidegate.datachecks.load import load
from tidegate.datachecks.loudness import normalise
from tidegate.datachecks.repair import repair
from tidegate.datachecks.silence import trim
from tidegate.errors import InvalidRequest

RATE = 16000


def voice(seed: int, seconds: float = 1.5, loud: float = 0.1) -> np.ndarray[Any, Any]:
    """Something like speech: syllables of changing pitch and length, a seed each."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * RATE)) / RATE
    pitch = np.repeat(rng.uniform(120, 900, 12), len(t) // 12 + 1)[: len(t)]
    envelope = np.repeat(rng.uniform(0.2, 1.0, 12), len(t) // 12 + 1)[: len(t)]
    return loud * envelope * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)


def clips(folder: Path, count: int = 12) -> list[tuple[str, str]]:
    """Clean recordings and their transcripts."""
    folder.mkdir(parents=True, exist_ok=True)
    words = [
        "today",
        "weather",
        "open",
        "window",
        "slowly",
        "music",
        "louder",
        "kitchen",
        "light",
        "please",
        "tomorrow",
        "rain",
    ]
    rows = []
    for n in range(count):
        soundfile.write(folder / f"c{n:02d}.wav", normalise(voice(n), RATE), RATE)
        rows.append((f"c{n:02d}.wav", f"{words[n % 12]} {words[(n * 5 + 1) % 12]} {words[(n * 7 + 2) % 12]} now"))
    return rows


def csv(path: Path, rows: list[tuple[Any, ...]], *names: str) -> Path:
    pl.DataFrame(rows, schema=list(names), orient="row").write_csv(path)
    return path


def of(report: Report, check: str, part: str = "") -> Finding:
    hits = [one for one in report.findings if one.check == check and part in one.title]
    assert hits, (check, part, [(one.check, one.title) for one in report.findings])
    return hits[0]


def checks_of(report: Report) -> set[str]:
    return {one.check for one in report.findings if one.severity != "note"}


def test_the_course_s_three_conventions_are_one_utterance(tmp_path: Path) -> None:
    said = ["um, today's weather", "um... today's weather", "today's weather"]
    assert {plain(one) for one in said} == {"today's weather"}
    rows = clips(tmp_path / "clips")
    labels = [(item, text, "ana") for item, text in rows]
    labels += [("c00.wav", label, rater) for label, rater in zip(said, ("ana", "ben", "cem"), strict=True)][1:]
    labels[0] = ("c00.wav", said[0], "ana")
    labels += [("c01.wav", "something else entirely", "ben"), ("c02.wav", "uh... " + rows[2][1], "dan")]
    report = check(load(tmp_path / "clips", labels=csv(tmp_path / "l.csv", labels, "file", "transcript", "rater")))
    form = of(report, "raters", "several ways")
    assert form.severity == "error" and {example.items[0] for example in form.examples} == {"c00.wav", "c02.wav"}
    real = of(report, "raters", "disagree")
    assert [example.items for example in real.examples] == [["c01.wav"]] and "Krippendorff's alpha" in real.do
    assert (
        "um," in " ".join(example.words for example in of(report, "conventions").examples)
        or of(report, "conventions").count
    )


def test_clean_recordings_have_nothing_grave(tmp_path: Path) -> None:
    rows = clips(tmp_path / "clips")
    report = check(load(tmp_path / "clips", labels=csv(tmp_path / "l.csv", rows, "file", "transcript")))
    assert not checks_of(report), [(one.check, one.title) for one in report.findings]


def faulty(folder: Path) -> Path:
    """Recordings with a fault each."""
    rows = clips(folder)
    quiet = np.zeros(2 * RATE)
    soundfile.write(folder / "silent.wav", quiet, RATE)
    soundfile.write(folder / "late.wav", np.concatenate([quiet, normalise(voice(40), RATE), quiet]), RATE)
    soundfile.write(folder / "soft.wav", voice(41, loud=0.0008), RATE, subtype="FLOAT")
    soundfile.write(folder / "clipped.wav", np.clip(voice(42, loud=3.0), -1, 1), RATE)
    soundfile.write(folder / "rate.wav", voice(43, loud=0.1), 22050)
    soundfile.write(folder / "twice.wav", normalise(voice(3), RATE), RATE)
    soundfile.write(folder / "louder.wav", 1.5 * normalise(voice(4), RATE), RATE)
    (folder / "broken.wav").write_bytes(b"RIFF....WAVEnot at all")
    more = [
        (name, f"words of {name} here")
        for name in ("silent.wav", "late.wav", "soft.wav", "clipped.wav", "rate.wav", "broken.wav", "gone.wav")
    ]
    more += [("twice.wav", rows[3][1]), ("louder.wav", "another sentence is meant")]
    return csv(folder.parent / "labels.csv", [*rows, *more], "file", "transcript")


def test_every_planted_fault_of_recordings_is_found(tmp_path: Path) -> None:
    labels = faulty(tmp_path / "clips")
    report = check(load(tmp_path / "clips", labels=labels))
    planted = {
        ("loudness", "silent"): "silent.wav",
        ("silence", "silence"): "late.wav",
        ("loudness", "equally loud"): "soft.wav",
        ("loudness", "clip"): "clipped.wav",
        ("files", "sample rates"): "rate.wav",
        ("files", "can't be read"): "broken.wav",
        ("files", "aren't there"): "gone.wav",
        ("duplicates", "byte for byte"): "twice.wav",
        ("same input", "different labels"): "louder.wav",
    }
    for (name, part), item in planted.items():
        found = of(report, name, part)
        assert any(item in example.items for example in found.examples), (name, found.examples)
    assert (
        of(report, "silence").examples[0].items == ["late.wav"]
        or "silent.wav" in of(report, "silence").examples[0].items
    )
    text = page(report)
    assert "late.wav" in text and "http" not in text


def test_what_is_safe_is_mended_in_a_new_set_and_nothing_else_is_touched(tmp_path: Path) -> None:
    labels = faulty(tmp_path / "clips")
    before = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "clips").iterdir()}
    data = load(tmp_path / "clips", labels=labels)
    would = repair(data, tmp_path / "new", dry_run=True)
    assert not (tmp_path / "new").exists() and "twice.wav" in would.removed
    made = repair(data, tmp_path / "new")
    assert {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "clips").iterdir()
    } == before
    assert set(made.removed) == {"twice.wav", "broken.wav", "gone.wav"} or set(made.removed) == {
        "c03.wav",
        "broken.wav",
        "gone.wav",
    }
    samples, rate = soundfile.read(tmp_path / "new" / "late.wav")
    assert rate == RATE and len(samples) / RATE < 2.0, "cut to what is said and a tenth at each end"
    soft, _ = soundfile.read(tmp_path / "new" / "soft.wav")
    assert pyloudnorm.Meter(RATE).integrated_loudness(soft) == pytest.approx(-23.0, abs=0.3)
    assert soundfile.info(tmp_path / "new" / "rate.wav").samplerate == RATE
    again = check(load(tmp_path / "new", labels=tmp_path / "new" / "labels.csv"))
    assert {"files", "duplicates"}.isdisjoint({one.check for one in again.findings if one.severity == "error"})
    assert not [
        one
        for one in again.findings
        if one.check == "silence" and any("late" in i for e in one.examples for i in e.items)
    ]
    noted = json.loads((tmp_path / "new" / "fixes.json").read_text())
    for name, digest in noted["digests"].items():
        assert hashlib.sha256((tmp_path / "new" / name).read_bytes()).hexdigest() == digest
    with pytest.raises(InvalidRequest, match="is there already"):
        repair(data, tmp_path / "new")


def test_serving_and_training_go_through_one_gain_and_one_cut() -> None:
    loud = voice(7, loud=0.5)
    for gain in (0.01, 0.2, 1.0):
        same = normalise(gain * loud, RATE)
        assert np.allclose(same, normalise(loud, RATE), atol=1e-6)
        assert pyloudnorm.Meter(RATE).integrated_loudness(same) == pytest.approx(-23.0, abs=0.2), (
            "blocks at the end of so short a clip differ"
        )
    peaky = np.zeros(RATE)
    peaky[::2000] = 0.9
    assert np.abs(normalise(peaky, RATE, target=-5.0)).max() <= 0.8914, "no peak is cut off"
    assert not normalise(np.zeros(100), RATE).any() and not normalise(np.zeros(0), RATE).size
    once = trim(np.concatenate([np.zeros(RATE), loud, np.zeros(RATE)]), RATE)
    assert np.array_equal(trim(once, RATE), once), "what is cut stays as it is"


def pictures(folder: Path, count: int = 24) -> None:
    for n in range(count):
        rng = np.random.default_rng(n)
        name = ("scratch", "clean")[n % 2]
        (folder / name).mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(rng.integers(80, 150, (8, 8, 3), np.uint8).astype(np.uint8)).resize((64, 64))
        if name == "scratch":
            ImageDraw.Draw(picture).line(
                (rng.integers(0, 64), 0, rng.integers(0, 64), 63), fill=(255, 255, 255), width=3
            )
        picture.save(folder / name / f"p{n:02d}.png")


def test_pictures_twice_turned_broken_and_of_other_classes(tmp_path: Path) -> None:
    pictures(tmp_path)
    clean = check(load(tmp_path))
    assert clean.kind == "image" and not [one for one in clean.findings if one.severity == "error"]
    with Image.open(tmp_path / "clean" / "p01.png") as picture:
        picture.resize((128, 128)).save(tmp_path / "scratch" / "p01-large.png")
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.rotate(90).save(tmp_path / "clean" / "turned.jpg", exif=exif)
    (tmp_path / "clean" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    report = check(load(tmp_path))
    assert "clean/broken.png" in of(report, "files", "can't be read").examples[0].items
    assert "clean/turned.jpg" in of(report, "files", "turned").examples[0].items
    same = of(report, "same input")
    assert {"clean/p01.png", "scratch/p01-large.png"} <= set(same.examples[0].items)


def table(rows: int = 400, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=rows), rng.normal(size=rows)
    label = np.where(x + y > 0, "yes", "no")
    start = date(2026, 1, 1)
    return pl.DataFrame(
        {
            "x": x, "y": y, "city": rng.choice(["Ulm", "Bonn", "Rom"], rows), "customer": [f"c{n}" for n in range(rows)],
            "date": [start + timedelta(days=n % 200) for n in range(rows)], "label": label,
        }
    )  # fmt: skip


def test_a_clean_table_has_nothing_grave_and_planted_faults_are_found(tmp_path: Path) -> None:
    clean = table()
    clean.write_parquet(tmp_path / "clean.parquet")
    report = check(load(tmp_path / "clean.parquet"))
    assert not [one for one in report.findings if one.severity == "error"]
    wrong = clean.with_columns(
        pl.when(pl.int_range(pl.len()) % 25 == 0).then(pl.lit(" YES")).otherwise(pl.col("label")).alias("label"),
        pl.when(pl.int_range(pl.len()) % 8 == 0).then(None).otherwise(pl.col("y")).alias("y"),
        pl.lit(1).alias("constant"), (pl.col("x") * 1000).alias("x"),
    )  # fmt: skip
    flipped = wrong[5:9].with_columns(
        pl.when(pl.col("label") == "no").then(pl.lit("yes")).otherwise(pl.lit("no")).alias("label")
    )
    wrong = pl.concat([wrong, wrong[:5], flipped])
    wrong.write_parquet(tmp_path / "wrong.parquet")
    found = check(
        load(tmp_path / "wrong.parquet", reference=tmp_path / "clean.parquet"),
        only=["schema", "conventions", "duplicates", "same input"],
    )
    assert "spellings" in of(found, "conventions").title and of(found, "conventions").fixable
    assert of(found, "schema", "lack values").examples[0].items == ["y"]
    assert of(found, "schema", "never change").examples[0].items == ["constant"]
    assert "x" in of(found, "schema", "outside of").examples[0].items
    assert of(found, "duplicates", "byte for byte").count == 5
    assert of(found, "same input").severity == "error"
    made = repair(load(tmp_path / "wrong.parquet"), tmp_path / "mended")
    kept = pl.read_parquet(tmp_path / "mended" / "wrong.parquet")
    assert set(kept["label"]) == {"yes", "no"} and kept.height < wrong.height and made.relabelled


def test_a_test_set_that_knows_the_training_set(tmp_path: Path) -> None:
    rows = table(600)
    train, test = rows[:400], rows[400:]
    leaked = pl.concat([test, train[:20]]).with_columns(
        pl.when(pl.int_range(pl.len()) < 3).then(pl.lit("c7")).otherwise(pl.col("customer")).alias("customer")
    )
    train.write_csv(tmp_path / "train.csv")
    leaked.write_csv(tmp_path / "test.csv")
    report = check(load(tmp_path / "train.csv", test=tmp_path / "test.csv"), only=["leaks", "balance"])
    assert of(report, "leaks", "in the training set").count == 20
    people = of(report, "leaks", "people")
    assert people.count == 23 and people.examples
    assert "2026" in of(report, "leaks", "older").do
    clean = check(
        load(tmp_path / "train.csv", test=csv(tmp_path / "t.csv", test.rows(), *test.columns)), only=["leaks"]
    )
    assert not [one for one in clean.findings if one.severity == "error"]


def test_rare_and_unseen_classes(tmp_path: Path) -> None:
    labels = ["common"] * 300 + ["rare"] * 5 + [None] * 4
    rows = [(f"words number {n} of the text here", label) for n, label in enumerate(labels)]
    test = [("nobody knows this kind of text", "new")] * 1 + [(f"other words {n} of it", "common") for n in range(40)]
    report = check(
        load(csv(tmp_path / "a.csv", rows, "text", "label"), test=csv(tmp_path / "b.csv", test, "text", "label")),
        only=["balance"],
    )
    assert of(report, "balance", "no label").count == 4
    assert {example.items[0] for example in of(report, "balance", "rare").examples} >= {"rare"}
    assert of(report, "balance", "in no training item").examples[0].items == ["new"]


def test_texts_that_are_empty_broken_or_the_same(tmp_path: Path) -> None:
    rows = [
        (f"the weather of day {n} was rather {('good', 'bad')[n % 2]} in our town", ("yes", "no")[n % 2])
        for n in range(60)
    ]
    rows += [
        ("", "yes"),
        ("SchÃ¶nes Wetter heute in der ganzen Stadt", "yes"),
        ("The weather of day 3, was rather bad in our town!", "yes"),
    ]
    report = check(load(csv(tmp_path / "t.csv", rows, "text", "label")))
    assert of(report, "texts", "empty").count == 1 and of(report, "texts", "encoding").count == 1
    assert of(report, "same input").examples[0].words == "no | yes"


def test_age_and_where_it_is_from() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        table().write_parquet(Path(folder) / "a.parquet")
        data = load(Path(folder) / "a.parquet")
    young = Age(date(2026, 8, 1), "historical").find(data)
    assert [one.severity for one in young] == ["note"] and "13 days old" in young[0].title
    old = Age(date(2027, 8, 1)).find(data)
    assert [one.severity for one in old] == ["note", "warning"] and "isn't said" in old[0].title


def test_planted_label_errors_are_found(tmp_path: Path) -> None:
    rows = table(600, seed=3)
    flipped = set(np.random.default_rng(1).choice(600, 30, replace=False).tolist())
    turned = ["no" if (label == "yes") == (n in flipped) else "yes" for n, label in enumerate(rows["label"])]
    rows.with_columns(pl.Series("label", turned)).write_parquet(tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet")
    from tidegate.datachecks.confident import issues_of

    found, _ = issues_of(data, data.items, ["no", "yes"])
    hit = len(flipped & set(found))
    assert hit >= 24 and hit / len(found) > 0.5, (hit, len(found))
    assert of(check(data, only=["confident learning"]), "confident learning").count == len(found)


def test_the_command_says_what_to_do_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = faulty(tmp_path / "clips")
    words = ["data", "check", str(tmp_path / "clips"), "--labels", str(labels)]
    assert typed([*words, "--html", str(tmp_path / "r.html"), "--fix", str(tmp_path / "new"), "--dry-run"]) == 1
    said = capsys.readouterr().out
    assert "late.wav" in said and "--fix does it" in said and not (tmp_path / "new").exists()
    assert typed([*words, "--json", "--only", "silence"]) == 0
    assert {one["check"] for one in json.loads(capsys.readouterr().out)["findings"]} == {"silence"}
    for wrong, why in (
        (["data", "check", str(tmp_path / "nowhere")], "there is no"), ([*words, "--only", "silance"], 'Did you mean "silence"'),
        ([*words, "--column", "label"], "label=NAME"), (["data", "check", str(labels), "--column", "label=transcrpt"], "transcript"),
    ):  # fmt: skip
        assert typed(wrong) == 1 and why in capsys.readouterr().err
