"""Descriptors as columns of the log: beside their payload, kept without it, the same from a journal that is read twice."""

import base64
import io
from typing import Any

import numpy as np
import polars as pl
import pytest
from journal_maker import TABLE, prediction, route, table, tensor, write

from tidegate.ingest.cycle import Cycle
from tidegate.metrics.descriptors.audio import Audio
from tidegate.metrics.descriptors.dispatch import describe
from tidegate.metrics.descriptors.image import Image
from tidegate.metrics.descriptors.reference import with_descriptors
from tidegate.metrics.descriptors.tensor import Tensor
from tidegate.metrics.descriptors.text import Text
from tidegate.storage.blobs import BlobStore
from tidegate.storage.layout import Layout
from tidegate.storage.log.columns import ColumnBook
from tidegate.storage.log.frames import FrameMaker
from tidegate.storage.log.recent import snapshot
from tidegate.storage.log.tables import predictions
from tidegate.storage.options import LogOptions
from tidegate.types.inference import Signature, TensorSpec
from tidegate.types.records import PredictionRecord

ANSWER = [tensor("score", "FP64", [1], [0.5])]
SCORE = [TensorSpec("score", "FP64", [-1])]


def maker(layout: Layout, signature: Signature, **blobs: Any) -> FrameMaker:
    book = ColumnBook(layout.log("loan") / "columns.json")
    book.learn("m", "1", signature)
    return FrameMaker(book, BlobStore(layout.blobs, **blobs), describe)


def asks(name: str, datatype: str, shape: list[int], data: Any, **parameters: Any) -> PredictionRecord:
    given = tensor(name, datatype, shape, data)
    if parameters:
        given["parameters"] = parameters
    return prediction([given], ANSWER)


def png(level: int = 200) -> str:
    image = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    image.fromarray(np.full((32, 64), level, np.uint8)).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def test_a_table_of_numbers_and_words_has_none(layout: Layout) -> None:
    frame = maker(layout, TABLE).frame([table([(30.5, "Sofia", 3), (None, "Plovdiv", 2)])])
    assert not [name for name in frame.columns if name.startswith(("age_", "city_", "rooms_"))]


def test_texts_in_and_out(layout: Layout) -> None:
    signature = Signature([TensorSpec("question", "BYTES", [-1])], [TensorSpec("reply", "BYTES", [-1])])
    outputs = [tensor("reply", "BYTES", [1], ["Yes, it is open until ten."])]
    ask = [tensor("question", "BYTES", [1], ["Is the bridge open this evening?"])]
    frame = maker(layout, signature).frame([prediction(ask, outputs)])
    found = frame.select("question_length", "question_words", "question_empty", "reply_words").row(0)
    assert found == (32, 6, False, 6)


@pytest.mark.parametrize("policy", ["all", "none"])
def test_an_image_is_described_though_it_is_not_kept(layout: Layout, policy: str) -> None:
    signature = Signature([TensorSpec("photo", "BYTES", [-1], content="bytes")], SCORE)
    made = maker(layout, signature, policy=policy, limit=50)
    frame = made.frame([asks("photo", "BYTES", [1], [png()]), asks("photo", "BYTES", [1], [png()[:60]])]).sort("time")
    assert frame["photo"].str.starts_with("blob:").all()
    assert frame["photo_brightness"].to_list() == [pytest.approx(200 / 255), None]
    assert frame["photo_width"].to_list() == [64, None]
    assert frame["photo_unreadable"].to_list() == [False, True]
    assert {f"photo_{name}" for name in Image.names} <= set(frame.columns)
    assert {c.side for c in made.book.columns if c.source.startswith("photo")} == {"input"}


def test_pcm_with_its_rate_as_parameter_or_as_input(layout: Layout) -> None:
    sound = (0.5 * np.sin(np.arange(8000) / 3)).round(4).tolist()
    signature = Signature([TensorSpec("audio", "FP32", [-1, -1])], SCORE)
    frame = maker(layout, signature).frame([asks("audio", "FP32", [1, 8000], sound, sampleRate=8000)])
    assert frame["audio_duration"].to_list() == [1.0]
    assert {f"audio_{name}" for name in Audio.names} - {"audio_snr"} <= set(frame.columns)
    beside = Signature([TensorSpec("voice", "FP32", [-1, -1]), TensorSpec("sr", "INT64", [])], SCORE, batched=False)
    inputs = [tensor("voice", "FP32", [1, 8000], sound), tensor("sr", "INT64", [], [16000])]
    made = maker(layout, beside)
    assert made.frame([prediction(inputs, ANSWER)]).height == 1


def test_an_embedding_has_its_norm(layout: Layout) -> None:
    signature = Signature([TensorSpec("embedding", "FP32", [-1, 512])], SCORE)
    frame = maker(layout, signature).frame([asks("embedding", "FP32", [1, 512], [2.0] * 512)])
    assert frame.select([f"embedding_{name}" for name in Tensor.names]).row(0) == (
        pytest.approx(2 * 512**0.5), "float32", "512", 0.0, 0.0,
    )  # fmt: skip


def test_a_name_that_the_model_has_itself_is_left_to_it(layout: Layout) -> None:
    signature = Signature([TensorSpec("note", "BYTES", [-1]), TensorSpec("note.length", "INT64", [-1])], SCORE)
    inputs = [tensor("note", "BYTES", [1], ["one two three four"]), tensor("note.length", "INT64", [1], [7])]
    frame = maker(layout, signature).frame([prediction(inputs, ANSWER)])
    assert frame["note_length"].to_list() == [7] and frame["note_words"].to_list() == [4]


def test_a_descriptor_that_fails_stops_nothing(layout: Layout) -> None:
    def broken(_: Any) -> Any:
        raise RuntimeError("no")

    signature = Signature([TensorSpec("note", "BYTES", [-1])], SCORE)
    book = ColumnBook(layout.log("loan") / "columns.json")
    book.learn("m", "1", signature)
    frame = FrameMaker(book, BlobStore(layout.blobs), broken).frame([asks("note", "BYTES", [1], ["a b c d"])])
    assert frame["note"].to_list() == ["a b c d"]


def test_ingest_and_readers_have_the_same_and_a_second_reading_too(layout: Layout) -> None:
    signature = Signature([TensorSpec("note", "BYTES", [-1])], SCORE)
    route(layout, {("m", "1"): signature})
    write(layout, [asks("note", "BYTES", [1], [f"the lane {i} is closed"]) for i in range(20)], "g0", 0)
    names = ["prediction_id", *(f"note_{name}" for name in Text.names if name != "language")]
    before = snapshot(layout, "loan", describe).predictions.select(names).sort("prediction_id").collect()
    Cycle(layout, LogOptions.model_validate({})).run()
    scan = predictions(layout, "loan").scan()
    assert scan is not None
    assert scan.select(names).sort("prediction_id").collect().equals(before)
    assert before["note_words"].to_list() == [5] * 20
    assert snapshot(layout, "loan").predictions.collect().schema["note_empty"] == pl.Boolean


def test_a_training_files_texts_are_described_as_the_logs(layout: Layout) -> None:
    signature = Signature([TensorSpec("the note", "BYTES", [-1]), TensorSpec("city", "BYTES", [-1])], SCORE)
    inputs = [tensor("the note", "BYTES", [1], ["one two three four"]), tensor("city", "BYTES", [1], ["Sofia"])]
    made = maker(layout, signature)
    served = made.frame([prediction(inputs, ANSWER)])
    training = pl.DataFrame({"the_note": ["one two three four", None, "five"], "city": ["Sofia", "Ruse", "Sofia"]})
    found = with_descriptors(training, made.book)
    assert found["the_note_words"].to_list() == [4, None, 1]
    assert set(found.columns) == {"the_note", "city", *(n for n in served.columns if n.startswith("the_note_"))}
    assert with_descriptors(training.drop("the_note"), made.book).columns == ["city"]
