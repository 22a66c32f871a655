"""Tables of real files: separators, headers, missing cells, and what is said about files that cannot be used."""

import gzip

import numpy as np
import pytest

from mdn.data import TableError, read_chunks, read_table, write_table, writing_table
from mdn.data.table_writing import Marks

pytestmark = pytest.mark.project


def table_of(folder, text, name="t.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_table(path)


@pytest.mark.parametrize("mark", [",", ";", "\t", " ", "   ", ", "])
@pytest.mark.parametrize("hash_", ["", "#", "# "])
def test_every_separator_and_header_gives_the_same_table(tmp_path, mark, hash_):
    rows = [["a", "b b" if mark.strip() else "bb", "c"], ["1", "-2.5", "3e4"], ["4", "5", "6"]]
    table = table_of(tmp_path, hash_ + "\n".join(mark.join(row) for row in rows) + "\n")
    assert table.columns == tuple(rows[0])
    np.testing.assert_array_equal(table.values, [[1, -2.5, 3e4], [4, 5, 6]])


def test_a_table_without_header_has_numbered_columns(tmp_path):
    table = table_of(tmp_path, "1,2\n3,4\n")
    assert table.columns == ("0", "1")
    np.testing.assert_array_equal(table.column("1"), [2, 4])


def test_missing_cells_are_nan(tmp_path):
    table = table_of(tmp_path, "a,b\n1,\nNA,2\n ? ,nan\n")
    np.testing.assert_array_equal(table.column("a"), [1, np.nan, np.nan])
    np.testing.assert_array_equal(table.column("b"), [np.nan, 2, np.nan])


def test_quoted_cells_comments_blank_lines_and_a_byte_order_mark(tmp_path):
    table = table_of(tmp_path, '\ufeff"a, first",b\n\n# a remark\n"1",2\n')
    assert table.columns == ("a, first", "b")
    np.testing.assert_array_equal(table.values, [[1, 2]])


def test_repeated_and_empty_names_become_unique(tmp_path):
    assert table_of(tmp_path, "a,a,,a\n1,2,3,4\n").columns == ("a", "a.1", "2", "a.2")


def test_columns_right_of_a_short_header_are_numbered_and_that_is_said(tmp_path):
    table = table_of(tmp_path, "#a b\n1 2 3\n")
    assert table.columns == ("a", "b", "2")
    assert "names 2 of 3 columns" in table.note


def test_a_gzipped_table_is_unpacked(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    np.testing.assert_array_equal(read_table(path).values, [[1, 2]])


def test_drop_leaves_the_other_columns_in_order(tmp_path):
    table = table_of(tmp_path, "a,b,c\n1,2,3\n")
    assert table.drop("b").columns == ("a", "c")
    np.testing.assert_array_equal(table.drop("b").values, [[1, 3]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "has no rows below its header"),
        ("a,b,c\n1,2,3\n4,5\n", "line 3 has 2 cells, but there are 3 columns"),
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 cells, but there are 2 columns"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path, text, message):
    with pytest.raises(TableError, match=message):
        table_of(tmp_path, text)


def test_a_missing_file_names_the_nearest(tmp_path):
    (tmp_path / "prices.csv").write_text("a\n1\n")
    with pytest.raises(TableError, match=r"there is no file .*Did you mean .*prices\.csv"):
        read_table(tmp_path / "price.csv")


def test_a_missing_column_names_the_nearest(tmp_path):
    table = table_of(tmp_path, "speed,height\n1,2\n")
    with pytest.raises(TableError, match=r"no column 'Sped'\. Did you mean 'speed'\? Its columns: speed, height"):
        table.column("Sped")


def test_text_in_a_column_of_numbers_names_line_and_column(tmp_path):
    table = table_of(tmp_path, "a,b\n1,2\n3,oops\n5,6\n7,8\n")
    with pytest.raises(TableError, match=r"column 'b' must hold numbers, but has 'oops' in line 3"):
        table.column("b")


def test_a_column_of_text_says_to_leave_it_out(tmp_path):
    table = table_of(tmp_path, "a,b\n1,red\n3,blue\n")
    with pytest.raises(TableError, match=r"column 'b' holds text \('red' in line 2\): leave it out"):
        table.column("b")


def test_few_words_that_come_back_are_categories_even_among_numbers(tmp_path):
    table = table_of(tmp_path, "shop\n" + "1\n2\nnorth\n" * 5)
    assert [*table["shop"][:3]] == ["1", "2", "north"]


def test_binary_data_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\x93NUMPY\x00\x01\xff\xfe")
    with pytest.raises(TableError, match="not a text file"):
        read_table(path)


def test_what_is_written_reads_back_and_replaces_only_when_whole(tmp_path):
    path = tmp_path / "out.csv"
    write_table(path, ["a", "b"], [[1.5, 2], [3, 1e-12]])
    np.testing.assert_array_equal(read_table(path).values, [[1.5, 2], [3, 1e-12]])
    with pytest.raises(ValueError):
        write_table(path, ["a"], [["no number"]])
    np.testing.assert_array_equal(read_table(path).values, [[1.5, 2], [3, 1e-12]])
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


def test_a_long_table_is_read_in_chunks_and_is_the_same(tmp_path):
    path = tmp_path / "t.csv"
    # the second column is numbers at first, and text in the last chunk
    path.write_text("a,b\n" + "".join(f"{i},{f'0{i}' if i < 9 else 'x'}\n" for i in range(11)))
    chunks = list(read_chunks(path, rows=4))
    assert [len(chunk) for chunk in chunks] == [4, 4, 3]
    np.testing.assert_array_equal(np.concatenate([chunk.column("a") for chunk in chunks]), np.arange(11))
    texts = [chunk["b"] for chunk in read_chunks(path, rows=4, text=["b"])]
    assert [*np.concatenate(texts)] == [*(f"0{i}" for i in range(9)), "x", "x"]


def test_cells_that_are_numbers_in_one_chunk_and_text_in_another_stay_as_written(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("b\n" + "007\n" * 70_000 + "x\n" * 80_000)
    column = read_table(path)["b"]
    assert (column[0], column[-1], len(column)) == ("007", "x", 150_000)


def test_a_line_in_a_later_chunk_is_named_by_its_number(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"two\nlines"\n\n3,4\n5\n')
    with pytest.raises(TableError, match="line 6 has 1 cell, but"):
        list(read_chunks(path, rows=1))


def test_shares_grow_to_one(tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a\n" + b"1\n" * 10_000))
    shares = []
    list(read_chunks(path, rows=1000, on_share=shares.append))
    assert len(shares) == 10 and shares == sorted(shares) and shares[-1] == 1.0


def test_parquet_is_a_table_like_any_other(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "whole": pandas.array([1, None, 3], dtype="Int64"),
            "real": [0.5, float("nan"), -1.0],
            "flag": [True, False, True],
            "word": ["red", None, "blue"],
            "kind": pandas.Categorical(["u", "v", "u"]),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.columns == tuple(frame.columns)
    numbers = table.select(["whole", "real", "flag"]).values
    np.testing.assert_array_equal(numbers, [[1, 0.5, 1], [np.nan, np.nan, 0], [3, -1, 1]])
    assert [*table["word"]] == ["red", "", "blue"]
    assert [*table["kind"]] == ["u", "v", "u"]
    assert [len(chunk) for chunk in read_chunks(tmp_path / "t.parquet", rows=2)] == [2, 1]


def test_parquet_that_is_none_or_holds_lists_is_refused(tmp_path):
    pandas = pytest.importorskip("pandas")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(TableError, match="no Parquet file, or is damaged"):
        read_table(tmp_path / "broken.parquet")
    pandas.DataFrame({"a": [[1, 2]]}).to_parquet(tmp_path / "lists.parquet")
    with pytest.raises(TableError, match="column 'a' holds list"):
        read_table(tmp_path / "lists.parquet").column("a")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "t.tsv.gz", "t.parquet"])
def test_what_is_written_in_parts_reads_back(tmp_path, name):
    with writing_table(tmp_path / name, ["a", "b"]) as write:
        write([[1.5, 2]])
        write([[3, np.nan], [4, 1e-12]])
    table = read_table(tmp_path / name)
    assert table.columns == ("a", "b")
    np.testing.assert_array_equal(table.values, [[1.5, 2], [3, np.nan], [4, 1e-12]])


@pytest.mark.parametrize("name", ["t.xlsx", "t.pdf", "t.json.gz"])
def test_a_table_is_not_written_under_the_name_of_another_format(tmp_path, name):
    with pytest.raises(TableError, match=r"is written as \.csv, \.tsv or \.parquet"):
        write_table(tmp_path / name, ["a"], [[1.5]])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "learnt", "decimal", "marks", "said"),
    [
        ("a;b\n1,5;x\n", {}, None, Marks(";", ","), "as t.csv is, with ';' between cells and decimal commas."),
        ("a;b\n1.5;x\n", {}, None, Marks(";", "."), "as t.csv is, with ';' between cells and decimal points."),
        ("a;b\n1;x\n", {"a": ","}, None, Marks(";", ","), "as t.csv is, with ';' between cells and decimal commas."),
        ("a;b\n1;x\n", {}, ",", Marks(";", ","), "as t.csv is, with ';' between cells and decimal commas."),
        ("a;b\n1;x\n", {"a": ","}, ".", Marks(";", "."), "as t.csv is, with ';' between cells and decimal points."),
        ("a|b\n1.5|x\n", {}, None, Marks("|", "."), "as t.csv is, with '|' between cells and decimal points."),
        ("a\tb\n1,5\tx\n", {}, None, Marks(";", ","), "with ';' between cells and decimal commas, as spreadsheets"),
        ("a\tb\n1.5\tx\n", {}, None, Marks(), None),
        ('a,b\n"1,5",x\n', {}, None, Marks(), None),
        ("a,b\n1.5,x\n", {"a": ","}, None, Marks(), None),
    ],
)
def test_a_table_is_written_in_the_notation_of_the_one_that_was_read(tmp_path, content, learnt, decimal, marks, said):
    (tmp_path / "t.csv").write_text(content)
    table = next(read_chunks(tmp_path / "t.csv", decimal=decimal))
    assert Marks.of(table, learnt, decimal) == marks
    sentence = marks.said("o.csv", table)
    assert sentence is None if said is None else f"o.csv is written {said}" in sentence.replace(table.source, "t.csv")


def test_decimal_commas_read_back_beside_words_and_alone(tmp_path):
    path, values = tmp_path / "t.csv", [[1.5, np.nan], [-2e-12, 1234567.5]]
    for words in ((), (("a;b", "c"),)):
        with writing_table(path, ["x", "y"], ["id"][: len(words)], separator=";", decimal=",") as write:
            write(values, words)
        table = read_table(path)
        np.testing.assert_array_equal(table.select(["x", "y"]).values, values)
        assert "." not in path.read_text() and (not words or tuple(table["id"]) == words[0])
    with pytest.raises(ValueError, match="another mark than `separator`"), writing_table(path, ["x"], decimal=","):
        pass


def test_a_name_that_is_asked_for_is_no_other_ones_correction(tmp_path):
    (tmp_path / "t.csv").write_text("s5,s4,y\n1,2,3\n")
    table = read_table(tmp_path / "t.csv")
    with pytest.raises(TableError, match=r"no column 's6'\. Its columns"):
        table.select(["s5", "s4", "s6"])
    with pytest.raises(TableError, match=r"no column 's6'\. Did you mean 's4'\?"):
        table.select(["s5", "s6"])


@pytest.mark.data
def test_the_redshifts_are_read(data_folder):
    table = read_table(data_folder / "photoz" / "SDSS_MGS.train")
    assert table.columns[:3] == ("zs", "u", "g")
    assert table.values.shape == (5000, 19)
    assert 0.05 < np.median(table.column("zs")) < 0.15
