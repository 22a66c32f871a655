"""Tables in every dialect that files come in: separators, notations of numbers, encodings, ends of lines, missing cells.

The files are made here, by code, each with the table that it means; pandas and polars, with the right options, read the same.
"""

import codecs
import datetime
import io
import itertools
import pickle
import re
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdn.data import TableError, excel, read_chunks, read_table, source_of, table_files
from mdn.data.notation import Notation, foreign_number, is_error, is_stand_in, look_at, parse
from mdn.data.tables import ExactNumber

pytestmark = pytest.mark.project


def column_of(*cells, head="x\tprice"):
    """A file with the cells as its second column, between tabs."""
    return "\n".join([head, *(f"{i}\t{cell}" for i, cell in enumerate(cells))]) + "\n"


# ---- the corpus ------------------------------------------------------------------------------------------------------

_NUMBERS = np.array([[1234567.25, -0.5], [-12.75, np.nan], [0.125, 3.0], [81234.5, -1e-3]])
_WORDS = ["red", "dark blue", "red", "größer"]
_DAYS = ["2024-01-31", "2024-02-01", "2024-02-02", "2023-12-24"]
_GROUPS = {".": ("", ",", "'", " "), ",": ("", ".", "'", "\u00a0", "\u202f")}


def written(value, decimal=".", group="", missing=""):
    """A number in a notation."""
    if np.isnan(value):
        return missing
    whole, _, rest = f"{value:.4f}".rstrip("0").rstrip(".").partition(".")
    sign, whole = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    pieces = [whole[max(0, end - 3) : end] for end in range(len(whole), 0, -3)][::-1]
    return sign + group.join(pieces) + (decimal + rest if rest else "")


def cell_of(text, mark, quotes):
    """A cell between marks, in quotes where it needs them, or always."""
    if quotes or mark in text or '"' in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _corpus():
    """(what it is, bytes, options of pandas or None if it has none): files that all mean the same table."""
    encodings = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252")
    ways = itertools.product(",;\t|", ".,", (False, True), encodings, ("\n", "\r\n", "\r"))
    for i, (mark, decimal, quotes, encoding, end) in enumerate(ways):
        groups = [group for group in _GROUPS[decimal] if not (encoding == "cp1252" and group == "\u202f")]
        group = groups[i % len(groups)]
        missing = ("", "NA", "#N/A", "-", "<NA>", "--")[i // 5 % 6]
        remark = ("", "# measured by hand" + end)[i % 2]
        said = "sep=" + mark + end if i % 5 == 0 else ""
        rows = [["word", "day", "a", "b"]] + [
            [word, day, *(written(value, decimal, group, missing) for value in row)]
            for word, day, row in zip(_WORDS, _DAYS, _NUMBERS, strict=True)
        ]
        text = said + remark + "".join(mark.join(cell_of(cell, mark, quotes) for cell in row) + end for row in rows)
        mark_of_order = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
        options = {
            "sep": mark,
            "decimal": decimal,
            "thousands": group or None,
            "encoding": encoding.removesuffix("-be"),
            "skiprows": bool(said) + bool(remark),
        }
        yield (
            f"{mark!r} {decimal} {group!r} {encoding} {end!r} {missing}",
            mark_of_order + text.encode(encoding),
            options,
        )


CORPUS = list(_corpus())


def test_the_corpus_is_large():
    assert len(CORPUS) >= 200 and len({content for _, content, _ in CORPUS}) == len(CORPUS)


def test_every_file_of_the_corpus_is_the_table_that_it_means(tmp_path):
    """Faults 2 and 13 of issue 21: files with local notations, marks and encodings were refused."""
    path = tmp_path / "t.txt"
    for what, content, _ in CORPUS:
        path.write_bytes(content)
        table = read_table(path)
        assert table.columns == ("word", "day", "a", "b"), what
        assert [*table["word"]] == _WORDS and [*table["day"]] == _DAYS, what
        np.testing.assert_array_equal(table.select(["a", "b"]).values, _NUMBERS, err_msg=what)
        assert ("Windows-1252" in table.note) == ("cp1252" in what), what


def test_pandas_reads_the_same_from_the_corpus(tmp_path):
    compared = 0
    for what, content, options in CORPUS[::4]:
        if options["thousands"] == "\u202f" and b"\xff\xfe" not in content[:2]:
            continue  # pandas takes one byte as the mark of thousands
        try:
            frame = pd.read_csv(io.BytesIO(content), engine="python", na_values=["--", "-"], **options)
        except (ValueError, TypeError):
            continue
        if list(frame.columns) != ["word", "day", "a", "b"] or frame["a"].dtype != float:
            continue
        np.testing.assert_array_equal(frame[["a", "b"]].to_numpy("float64"), _NUMBERS, err_msg=what)
        compared += 1
    assert compared >= 24


def test_polars_reads_the_same_from_the_corpus():
    compared = 0
    for what, content, options in CORPUS:
        if options["thousands"] or options["encoding"] != "utf-8" or b"\r" in content:
            continue
        decimal_comma = options["decimal"] == ","
        if decimal_comma and options["sep"] == ",":
            continue
        frame = pl.read_csv(
            content,
            separator=options["sep"],
            decimal_comma=decimal_comma,
            skip_rows=options["skiprows"],
            null_values=["", "NA", "#N/A", "-", "<NA>", "--"],
        )
        numbers = frame.select(pl.col("a", "b").cast(pl.Float64)).to_numpy()
        np.testing.assert_array_equal(numbers, _NUMBERS, err_msg=what)
        compared += 1
    assert compared >= 2


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("gap", [" ", "   ", "\t", " \t "])
@pytest.mark.parametrize("quotes", [True, False])
def test_white_space_files_are_the_table_that_they_mean(table_of, header, decimal, gap, quotes):
    """Fault 13 of issue 21: tabs and spaces mixed, and quotes in files between spaces."""
    rows = [[written(value, decimal, missing="NA") for value in row] for row in _NUMBERS]
    last = '"two  words"' if header else '"7"'  # a first line with words is a header
    rows = [[f'"{cell}"' if quotes else cell for cell in row] + [last] for row in rows]
    names = [["a", "b", "kind"]] if header else []
    table = table_of("\n".join(gap.join(row) for row in names + rows) + "\n")
    a, b, kind = table.columns
    np.testing.assert_array_equal(table.select([a, b]).values, _NUMBERS)
    assert [*table[kind]] == ["two  words" if header else 7] * 4 and (a == "a") == header


# ---- fault 2: numbers in local notations ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["+2,5", "\u20133,5"], [2.5, -3.5]),
        (["(1,200.50)", "300"], [-1200.5, 300]),
        (["1.234.567", "1.234"], [1234567, 1234]),
        (["1,234", "0,5"], [1.234, 0.5]),
        (["1,234", "5.5"], [1234, 5.5]),
        (["0,123", "1,234"], [0.123, 1.234]),
        (["1234,567", "1,234"], [1234.567, 1.234]),
        (["1,5e3", "2"], [1500, 2]),
        (["5\u2030", "6,5 \u2030"], [5, 6.5]),
        (["12,5 %", "1.000,5 %"], [12.5, 1000.5]),
        (["1.234,50-", "3"], [-1234.5, 3]),
        (["USD 5", "$6.25", "7"], [5, 6.25, 7]),
        (["R$ 1.234,56", "-R$ 1,00"], [1234.56, -1]),
        (["12 345 678", "1"], [12345678, 1]),
        (["1.5E\u221203", "2"], [0.0015, 2]),
    ],
)
def test_fault_2_a_column_is_read_in_the_notation_on_which_it_agrees(table_of, cells, values):
    """Fault 2 of issue 21: a column in a local notation was refused, with the advice to change the file."""
    table = table_of(column_of(*cells))
    np.testing.assert_array_equal(table["price"], values)
    assert "column 'price': " in table.note


@pytest.mark.parametrize("cell", ["1,234", "12,345 €", "-1,234", "(1,234)", "999,999 %"])
def test_fault_2_an_ambiguous_column_stops_and_names_both_readings_and_the_option(table_of, cell):
    """Fault 2 of issue 21: where it is ambiguous, stop and name both readings and the option."""
    filler = ["5 %"] if "%" in cell else ["5"]
    content = column_of(*filler, cell)
    table = table_of(content)
    as_decimal, as_thousands = (table_of(content, decimal=mark)["price"][1] for mark in ",.")
    assert as_thousands == pytest.approx(1000 * as_decimal)
    message = (
        rf"t\.csv: column 'price' can be read in two ways: {re.escape(repr(cell))} in line 3 is {as_decimal:.15g} if its comma "
        rf"is decimal, and {as_thousands:.15g} if it stands between thousands\. Say .*--decimal , or --decimal \. \(in Python "
    )
    for use in (table.__getitem__, table.column):
        with pytest.raises(TableError, match=message):
            use("price")
    np.testing.assert_array_equal(table["x"], [0, 1])  # the other columns can be used
    assert "decimal=',' was asked for" in table_of(content, decimal=",").note


def test_fault_2_the_other_columns_decide_what_one_leaves_open(table_of):
    """Fault 2 of issue 21: one file has one decimal mark."""
    table = table_of("a;b\n1,234;2,6\n5,678;3\n")
    np.testing.assert_array_equal(table["a"], [1.234, 5.678])
    table = table_of("a;b\n1.234;2,6\n5.678;3\n")
    np.testing.assert_array_equal(table["a"], [1234, 5678])
    assert "'a': points between thousands, since column 'b' has decimal commas, so '1.234' is 1234." in table.note
    table = table_of('a,b\n"1,234","1,234.5"\n"5,678",3\n')
    np.testing.assert_array_equal(table["a"], [1234, 5678])
    table = table_of("a;b\n1.234;2.6\n5.678;3\n")
    np.testing.assert_array_equal(table["a"], [1.234, 5.678])
    assert not table.note
    table = table_of("a;b;c\n1,234;2,6;2.6\n5,678;3;3\n")
    with pytest.raises(TableError, match=r"two ways: .* Column 'b' has decimal commas, but 'c' decimal points\."):
        table["a"]


@pytest.mark.parametrize(
    ("cells", "one", "other"),
    [
        (["2,6", "1,234,567"], "'2,6' in line 2", "'1,234,567' in line 3"),
        (["12%", "0.5"], "'12%' in line 2", "'0.5' in line 3"),
        (["3", "$5", "€6"], "'\\$5' in line 3", "'€6' in line 4"),
        (["2,6", "3.5"], "'2,6' in line 2", "'3.5' in line 3"),
    ],
)
def test_fault_2_two_notations_in_one_column_stop(table_of, cells, one, other):
    """Fault 2 of issue 21: no guess for a column that does not agree with itself."""
    with pytest.raises(TableError, match=f"column 'price' mixes two notations of numbers: {one}, but {other}"):
        table_of(column_of(*cells))["price"]
    assert [*table_of(column_of(*cells), text=["price"])["price"]] == cells


def test_fault_2_many_columns_share_one_sentence(table_of):
    """Fault 2 of issue 21: say what was read how."""
    table = table_of(";".join("abcdef") + "\n" + ";".join(["2,6"] * 6) + "\n")
    assert table.note.endswith("t.csv: columns 'a', 'b', 'c' and 3 more: decimal commas, so '2,6' is 2.6.")


@pytest.mark.parametrize("rows", [1, 2, 5, 1000])
@pytest.mark.parametrize("last", ["2,6", "1.234,5", "oops", "1,234,567", "7", "12%", "0.5"])
def test_fault_2_a_table_in_many_chunks_is_the_same_as_in_one(table_of, monkeypatch, rows, last):
    """Fault 2 of issue 21: the first rows must not decide for a whole table."""
    content = "a;b;c\n" + "1,234;1.234;5\n" * 25 + f"{last};1.234;5\n"

    def seen(table):
        found = []
        for name in table.columns:
            try:
                found.append([*table[name]])
            except TableError as error:
                found.append(str(error))
        return found, table.note, table.text_columns()

    whole = seen(table_of(content))
    monkeypatch.setattr(table_files, "_ROWS", rows)
    assert seen(table_of(content)) == whole


def test_fault_2_chunks_are_read_as_the_first_shows_and_a_contradiction_stops(table_of):
    """Fault 2 of issue 21."""
    table_of("a;b\n2,6;1\n3;1\n4,5;2,5\n1.234;0,5\n7.5;1\n")
    chunks = read_chunks(table_of.folder / "t.csv", rows=2)
    np.testing.assert_array_equal(next(chunks).values, [[2.6, 1], [3, 1]])
    np.testing.assert_array_equal(next(chunks).values, [[4.5, 2.5], [1234, 0.5]])
    with pytest.raises(TableError, match=r"column 'a' must hold numbers with decimal commas, but has '7\.5' in line 6"):
        next(chunks).column("a")
    table_of("a\n26\n3\n4,5\n2,5\n")
    *_, last = read_chunks(table_of.folder / "t.csv", rows=2)
    with pytest.raises(TableError, match="in another notation than in the rows above: '4,5' in line 4"):
        last.column("a")


def test_fault_2_options_are_checked(table_of):
    """Fault 2 of issue 21."""
    for read in (read_table, read_chunks):
        with pytest.raises(ValueError, match=r"`decimal` must be ',' or '.', or None"):
            read("t.csv", decimal=";")
        with pytest.raises(ValueError, match=r"`separator` must be ',', ';', '\|', 'tab' or 'space', or None"):
            read("t.csv", separator="x")


def test_a_comma_is_decimal_or_between_thousands_but_never_both():
    assert look_at("1,234").open and not look_at("0,234").open and not look_at("12,34").open
    for cell in ("1,2,3", "12.05.2020", "1.2.3", "(5", "--5", "5 kg", "1,23,4", "$5 %", "(-5)", "1 23", "+49 30 1234"):
        assert look_at(cell) is None and foreign_number([cell]) is None
    assert Notation(",").number("1.234,5") == 1234.5 and Notation(",").number("1.5") is None
    assert Notation(".").number("1,5") is None and Notation(unit="%").number("5") is None


@pytest.mark.parametrize("cells", [["4_97", "0_1", "5"], ["1_23", "12_3"], ["1_000,5", "2,5"]])
def test_a_cell_with_an_underscore_is_no_number(table_of, cells):
    """Python reads 1_23 and 12_3 as 123, so that two names of rows became one number."""
    table = table_of(column_of(*cells, *(["x_1"] * 4)))
    assert [*table["price"]][: len(cells)] == cells and look_at("1_2") is None
    for notation in (Notation(), Notation(","), Notation(unit="%")):
        assert np.isnan(notation.parse(["1_2", "1_3"])[0]).all() and notation.parse(["1_2", "1_3"])[1] == [0, 1]
    assert parse(["1_2"])[1] == [0]


@pytest.mark.parametrize(
    ("cells", "dash"), [(["1,204.00", " -   ", "2,100.50"], "-"), (["$1,204.00", "$ -", "$5.50"], "$ -")]
)
def test_a_dash_that_may_be_a_zero_of_excel_is_said(table_of, cells, dash):
    """Excel's formats for accounts write 0 as a dash, which was missing without a word."""
    table = table_of(column_of(*cells))
    assert np.isnan(table["price"][1]) and np.isfinite(table["price"][[0, 2]]).all()
    said = f"{dash!r} in line 3 is taken for a missing number, but Excel's formats for accounts write 0 so"
    assert said in table.note
    assert "accounts" not in table_of(column_of(*cells, "n/a")).note  # a missing number is written otherwise there
    assert "accounts" not in table_of(column_of("1.5", "-", "2")).note


@pytest.mark.parametrize(
    "cells", [["EUR-USD", "USD-CHF", "GBP-JPY"], ["CHF-", "-EUR", "EUR-USD"], ["$-$", "€ - $", "$-€"]]
)
def test_pairs_of_currencies_are_words(table_of, cells):
    """Excel's "$ -" stands for 0, and with it "EUR-USD" became a missing number."""
    assert [*table_of(column_of(*cells))["price"]] == cells
    assert [*table_of(column_of(*cells, "red"))["price"]] == [*cells, "red"]
    assert not any(map(is_stand_in, cells)) and all(map(is_stand_in, ["$-", "- €", "R$ -", "-"]))


@pytest.mark.parametrize("mark", ["n.a.", "k.A.", "Not available"])
def test_not_available_is_a_level_of_text_and_missing_among_numbers(table_of, mark):
    """A column of "Available" and "Not available" had one level."""
    np.testing.assert_array_equal(table_of(column_of("1.5", mark, "2"))["price"], [1.5, np.nan, 2])
    np.testing.assert_array_equal(table_of(column_of("1,5", mark, "2,5"))["price"], [1.5, np.nan, 2.5])
    assert [*table_of(column_of("Available", mark, "Available"))["price"]] == ["Available", mark, "Available"]


@pytest.mark.parametrize("mark", ["\\N", "(null)", "#NV", "#WERT!", "#BEZUG!", "#N/D", "#VALEUR!"])
def test_what_stands_for_a_missing_cell_in_other_programs_is_missing(table_of, mark):
    """MySQL, German and French Excel: such a word made a column of numbers a category."""
    table = table_of(column_of("1.5", mark, "2", mark, mark, "3"))
    np.testing.assert_array_equal(table["price"], [1.5, np.nan, 2, np.nan, np.nan, 3])
    assert [*table_of(column_of("red", mark, "blue"))["price"]] == ["red", "", "blue"]


def test_a_colon_is_missing_among_numbers_only(table_of):
    np.testing.assert_array_equal(table_of(column_of("1.5", ":", "2"))["price"], [1.5, np.nan, 2])
    assert [*table_of(column_of("red", ":", "blue"))["price"]] == ["red", ":", "blue"]
    assert is_error("#NV;1") and not is_error("#nvidia") and is_error('"#N/A"')


# ---- files of one table -------------------------------------------------------------------------------------------------


def files_of(folder, *contents):
    """Files between tabs, in order."""
    for i, content in enumerate(contents):
        (folder / f"{i}.tsv").write_text(content, encoding="utf-8")
    return source_of([folder / f"{i}.tsv" for i in range(len(contents))])


def test_a_file_that_leaves_its_decimal_mark_open_is_read_as_those_before_it(tmp_path):
    """Files with 7.876,5 and 7.876 were fitted together as 7876.5 and 7.876."""
    shown, open_ = column_of("7.876,5", "5,25"), column_of("7.876", "5.125")
    first, last = files_of(tmp_path, shown, open_).blocks()
    np.testing.assert_array_equal(first.column("price"), [7876.5, 5.25])
    np.testing.assert_array_equal(last.column("price"), [7876, 5125])
    assert "column 'price': as in the files before, the point in '7.876' stands between thousands." in last.note
    blocks = files_of(tmp_path, open_, open_, shown).blocks()
    np.testing.assert_array_equal(next(blocks).column("price"), [7.876, 5.125])
    next(blocks)
    with pytest.raises(
        TableError, match=r"2\.tsv: .* 'price' is ',', but .*0\.tsv, where nothing shows it, was read with '\.'"
    ):
        next(blocks)
    points = column_of("1.5", "2.25")
    assert [len(block) for block in files_of(tmp_path, points, shown, points).blocks()] == [
        2,
        2,
        2,
    ]  # each shows its own


def test_files_in_two_currencies_are_refused(tmp_path):
    """Amounts in dollars and in euros were the numbers of one column."""
    assert len([*files_of(tmp_path, column_of("$5", "$6"), column_of("7"), column_of("8 USD")).blocks()]) == 3
    with pytest.raises(TableError, match=r"1\.tsv: column 'price' has amounts in EUR, but .*0\.tsv has them in USD\."):
        [*files_of(tmp_path, column_of("$5", "$6"), column_of("€7")).blocks()]


# ---- open columns -----------------------------------------------------------------------------------------------------


def test_an_open_column_is_read_as_in_training_unless_the_file_shows_another_mark(table_of):
    """Issue 21: a new file with the cells "1.100" and "2" was read with points as decimal, whatever training had."""
    content = "area,b\n1.100,x\n2,y\n"
    for mark, value in ((".", 1.1), (",", 1100)):
        table = table_of(content, learnt={"area": mark})
        np.testing.assert_array_equal(table["area"], [value, 2])
        assert table.decimals() == {"area": mark}
        said = "column 'area': as in training, the point in '1.100' stands between thousands." in table.note
        assert said == (value == 1100)
    for learnt, value, role in ((",", 1.234, "is decimal"), (".", 1234, "stands between thousands")):
        table = table_of(column_of("1,234", "5"), learnt={"price": learnt})
        assert table["price"][0] == value and f"as in training, the comma in '1,234' {role}." in table.note
        chunks = read_chunks(table_of.folder / "t.csv", learnt={"price": learnt}, rows=1)
        assert [chunk["price"][0] for chunk in chunks] == [value, 5]
    table = table_of("a;b\n1.234;2,6\n5.678;3\n", learnt={"a": "."})
    np.testing.assert_array_equal(table["a"], [1234, 5678])
    assert "as in training" not in table.note
    with pytest.raises(ValueError, match=r"`learnt` must map columns to ',' or '\.', but ';' came for 'a'"):
        table_of(content, learnt={"a": ";"})


def test_a_table_says_the_marks_and_units_of_its_columns(table_of):
    """Issue 21: the mark and the unit that were read in training were forgotten."""
    table = table_of("a;b;c;d;e\n2,6;7 %;1.5;1;x\n1.234,5;8 %;2;2;y\n".replace("1.5", "1,5"))
    assert table.decimals() == {"a": ",", "c": ","} and table.units() == {"b": "%"}
    assert table.take([1]).drop("c").decimals() == {"a": ","} and table.select(["b"]).units() == {"b": "%"}
    table = table_of("a,b\n1.5,5\n2,6\n")
    assert table.decimals() == {"a": "."} and table.units() == {}


@pytest.mark.parametrize(
    ("content", "open_"),
    [
        ("n;k\n999;1\n1.250;2\n12.500;3\n850;4\n1.000;5\n", True),
        ("n;k\n1.251;1\n12.505;2\n", True),
        ("n\tk\n999\t1\n1.250\t2\n", True),
        ("n,k\n1.250,1\n12.500,2\n1.000,3\n", False),  # as "%.3f" writes it
        ("n,k\n1.251,1\n12,2\n", False),
        ("n;k\n1.250;1\n0.512;2\n", False),
        ("n;k\n1.250;1.5\n2.500;2\n", False),
        ("n;k\n1.250;1\n1250;2\n", False),
    ],
)
def test_points_that_are_likely_to_stand_between_thousands_stop(table_of, content, open_):
    """Issue 21: 1.250 and 999 between semicolons were read as 1.25 and 999 without a word."""
    table = table_of(content)
    if open_:
        with pytest.raises(TableError, match=r"column 'n' can be read in two ways: '1\.25\d' in line"):
            table["n"]
        assert table_of(content, decimal=",")["n"].max() >= 1250
    else:
        assert table["n"].min() < 2 and not table.note


def test_a_column_of_decimal_commas_with_some_words_is_refused_and_votes(table_of):
    """Issue 21: with more than a tenth of words, a column with decimal commas became a category, and did not vote."""
    cells = [f"{i},5" for i in range(40)]
    cells[3::8] = ["sold"] * 5
    rows = "".join(f"{cell};1.{200 + i}\n" for i, cell in enumerate(cells))
    table = table_of("a;b\n" + rows)
    with pytest.raises(
        TableError, match=r"'a' must hold numbers with decimal commas, but has 'sold' in line 5, and 4 more"
    ):
        table["a"]
    assert not table.text_columns() and table["b"][1] == 1201
    assert [*table_of(column_of("1,5", "2", *["north"] * 3))["price"]] == ["1,5", "2", *["north"] * 3]


def test_a_later_chunk_that_contradicts_an_open_column_stops(table_of):
    """Issue 21: 1.234 was read as 1.234 in the first chunk, although decimal commas came further down in another column."""
    table_of("a,b\n1.234,5\n2.345,6\n" + '3.456,"7,5"\n')
    chunks = read_chunks(table_of.folder / "t.csv", rows=2)
    np.testing.assert_array_equal(next(chunks)["a"], [1.234, 2.345])
    with pytest.raises(
        TableError, match=r"'a' is read with decimal points, .* '1\.234' in line 2 is open, .*'b' has decimal com"
    ):
        next(chunks)
    assert len([*read_chunks(table_of.folder / "t.csv", rows=2, decimal=".")]) == 2


def test_a_large_column_with_marks_between_thousands_is_read_at_once_and_exactly(table_of):
    """Issue 21: numbers with marks between thousands were read cell by cell."""
    values = np.random.default_rng(0).integers(0, 10**9, 100_000) / 100
    content = column_of(*(f"{value:,.2f}" for value in values))
    np.testing.assert_array_equal(table_of(content)["price"], values)


# ---- fault 10: lines and cells that begin with '#' --------------------------------------------------------------------


def test_fault_10_lines_that_begin_with_a_hash_never_vanish(table_of):
    """Fault 10 of issue 21: rows such as '#N/A' or '#ff0000' were taken for remarks."""
    table = table_of("color,x\n#ff0000,1\n#N/A,2\n#00ff00,#DIV/0!\n")
    assert [*table["color"]] == ["#ff0000", "", "#00ff00"]
    np.testing.assert_array_equal(table["x"], [1, 2, np.nan])
    np.testing.assert_array_equal(table_of("x\n1\n#N/A\n3\n")["x"], [1, np.nan, 3])
    np.testing.assert_array_equal(table_of("#N/A;1\n2;3\n").values, [[np.nan, 1], [2, 3]])
    with pytest.raises(TableError, match="line 3 has 1 cell, but"):
        table_of("a,b\n1,2\n#N/A\n")


@pytest.mark.parametrize(
    "cell", ["#N/A", "#VALUE!", "#DIV/0!", "#REF!", "#NAME?", "#NULL!", "#NUM!", "<NA>", "NaT", "NA", "?", "-"]
)
def test_fault_10_errors_of_excel_are_missing(table_of, cell):
    """Fault 10 of issue 21."""
    np.testing.assert_array_equal(table_of(column_of("1", cell, "2,5"))["price"], [1, np.nan, 2.5])
    assert [*table_of(column_of("x", cell, "y"))["price"]] == ["x", "", "y"]


@pytest.mark.parametrize("cell", [".", "..", "--", "\u2014", "missing"])
def test_fault_10_a_dot_is_missing_among_numbers_and_a_word_among_words(table_of, cell):
    """Fault 10 of issue 21."""
    for number in ("2.5", "2,5", "2 %"):
        table = table_of(column_of(cell, *[number] * 3))
        np.testing.assert_array_equal(np.isnan(table["price"]), [True, False, False, False])
    assert [*table_of(column_of("x", cell, "y"))["price"]] == ["x", cell, "y"]
    with pytest.raises(TableError, match="has 'oops' in line 5"):
        table_of(column_of("1", cell, "2", "oops", *"345678"))["price"]


# ---- fault 13: separators, encodings and other files -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "columns", "values"),
    [
        ("sep=;\na,x;b\n1;2\n", ("a,x", "b"), [[1, 2]]),
        ('"sep=|"\r\na;x|b\r\n1|2\r\n', ("a;x", "b"), [[1, 2]]),
        ("a|b\n1|2,5\n", ("a", "b"), [[1, 2.5]]),
        ("a\tb  c\n1\t2 3\n10\t20 30\n", ("a", "b", "c"), [[1, 2, 3], [10, 20, 30]]),
        ("a\t\tb\n1\t2\n10\t\t3\n", ("a", "b"), [[1, 2], [10, 3]]),
        ("price EUR\tb\n6 381\t5\n", ("price EUR", "b"), [[6381, 5]]),
        ('a,b\n1,"2,6"\n2,"3,1"\n', ("a", "b"), [[1, 2.6], [2, 3.1]]),
        ("a;b;c\n1,5;2,5;3,5\n4,5;5,5;6,5\n", ("a", "b", "c"), [[1.5, 2.5, 3.5], [4.5, 5.5, 6.5]]),
        ("price\n1.234,5\n6,1\n", ("price",), [[1234.5], [6.1]]),
        ('a b\n"1" "2"\n', ("a", "b"), [[1, 2]]),
        ("a;b\r1;2\r3;4\r", ("a", "b"), [[1, 2], [3, 4]]),
        ("a,b\n1,2\r\n3,4\r5,6\n", ("a", "b"), [[1, 2], [3, 4], [5, 6]]),
    ],
)
def test_fault_13_the_separator_is_found(table_of, content, columns, values):
    """Fault 13 of issue 21."""
    table = table_of(content)
    assert table.columns == columns
    np.testing.assert_array_equal(table.values, values)


def test_fault_13_lines_are_numbered_as_in_the_file_below_a_line_for_excel(table_of):
    """Fault 13 of issue 21."""
    assert [*table_of("sep=;\na;b\n1;2\n3;4\n").lines] == [3, 4]


@pytest.mark.parametrize(
    ("separator", "mark"), [(",", ","), (";", ";"), ("|", "|"), ("tab", "\t"), ("\t", "\t"), ("space", "  ")]
)
def test_fault_13_a_separator_that_is_said_is_obeyed(table_of, separator, mark):
    """Fault 13 of issue 21."""
    other = ";" if mark != ";" else ","
    table = table_of(f"a{other}x{mark}b\n1{mark}2\n", separator=separator)
    assert table.columns == (f"a{other}x", "b")
    np.testing.assert_array_equal(table.values, [[1, 2]])
    if separator == "space":
        np.testing.assert_array_equal(table_of("a b\n1\t2\n", separator=" ").values, [[1, 2]])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("padding", [0, 65_520, 65_523, 65_530])
def test_fault_13_encodings_are_found_wherever_the_first_letter_stands(table_of, encoding, padding):
    """Fault 13 of issue 21: Excel's "Unicode text" is UTF-16, and its CSV is Windows-1252."""
    text = "a,town\n" + "1,x\n" * (padding // 4) + "1" * (padding % 4) + "2,Köln – «Straße»\n3,Malmö\n"
    table = table_of(text.encode(encoding))
    assert [*table["town"][-2:]] == ["Köln – «Straße»", "Malmö"]
    assert ("is read as Windows-1252, in which line" in table.note) == (encoding == "cp1252")


@pytest.mark.parametrize(
    "content",
    [
        "a,b\nö,1\n".encode() + b"\xf6,2\n",  # letters in UTF-8, then one that is none
        b"a,b\n\xf6,\x01\n",
        b"a,b\n\x81,1\n",  # not in Windows-1252
        "a,b\n1,2\n".encode("utf-16-le"),  # without a byte order mark
        "a,b\n1,2\n".encode("utf-16")[:-1],
        b"\x89PNG\r\n\x1a\n\xff",
    ],
)
def test_fault_13_a_damaged_file_is_still_refused(table_of, content):
    """Fault 13 of issue 21."""
    with pytest.raises(TableError, match="is not a text file"):
        table_of(content)


def _sheet(*rows, more=()):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for name, cells in more:
        book.create_sheet(name).append(cells)
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def test_fault_13_the_first_sheet_of_an_excel_file_is_a_table(table_of):
    """Fault 13 of issue 21."""
    day = pd.Timestamp("2024-01-31").to_pydatetime()
    table = table_of(
        _sheet(["a", "price", "when", "kind"], [1.234, "1.234,5", day, "x"], [None, "2,6", None, "#N/A"]), "t.xlsx"
    )
    np.testing.assert_array_equal(table["a"], [1.234, np.nan])  # a number of Excel shows no decimal mark
    np.testing.assert_array_equal(table["price"], [1234.5, 2.6])
    assert [*table["when"]] == ["2024-01-31", ""] and [*table["kind"]] == ["x", ""] and [*table.lines] == [2, 3]
    table = table_of(_sheet([1, 2], [3, 4], more=[("more", ["b"])]), "t.xlsx")
    np.testing.assert_array_equal(table.values, [[1, 2], [3, 4]])
    assert table.columns == ("0", "1") and "the sheet 'Sheet' is read; others hold something too: 'more'" in table.note
    assert [len(chunk) for chunk in read_chunks(table_of.folder / "t.xlsx", rows=1)] == [1, 1]
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]})
    frame.to_excel(table_of.folder / "f.xlsx")
    table = read_table(table_of.folder / "f.xlsx")
    assert table.columns == ("0", "a", "b") and [*table["a"]] == [1.5, 2.5]


def test_the_header_of_an_excel_file_is_judged_as_in_text(table_of):
    """Years above decimals were a row of numbers; a first row of numbers was taken for names without a word."""
    rows = [[i + 0.5, i + 0.25, "x"] for i in range(9)]
    years = table_of(_sheet([2019, 2020], *(row[:2] for row in rows)), "t.xlsx")
    assert years.columns == ("2019", "2020") and len(years) == 9 and not years.note
    assert "its first line is taken for the names" in table_of(_sheet([5.5, 3.5, "y"], *rows), "t.xlsx").note
    assert (
        "line 2 has words where numbers stand below: 's', 'kg'"
        in table_of(_sheet(["a", "b", "k"], ["s", "kg", ""], *rows), "t.xlsx").note
    )
    assert not table_of(_sheet(["a", "b", "k"], *rows), "t.xlsx").note


def test_a_first_row_of_whole_numbers_above_whole_numbers_is_a_row_of_a_sheet(table_of):
    """Whole numbers below it counted as decimals, so that it was taken for names without a word."""
    for first in ([2000, 2001], [0, 1, 2]):
        table = table_of(_sheet(first, *([84 + i + j for j in range(len(first))] for i in range(9))), "t.xlsx")
        assert len(table) == 10 and [*table.values[0]] == first
        assert len(table_of(_sheet(first, *([i + 0.5] * len(first) for i in range(9))), "t.xlsx")) == 9


def test_names_by_number_beside_names_of_rows_are_names(tmp_path):
    """What pandas writes of a frame without names was a row; or '0' the names of the rows, and '0.1' the column '0'."""
    frame = pd.DataFrame([[i + 0.5, i + 0.25, i * 0.1] for i in range(9)])
    frame.to_csv(tmp_path / "t.csv")
    frame.to_csv(tmp_path / "t.tsv", sep="\t")
    frame.to_excel(tmp_path / "t.xlsx")
    frame[3] = list("uvwuvwuvw")
    frame.rename(columns={3: "kind"}).to_csv(tmp_path / "kind.csv")
    for name in ("t.csv", "t.tsv", "t.xlsx", "kind.csv"):
        table = read_table(tmp_path / name)
        assert table.columns[:4] == ("row names", "0", "1", "2") and table.unnamed == "row names"
        assert len(table) == 9 and "two columns" not in table.note
        np.testing.assert_array_equal(table.column("1"), frame[1])
    assert read_table(tmp_path / "t.csv").note.count("is called 'row names'") == 1


def test_fault_13_an_excel_file_that_is_none_is_refused(table_of, monkeypatch):
    """Fault 13 of issue 21."""
    for content, name, message in [
        (b"a,b\n1,2\n", "t.xlsx", "is no file of Excel"),
        (b"", "t.xls", "before 2007"),
        (_sheet(), "t.xlsx", "is empty"),
        (_sheet(["a"]), "t.xlsx", "no rows below its header"),
        (_sheet(["a"], *[[1]] * 30, [1, 2]), "t.xlsx", "line 32 has 2 cells, but there is 1 column"),
        (_sheet(["a"], [1])[:-30], "t.xlsx", r"t\.xlsx"),
    ]:
        with pytest.raises(TableError, match=message):
            table_of(content, name)
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(TableError, match=r"pip install 'mdn\[excel\]'"):
        table_of(_sheet(["a"], [1]), "t.xlsx")


def test_numbers_of_excel_stay_what_they_are_beside_text(table_of):
    """Issue 21: 1.234 in a cell of Excel became 1234 where a cell below it held the text "3,7"."""
    table = table_of(_sheet(["a"], [1.234], [2.345], ["3,7"], [1e-7], [-2]), "t.xlsx")
    np.testing.assert_array_equal(table["a"], [1.234, 2.345, 3.7, 1e-7, -2])
    table = table_of(_sheet(["a"], [1.5], ["x"], [2.25]), "t.xlsx", text=["a"])
    assert [*table["a"]] == ["1.5", "x", "2.25"] and table.cells == (("1.5", "x", "2.25"),)
    table = table_of(_sheet(["a"], ["y"], [1.5], ["x"], ["z"]), "t.xlsx")
    assert [*table["a"]] == ["y", "1.5", "x", "z"] and table.cells == (("y", "1.5", "x", "z"),)


def test_numbers_of_excel_say_nothing_of_the_marks_of_text_beside_them(table_of):
    """The text 1.204 beside the numbers 1000 to 9999 was read as 1.204: a number of Excel has no mark between thousands."""
    rows = [["a", "code"], ["1.204", "01001"], [5310, 2002], ["2.810", "03003"], [1007, 4004]]
    with pytest.raises(
        TableError, match=r"two ways: '1\.204' in line 2 is 1\.204 if its point is decimal, and 1204 if"
    ):
        table_of(_sheet(*rows), "t.xlsx")["a"]
    table = table_of(_sheet(*rows), "t.xlsx", decimal=",")
    np.testing.assert_array_equal(table["a"], [1204, 5310, 2810, 1007])
    assert table.padded == {"code"}
    table = table_of(_sheet(["site", 2020], ["a", 1], ["b", 2]), "t.xlsx")
    assert table.columns == ("site", "2020")
    assert pickle.loads(pickle.dumps(ExactNumber(5))).shown == "5" and ExactNumber(-0.5) == "-05e-1"


def test_cells_that_excel_shows_in_per_cent_are_said_to_be_shares(table_of):
    """Issue 21: a cell that Excel shows as 12 % is 0.12, but 12 in a text file, and nothing said so."""
    book = openpyxl.Workbook()
    for row in (["a", "share"], [1, 0.12], [2, 0.5]):
        book.active.append(row)
    book.active["B2"].number_format = "0.00%"
    book.save(table_of.folder / "t.xlsx")
    table = read_table(table_of.folder / "t.xlsx")
    np.testing.assert_array_equal(table["share"], [0.12, 0.5])
    assert "Excel shows 'share' in per cent, but keeps shares: a cell that it shows as 12 % is 0.12" in table.note


def test_formulas_without_values_are_said(table_of):
    """A column of formulas that no Excel has computed was nothing at all."""
    rows = [[i, f"=A{i}*2", None, i % 3] for i in range(2, 40)]
    table = table_of(_sheet(["a", "twice", "empty", "y"], *rows), "t.xlsx")
    assert "'twice' holds formulas without values: open the file in Excel and save it." in table.note
    assert np.isnan(table["twice"]).all() and "'empty'" not in table.note


def test_durations_of_excel_are_days_as_in_parquet(table_of):
    """A duration, shown as [h]:mm, was text that tells rows apart."""
    hours = [datetime.timedelta(hours=6 * i) for i in range(4)]
    table = table_of(_sheet(["d", "mixed"], *([one, one] for one in hours), [None, "NA"]), "t.xlsx")
    for name in table.columns:
        np.testing.assert_array_equal(table[name], [0, 0.25, 0.5, 0.75, np.nan])


def test_a_word_at_the_end_of_a_long_excel_file_does_not_loop_for_ever(table_of, monkeypatch):
    """Issue 21: reading began again without end if the first chunk held numbers and a later one a word."""
    monkeypatch.setattr(table_files, "_ROWS", 2)
    table = table_of(_sheet(["a", "b"], [1.5, 1], [2, 2], [3, 3], ["oops", 4]), "t.xlsx")
    np.testing.assert_array_equal(table["b"], [1, 2, 3, 4])
    with pytest.raises(TableError, match="'a' must hold numbers, but has 'oops' in line 5"):
        table["a"]
    monkeypatch.setattr(
        table_files, "read_excel", lambda path, rows, kept, whole: excel.read_excel(path, rows, (), whole)
    )
    with pytest.raises(TableError, match="columns 'a' are numbers and text by turns"):
        read_table(table_of.folder / "t.xlsx")


def _zip(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return buffer.getvalue()


def test_fault_13_a_zip_archive_with_one_table_is_read_and_bounded(table_of):
    """Fault 13 of issue 21."""
    np.testing.assert_array_equal(table_of(_zip(t_csv="a;b\n1;2,5\n"), "t.zip").values, [[1, 2.5]])
    for content, message in [
        (_zip(t_csv="a\n1\n", u_csv="a\n1\n"), r"must hold one table, but holds 2 files: 't\.csv', 'u\.csv'"),
        (_zip(), "must hold one table, but holds 0 files"),
        (_zip(t_parquet="PAR1"), "not a text file. Unpack it"),
        (b"a,b\n1,2\n", "is not a zip archive, or it is damaged"),
        (_zip(t_csv="a\n" + "1\n" * (1 << 25)), "unpacks to more than 200 times its size"),
    ]:
        with pytest.raises(TableError, match=message):
            table_of(content, "t.zip")
    damaged = bytearray(_zip(t_csv="a,b\n" + "".join(f"{i},{i * i}\n" for i in range(500))))
    damaged[200] ^= 0xFF
    with pytest.raises(TableError, match=r"t\.zip"):
        table_of(bytes(damaged), "t.zip")


# ---- any table in any dialect -----------------------------------------------------------------------------------------

_VALUES = st.one_of(
    st.just(np.nan), st.integers(-(10**9), 10**9).map(float), st.integers(-(10**12), 10**12).map(lambda n: n / 1e4)
)
_LETTERS = st.text("abcXYZ äéñ_-.;,|'\"", min_size=1, max_size=8).map(lambda word: "w" + word.strip())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_table_in_any_dialect_reads_back(tmp_path_factory, data):
    """Fault 2 of issue 21: write any table in any dialect, and read it back."""
    mark, decimal = data.draw(st.sampled_from(",;\t|")), data.draw(st.sampled_from(".,"))
    group = data.draw(st.sampled_from(_GROUPS[decimal]))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    end, quotes = data.draw(st.sampled_from(["\n", "\r\n", "\r"])), data.draw(st.booleans())
    missing = data.draw(st.sampled_from(["", "NA", "-", "#N/A", "."]))
    count = data.draw(st.integers(1, 6))
    numbers = np.array(data.draw(st.lists(st.lists(_VALUES, min_size=2, max_size=2), min_size=count, max_size=count)))
    words = data.draw(st.lists(_LETTERS, min_size=count, max_size=count))
    rows = [["word", "a", "b"]] + [
        [word, *(written(value, decimal, group, missing) for value in row)]
        for word, row in zip(words, numbers, strict=True)
    ]
    text = "".join(mark.join(cell_of(cell, mark, quotes) for cell in row) + end for row in rows)
    path = tmp_path_factory.mktemp("dialect") / "t.txt"
    path.write_bytes(text.encode(encoding))
    table = read_table(path, decimal=decimal, separator=data.draw(st.sampled_from([None, mark])))
    assert table.columns == ("word", "a", "b")
    assert [*table["word"]] == words
    np.testing.assert_array_equal(table.select(["a", "b"]).values, numbers)
