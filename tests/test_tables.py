"""Tables of real files: separators, headers, missing cells, and what is said about files that cannot be used."""

import gzip

import numpy as np
import pytest

from mdn.data import TableError, read_table, write_table


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


@pytest.mark.data
def test_the_redshifts_are_read(data_folder):
    table = read_table(data_folder / "photoz" / "SDSS_MGS.train")
    assert table.columns[:3] == ("zs", "u", "g")
    assert table.values.shape == (5000, 19)
    assert 0.05 < np.median(table.column("zs")) < 0.15
