"""Two versions on the same requests, from a journal as gateways write it."""

import base64
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest
from journal_maker import MATRIX, START, label, prediction, route, tensor, write

from tidegate.errors import InvalidRequest, NotFound
from tidegate.ingest.cycle import Cycle
from tidegate.storage.blobs import BlobStore
from tidegate.storage.layout import Layout
from tidegate.storage.options import LogOptions
from tidegate.types.inference import Signature, TensorSpec
from tidegate.types.records import PredictionRecord
from tidegate.views.replay import candidate, requests
from tidegate.views.shadow import diff
from tidegate.wire.codecs import codec
from tidegate.wire.frames import HAS_HEADER_LENGTH

SIGNATURE = Signature(
    kind="table",
    inputs=[TensorSpec("km", "FP64", [-1]), TensorSpec("sky", "BYTES", [-1])],
    outputs=[TensorSpec("score", "FP64", [-1]), TensorSpec("class", "BYTES", [-1])],
)


@pytest.fixture(autouse=True)
def versions(layout: Layout) -> None:
    route(layout, {("m", "1"): SIGNATURE, ("m", "2"): SIGNATURE})


def call(rows: list[tuple[float | None, str]], scores: list[float], **fields: object) -> PredictionRecord:
    n = len(rows)
    inputs = [tensor("km", "FP64", [n], [r[0] for r in rows]), tensor("sky", "BYTES", [n], [r[1] for r in rows])]
    if fields.get("status", 200) != 200:
        return prediction(inputs, **fields)
    classes = ["high" if score >= 0.5 else "low" for score in scores]
    outputs = [tensor("score", "FP64", [n], scores), tensor("class", "BYTES", [n], classes)]
    return prediction(inputs, outputs, **fields)


def pair(rows: list[tuple[float | None, str]], stable: list[float], canary: list[float], **of_copy: object) -> list:
    primary = call(rows, stable)
    return [primary, call(rows, canary, version="2", role="shadow", mirror_of=primary.id, **of_copy)]


def test_what_differs_is_told_by_request_and_by_output(layout: Layout) -> None:
    records = pair([(1.0, "sun")], [0.2], [0.2])
    records += pair([(2.0, "sun"), (3.0, "rain")], [0.2, 0.3], [0.2, 0.6])
    records += pair([(4.0, "sun")], [0.2], [0.2001])  # within 0.1% of the caller's answer
    write(layout, records)
    report = diff(layout, "loan", "2")
    assert (report.pairs, report.rows, report.differing) == (3, 4, 1)
    assert report.stable == "1" and report.low < report.rate < report.high
    by_name = {output.name: output for output in report.outputs}
    assert by_name["score"].rows == 1 and by_name["class"].rows == 1
    assert by_name["score"].greatest == pytest.approx(0.3)
    example = report.examples[0]
    assert example.row == 1 and example.inputs == {"km": 3.0, "sky": "rain"}
    assert (example.stable["class"], example.canary["class"]) == ("low", "high")


def test_an_output_that_no_caller_asked_for_is_neither_a_difference_nor_wrong(layout: Layout) -> None:
    records = []
    for n in range(20):
        primary = prediction([tensor("km", "FP64", [1], [1.0])], [tensor("score", "FP64", [1], [0.2])])
        copy = call([(1.0, "sun")], [0.2], version="2", role="shadow", mirror_of=primary.id)
        records += [primary, copy, label(primary.id, "low", key=str(n))]
    write(layout, records)
    report = diff(layout, "loan", "2")
    assert report.differing == 0 and [output.name for output in report.outputs] == ["score"]
    assert not any(quality.output == "class" for quality in report.quality), "callers never got a class"


def test_a_tolerance_by_output(layout: Layout) -> None:
    write(layout, pair([(1.0, "sun")], [0.2], [0.25]))
    assert diff(layout, "loan", "2").differing == 1
    assert diff(layout, "loan", "2", tolerance={"score": 0.1}).differing == 0
    assert diff(layout, "loan", "2", tolerance={"score": 0.01}).differing == 1


def test_failed_copies_are_errors_of_the_candidate_and_no_pairs(layout: Layout) -> None:
    records = [record for n in range(20) for record in pair([(1.0, "sun")], [0.2], [0.2], latency_us=2000 + n)]
    failed = pair([(6.0, "sun")], [0.2], [0.2], status=500, error="no")
    write(layout, records + failed)
    report = diff(layout, "loan", "2")
    assert report.pairs == 20
    assert (report.canary_arm.requests, report.canary_arm.errors, report.stable_arm.errors) == (21, 1, 0)
    assert 2.0 <= report.canary_arm.p50_ms <= 2.02 and report.stable_arm.p50_ms == 0.7
    assert report.canary_arm.low <= 1 / 21 <= report.canary_arm.high


def test_the_worst_slice_is_named(layout: Layout) -> None:
    random = np.random.default_rng(1)
    records: list = []
    for _ in range(600):
        km, sky = float(random.uniform(0, 10)), str(random.choice(["sun", "rain"]))
        wrong = km > 8 and random.random() < 0.9
        records += pair([(km, sky)], [0.2], [0.7 if wrong else 0.2])
    write(layout, records)
    worst = diff(layout, "loan", "2").slices[0]
    assert worst.text.startswith("km > ") and worst.clear and worst.bad / worst.rows > 0.6


def test_labels_say_which_of_the_two_was_right(layout: Layout) -> None:
    one, two = pair([(1.0, "sun")], [0.2], [0.9]), pair([(2.0, "sun")], [0.1], [0.2])
    write(layout, [*one, *two, label(one[0].id, "high"), label(two[0].id, "low")])
    (quality,) = diff(layout, "loan", "2").quality
    assert (quality.kind, quality.output, quality.rows) == ("wrong", "class", 2)
    assert (quality.stable, quality.canary, quality.only_stable_wrong, quality.only_canary_wrong) == (1, 0, 1, 0)


def test_numbers_against_numbers(layout: Layout) -> None:
    signature = Signature([TensorSpec("x", "FP64", [-1])], [TensorSpec("y", "FP64", [-1])])
    route(layout, {("m", "1"): signature, ("m", "2"): signature})
    records: list = []
    for value in (10.0, 20.0):
        x = [tensor("x", "FP64", [1], [value])]
        primary = prediction(x, [tensor("y", "FP64", [1], [value + 2])])
        y = [tensor("y", "FP64", [1], [value + 1])]
        records += [
            primary,
            prediction(x, y, version="2", role="shadow", mirror_of=primary.id),
            label(primary.id, value),
        ]
    write(layout, records)
    (quality,) = diff(layout, "loan", "2").quality
    assert (quality.kind, quality.stable, quality.canary) == ("absolute error", 2.0, 1.0)


def test_the_newest_copy_counts_and_only_those_sent_since(layout: Layout) -> None:
    first = pair([(1.0, "sun")], [0.2], [0.9])
    again = call([(1.0, "sun")], [0.2], version="2", role="shadow", mirror_of=first[0].id)
    write(layout, [*first, again])
    assert diff(layout, "loan", "2").differing == 0
    after = datetime.fromtimestamp(again.time / 1e9, UTC) + timedelta(seconds=1)
    with pytest.raises(NotFound, match="tidegate replay loan --to 2"):
        diff(layout, "loan", "2", sent_since=after)


def test_the_table_and_the_journal_are_one(layout: Layout) -> None:
    write(layout, pair([(1.0, "sun")], [0.2], [0.9]))
    Cycle(layout, LogOptions()).run()
    write(layout, pair([(2.0, "sun")], [0.2], [0.2]))
    report = diff(layout, "loan", "2")
    assert (report.pairs, report.differing) == (2, 1)


def test_no_copies_says_how_to_make_some(layout: Layout) -> None:
    write(layout, [call([(1.0, "sun")], [0.2])])
    with pytest.raises(NotFound, match="tidegate replay loan --to 2"):
        diff(layout, "loan", "2")


# -- requests of the log, once more


def test_requests_come_back_as_they_were(layout: Layout) -> None:
    import json

    write(layout, [call([(1.5, "sun"), (None, "rain")], [0.1, 0.2]), *pair([(3.0, "sun")], [0.2], [0.9])])
    found = requests(layout, "loan", SIGNATURE)
    assert (found.found, found.skipped, len(found.requests)) == (2, 0, 2)
    assert json.loads(found.requests[0].body) == {
        "inputs": [
            {"name": "km", "datatype": "FP64", "shape": [2], "data": [1.5, None]},
            {"name": "sky", "datatype": "BYTES", "shape": [2], "data": ["sun", "rain"]},
        ]
    }


def test_a_matrix_is_put_together_from_its_columns(layout: Layout) -> None:
    import json

    route(layout, {("m", "1"): MATRIX})
    write(
        layout,
        [prediction([tensor("x", "FP64", [2, 3], [1, 2, 3, 4, 5, 6])], [tensor("predict", "INT64", [2], [0, 1])])],
    )
    (request,) = requests(layout, "loan", MATRIX).requests
    assert json.loads(request.body)["inputs"] == [
        {"name": "x", "datatype": "FP64", "shape": [2, 3], "data": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
    ]


def test_pictures_go_as_the_bytes_they_were_and_are_left_out_where_not_kept(layout: Layout) -> None:
    small, large, lost = b"\xff\xd8small", b"\xff\xd8" + bytes(70_000), b"\xff\xd9" + bytes(70_000)
    signature = Signature([TensorSpec("photo", "BYTES", [-1], content="bytes")], [TensorSpec("predict", "INT64", [-1])])
    route(layout, {("m", "1"): signature})
    BlobStore(layout.blobs).put(large)
    for batch in ([small, large], [lost]):
        raw = b"".join(len(one).to_bytes(4, "little") + one for one in batch)
        head = {
            "name": "photo",
            "datatype": "BYTES",
            "shape": [len(batch)],
            "parameters": {"binary_data_size": len(raw)},
        }
        request = msgspec.Raw(msgspec.json.encode({"inputs": [head]}))
        outputs = [tensor("predict", "INT64", [len(batch)], [0] * len(batch))]
        write(layout, [prediction(None, outputs, request=request, binary=base64.b64encode(raw).decode())])
    found = requests(layout, "loan", signature)
    assert (len(found.requests), found.skipped) == (1, 1)
    (one,) = found.requests
    again = codec("v2").decode(one.body, signature, json_length=one.json_length, flags=HAS_HEADER_LENGTH)
    assert again.inputs["photo"].tolist() == [small, large]


def test_few_of_many_are_spread_over_the_whole_time(layout: Layout) -> None:
    write(layout, [call([(float(n), "sun")], [0.1]) for n in range(100)])
    found = requests(layout, "loan", SIGNATURE, limit=10)
    assert found.found == 100
    times = [request.time.timestamp() for request in found.requests]
    assert len(times) == 10 and max(np.diff(times)) < 2 * min(np.diff(times))
    assert times[-1] - times[0] > 0.085  # of a tenth of a second


def test_what_the_log_lacks_is_named(layout: Layout) -> None:
    write(layout, [call([(1.0, "sun")], [0.1])])
    wider = Signature([*SIGNATURE.inputs, TensorSpec("rain", "FP64", [-1])], SIGNATURE.outputs, "table")
    with pytest.raises(InvalidRequest, match="no input 'rain'"):
        requests(layout, "loan", wider)
    optional = Signature(
        [*SIGNATURE.inputs, TensorSpec("rain", "FP64", [-1], optional=True)], SIGNATURE.outputs, "table"
    )
    assert len(requests(layout, "loan", optional).requests) == 1
    future = datetime.fromtimestamp(START / 1e9, UTC) + timedelta(days=9000)
    with pytest.raises(NotFound, match="no answered request in that time"):
        requests(layout, "loan", SIGNATURE, since=future)


def test_a_candidate_must_be_known_and_ready(layout: Layout) -> None:
    assert candidate(layout, "loan", "2").signature == SIGNATURE
    with pytest.raises(NotFound, match="Known: 1, 2"):
        candidate(layout, "loan", "3")
    with pytest.raises(NotFound, match='Did you mean "loan"'):
        candidate(layout, "laon", "2")
