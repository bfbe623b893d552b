"""Names of columns: readable, never ambiguous, never changed."""

from pathlib import Path

from tidegate.storage.log.columns import ColumnBook
from tidegate.types.inference import Signature, TensorSpec


def test_names_survive_sql_and_clashes(tmp_path: Path) -> None:
    book = ColumnBook(tmp_path / "columns.json")
    assert book.column("input", "Distance(mi)", "double") == "Distance_mi"
    assert book.column("input", "distance mi", "double") == "input_distance_mi"
    assert book.column("input", "time", "double") == "input_time"
    assert book.column("output", "Distance(mi)", "double") == "output_Distance_mi"
    assert book.column("input", "0", "double") == "input_0"
    assert book.column("input", "!!", "double") == "input"
    assert book.column("input", "label", "string") == "input_label"


def test_a_wider_type_is_kept_and_another_gets_its_own_column(tmp_path: Path) -> None:
    book = ColumnBook(tmp_path / "columns.json")
    assert book.column("input", "age", "double") == "age"
    assert book.column("input", "age", "integer") == "age"
    assert book.column("input", "age", "string") == "age_string"
    assert book.column("input", "age", "long") == "age_long"
    assert book.column("input", "age", "short") == "age"


def test_a_book_read_again_says_the_same(tmp_path: Path) -> None:
    signature = Signature([TensorSpec("a", "FP64", [-1])], [TensorSpec("b", "FP64", [-1])])
    book = ColumnBook(tmp_path / "columns.json")
    names = [
        book.column("input", "a b", "double"),
        book.column("input", "a-b", "double"),
        book.column("input", "a.b", "string"),
    ]
    book.learn("m", "1", signature)
    book.save()
    again = ColumnBook(tmp_path / "columns.json")
    assert [again.column("input", "a.b", "string"), again.column("input", "a-b", "double")] == [names[2], names[1]]
    assert again.known("m", "1") == [signature]
    assert not again.changed
