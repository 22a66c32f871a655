"""Tables in files and partitions: the same answers as in memory, the same rows held out everywhere, and what bad parts cause."""

import dataclasses
import datetime
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import mdn
from commands import run_here
from mdn.data import TableError, read_table, source_of
from mdn.data.lanes import LaneFeed, LaneWriter, Widths
from mdn.data.row_hashes import row_hashes
from mdn.data.tables import Table
from mdn.tabular import fitting, learning, streamed
from mdn.tabular.sides import Sides, Split
from mdn.tabular.streamed import Parts
from mdn.tabular.survey import Survey, Wanted, survey_of
from mdn.training.team import Joined
from mdn_commands import columns as table_columns
from mdn_commands import streams
from mdn_commands.columns import Roles

pytestmark = pytest.mark.project
SMALL = 0.0005  # GB: 2,000 rows at most are then in memory
RNG = np.random.default_rng(0)


def frame(rows, seed=0, levels=("north", "south")):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 2))
    where = rng.choice(levels, rows)
    y = x[:, 0] + np.where(where == "north", 1.0, -1.0) + np.exp(0.3 * x[:, 1]) * 0.3 * rng.normal(size=rows)
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "where": where, "y": y})


def parquet(folder, frames):
    for number, one in enumerate(frames):
        one.to_parquet(folder / f"{number}.parquet", index=False)
    return f"{folder}/*.parquet"


def cells_of(one):
    return tuple(tuple(one[name]) if name == "where" else one[name].to_numpy() for name in one)


def quick(**settings):
    return mdn.MDNRegressor(**{"num_components": 2, "epochs": 3, "random_state": 0, "hidden_sizes": (16,), **settings})


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Three files of 4,000 rows; only the last one has the level "late"."""
    folder = tmp_path_factory.mktemp("shards")
    frames = [frame(4000, 0), frame(4000, 1), frame(4000, 2, ("north", "south", "late"))]
    return parquet(folder, frames), pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def streamed_model(shards):
    """A model of a table that does not fit into its memory."""
    return quick().fit(shards[0], target="y", memory=SMALL)


# ---- agreement -------------------------------------------------------------------------------------------------------


def test_a_table_that_does_not_fit_is_learnt_as_well_as_in_memory(shards, streamed_model):
    new = frame(4000, 9)
    x, y = new.drop(columns="y"), new["y"]
    in_memory = quick(refit=False).fit(shards[1].drop(columns="y"), shards[1]["y"])
    nll = [-model.log_prob(x, y).mean() for model in (streamed_model, in_memory)]
    assert abs(nll[0] - nll[1]) < 0.03, nll
    assert streamed_model.target_names_ == ["y"] and streamed_model.predict(x).shape == (4000,)
    assert 9000 < streamed_model.n_samples_seen_ < 12_000  # without rows that are held out


def test_a_table_that_fits_gives_the_model_of_a_frame_of_its_rows(shards):
    pattern, whole = shards
    there = quick(epochs=1).fit(pattern, target="y")
    here = quick(epochs=1).fit(whole.drop(columns="y"), whole["y"])
    np.testing.assert_allclose(
        there.predict(whole[:50]), here.predict(whole.drop(columns="y")[:50]), rtol=1e-4, atol=1e-4
    )


def test_levels_of_the_last_file_are_counted_in_all_rows(streamed_model, shards):
    counts = shards[1]["where"].value_counts()
    assert streamed_model.columns_.levels["where"] == list(counts.index)


def test_partitions_of_dask_and_datasets_of_arrow_are_learnt_as_files_are(shards):
    dask, dataset = pytest.importorskip("dask.dataframe"), pytest.importorskip("pyarrow.dataset")
    pattern, whole = shards
    wanted = Wanted(("y",), seed=3)
    of_files = survey_of(source_of(pattern), wanted, 1e9)
    with_empty = dask.concat(
        [dask.from_pandas(whole[:0], npartitions=1), dask.from_pandas(whole, npartitions=5, sort=False)]
    )
    folder = pattern.rsplit("/", 1)[0]
    for other in (with_empty, dataset.dataset(folder)):
        survey = survey_of(source_of(other), wanted, 1e9)
        np.testing.assert_array_equal(np.sort(survey.all().hashes), np.sort(of_files.all().hashes))


def block_of(first_column):
    first_column = np.asarray(first_column, "float64")
    table = Table(("0", "y"), (first_column, first_column % 7), np.arange(len(first_column)), "t")
    return dataclasses.replace(table, unnamed="0")


@pytest.mark.parametrize(
    ("blocks", "numbers"),
    [
        ([[0], [1, 2], [3]], True),
        ([[0], [1], [2]], True),
        ([[1, 2, 3], [1, 2], [1]], True),  # files that each number their rows
        ([[], [0, 1, 2]], True),
        ([[0, 1, 2], [3, 9]], False),
        ([[0, 1, 2], [7, 8, 9]], False),
        ([[5, 6], [0, 1]], False),
        ([[0], [0], [1], [1]], True),
        ([[0], [0], [0]], False),  # nothing says that these count
        ([[0, 1], [2, np.nan]], False),
    ],
)
def test_a_column_numbers_the_rows_only_if_it_does_so_in_the_whole_table(blocks, numbers):
    wanted = Wanted(("y",))
    whole = Survey(wanted, 1e9)
    merged = Survey(wanted, 1e9)
    for block in map(block_of, blocks):
        whole.look(block)
        part = Survey(wanted, 1e9)
        part.look(block)
        merged.merge(part)
    for survey in (whole, merged):
        assert survey.index == ("0" if numbers else "")
        assert survey.wanted.ignore == (("0",) if numbers else ())
    assert Survey(Wanted(("0",)), 1e9).index == "" and Wanted(("y",)).ignore == ()


def test_a_first_column_that_counts_only_at_first_is_a_feature_in_memory_too(tmp_path):
    rows = 66_000  # more than the block that is read first
    numbers = np.arange(rows)
    numbers[-1] = 5
    pd.DataFrame({"": numbers, "y": np.sin(numbers)}).to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv")
    roles = Roles.of("y", *[None] * 7)
    assert table_columns.asked_of(table, roles).x.columns == (table.unnamed,)
    survey = survey_of(source_of(str(tmp_path / "t.csv")), Wanted(("y",)), 1e9)
    assert survey.index == "" and survey.rows == rows


def test_the_index_of_a_frame_is_no_column(tmp_path):
    dataset = pytest.importorskip("pyarrow.dataset")
    frame(20, 0).sort_values("y").to_parquet(tmp_path / "0.parquet")
    frame(20, 1).to_parquet(tmp_path / "1.parquet", index=False)
    for source in (tmp_path, dataset.dataset(tmp_path / "0.parquet")):
        assert {block.columns for block in source_of(source).blocks()} == {("a", "b", "where", "y")}
    assert read_table(tmp_path / "0.parquet").columns == ("a", "b", "where", "y")


def test_durations_are_days_and_times_of_day_are_words_as_in_frames(tmp_path):
    for number, unit in enumerate(("ns", "us", "s")):
        spans = pd.Series(pd.to_timedelta(["36h", None])).astype(f"timedelta64[{unit}]")
        times = [datetime.time(0, 5), datetime.time(1, 2, 3)]
        pd.DataFrame({"span": spans, "time": times}).to_parquet(tmp_path / f"{number}.parquet", index=False)
    for block in source_of(tmp_path).blocks():
        np.testing.assert_array_equal(block.column("span"), [1.5, np.nan])
        assert block.words(["time"]) == [("00:05:00", "01:02:03")]


def test_truth_values_of_parquet_are_the_words_of_a_csv_where_these_were_learnt(tmp_path):
    pd.DataFrame({"b": [True, False], "n": [1, 0]}).to_parquet(tmp_path / "t.parquet")
    (block,) = source_of(tmp_path / "t.parquet", text=["b", "n"]).blocks()
    assert block.words(["b"]) == [("True", "False")] and block.column("n").tolist() == [1.0, 0.0]
    (block,) = source_of(tmp_path / "t.parquet").blocks()
    assert block.column("b").tolist() == [1.0, 0.0]


# ---- rows held out ---------------------------------------------------------------------------------------------------


def test_the_hash_of_a_row_is_the_same_on_every_machine_and_in_every_order():
    cells = np.array([1.5, np.nan, -0.0, 2.0]), ("a", "", "é", "b")
    hashes = row_hashes(cells, seed=1)
    assert hashes.tolist() == [13925622343584931201, 16227095616442392490, 15962408555139150668, 2894402636737667669]
    order = [3, 1, 0, 2]
    np.testing.assert_array_equal(row_hashes((cells[0][order], tuple(cells[1][at] for at in order)), 1), hashes[order])


def test_equal_rows_are_dealt_to_both_sides():
    hashes = row_hashes((np.repeat([0.0, 1.0], 5000),))
    for half in (hashes[:5000], hashes[5000:]):
        assert 0.4 < np.mean(half < np.uint64(2**63)) < 0.6
        assert len(np.unique(half)) == 5000


def test_surveys_of_parts_merge_to_that_of_the_whole(shards):
    source, wanted = source_of(shards[0]), Wanted(("y",))
    whole = survey_of(source, wanted, 1e6 * SMALL)
    parts = [survey_of(source.only([place]), wanted, 1e6 * SMALL) for place in range(3)]
    merged = Survey(wanted, 1e6 * SMALL)
    for part in reversed(parts):
        merged.merge(part)
    assert not whole.whole and merged.rows == whole.rows == 12_000
    np.testing.assert_array_equal(merged.sample().hashes, whole.sample().hashes)
    assert merged.counted["where"].words == whole.counted["where"].words


def test_rows_that_are_set_aside_are_never_trained_on_and_extremes_are_known(shards, tmp_path):
    regressor, how = quick(), streamed.How("y", memory=SMALL, judge=(100, 0.1))
    source = source_of(shards[0])
    survey = streamed.look(regressor, source, how)
    parts = Parts.of(survey, judge=how.judge, calibrate=False, stop=0.15)
    assert len(parts.judge.hashes) == 100 and not set(parts.judge.hashes) & set(parts.stop.hashes)
    assert parts.learn.y.min() == shards[1]["y"].min() and parts.learn.y.max() == shards[1]["y"].max()
    trained = []

    def train(tasks, selected):
        for number, block in enumerate(source.blocks()):
            trained.append(selected.of(regressor, block, number))
        return [mdn.tabular.member.Member.constant(tasks[0][0], [0.0])]

    streamed.learn(regressor, survey, how, train)
    aside = len(parts.judge.hashes) + len(parts.stop.hashes)
    assert 12_000 - aside - 10 <= sum(len(one.x) for one in trained) <= 12_000 - aside
    assert not np.isin(parts.judge.y[:, 0].astype("float32"), np.concatenate([one.y[:, 0] for one in trained])).any()


def grouped(folder, rows=12_000):
    """Files of rows of 30 groups, each of 400 rows on one day; every extreme of a column lies in another group."""
    rng = np.random.default_rng(0)
    number = rng.permutation(np.arange(rows) % 30)
    found = pd.DataFrame({"number": number.astype(float), "a": rng.normal(size=rows), "b": rng.normal(size=rows)})
    found["group"] = [f"g{each}" for each in number]
    found["day"] = [f"2024-03-{each + 1:02d}" for each in number]
    found["y"] = found.a + 0.3 * rng.normal(size=rows)
    for column in ("a", "b", "y"):
        found.loc[[found[column].idxmin(), found[column].idxmax()], column] *= 1.5
    for place, part in enumerate(np.array_split(np.arange(rows), 3)):
        found.iloc[part].to_csv(folder / f"{place}.csv", index=False)
    return source_of(folder)


@pytest.mark.parametrize("split", [Split("group", False), Split("day", True)])
def test_no_group_and_no_day_of_a_table_in_blocks_is_on_two_sides(tmp_path, split):
    source, regressor = grouped(tmp_path), quick(calibration="conformal", validation_fraction=0.15)
    how = streamed.How("y", memory=SMALL, judge=(100, 0.2), split=split, ignore=("group", "day"))
    whole = streamed.look(regressor, source, how)
    survey, parts, said = streamed.divided(regressor, source, whole, how)
    trained = []

    def train(tasks, selected):
        trained.extend(selected.of(regressor, block, number) for number, block in enumerate(source.blocks()))
        return [mdn.tabular.member.Member.constant(tasks[0][0], [0.0])]

    with mock.patch.object(regressor, "_calibrate"):
        judged = streamed.learn(regressor, survey, how, train, parts)
    of_parts = [set(rows.table["number"]) for rows in (parts.judge, parts.calibrate, parts.stop, parts.learn)]
    place = regressor.columns_.table_names.index("number")
    of_training = {number for one in trained for number in one.x[:, place].tolist()}
    assert of_parts[3] == of_training and all(of_parts)  # what columns are is learnt from these, too
    assert sum(map(len, of_parts)) == len(set.union(*of_parts)) == 30  # so no number is in two parts
    assert sum(len(one.x) for one in trained) == 400 * len(of_training) == survey.rows
    assert judged is parts.judge and len(judged.hashes) == 100
    extremes = set(whole.witnesses().table["number"])
    assert extremes - of_training and extremes & of_training  # some are set aside, which nothing may be learnt from
    if split.dates:
        assert min(of_parts[0]) > max(of_parts[1]) > min(of_parts[1]) > max(of_parts[2]) > max(of_parts[3])
        assert said == f"The latest rows are set aside, those from 2024-03-{min(of_parts[0]) + 1:02.0f} on, by 'day'."
    else:
        assert said == f"Whole groups are set aside, {len(of_parts[0])} of 30, by 'group'."


def test_a_group_that_the_sample_does_not_show_is_learnt_from():
    sides = Sides(Split("g", False), ("a", "b"))
    table = Table(("g", "y"), (("a", "c", "", "b"), np.zeros(4)), np.arange(4), "t")
    assert sides.aside(table).tolist() == [True, False, False, True]
    table = dataclasses.replace(table, cells=(np.array([1.0, 2.0, np.nan, 3.0]), np.zeros(4)))
    assert Sides(Split("g", False), ("1", "3")).aside(table).tolist() == [True, False, False, True]


def test_one_set_among_censored_points_is_a_witness():
    y = np.random.default_rng(0).normal(size=6000)
    table = pd.DataFrame({"x": y + 0.1, "low": y, "high": y})
    table.loc[[2000, 3000], "high"] += [0.01, 0.02]
    survey = Survey(Wanted(("low", "high"), censoring="interval"), 1.0)
    for rows in np.array_split(np.arange(6000), 4):
        survey.look(Table(tuple(table), cells_of(table.iloc[rows]), rows, "t"))
    found = survey.witnesses()
    assert not survey.whole and found.table.lines[found.y[:, 0] < found.y[:, 1]].tolist() == [3000]


def test_a_process_of_several_takes_seeds_and_choices_of_the_first_and_writes_its_own_lanes(
    shards, tmp_path, monkeypatch
):
    monkeypatch.setattr(streamed, "agreed", lambda seed: np.int32(11))
    monkeypatch.setattr(fitting, "agreed", lambda seeds: np.full(len(seeds), 12))
    monkeypatch.setattr(learning.team, "agreed", lambda choices: np.array([5, 0, 0]))
    monkeypatch.setattr(streamed, "joined", lambda: Joined(1, 2))
    regressor, how, source = quick(random_state=None), streamed.How("y", memory=SMALL), source_of(shards[0])
    survey = streamed.look(regressor, source, how)

    def train(tasks, selected):
        architecture, _, _, seed = tasks[0]
        assert survey.wanted.seed == 11 and seed == 12 and architecture.num_components == 5
        lanes = streamed.deal(regressor, source, survey, selected, tmp_path, how)
        assert [lane.path.exists() for lane in lanes] == [False, True] * 4
        return [mdn.tabular.member.Member.constant(architecture, [0.0])]

    streamed.learn(regressor, survey, how, train)
    assert regressor.members_[0].architecture.num_components == 5


# ---- the order of rows -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lanes(tmp_path_factory):
    with LaneWriter(tmp_path_factory.mktemp("lanes"), Widths(1, 1), range(4), segment=16) as writer:
        numbers = np.arange(1000.0)
        for part in np.array_split(numbers, 7):
            writer.write(part[:, None], -part[:, None], np.ones(len(part)))
    return writer.lanes


def fed(lanes, number, process=0, processes=1):
    rows = [lane.rows for lane in lanes]
    feed = LaneFeed(
        lanes[process::processes], rows, 20, seed=5, width=3, process=process, processes=processes, together=4
    )
    return list(feed.epoch(number))


def test_a_pass_has_every_row_in_an_order_of_its_own(lanes):
    (x, y, weight), (again, *_) = fed(lanes, 0)[0], fed(lanes, 1)[0]
    assert x.shape == (50, 20, 3) and y.shape == (50, 20, 1) and weight.shape == (50, 20)
    np.testing.assert_array_equal(x[..., 0], -y[..., 0])
    assert not x[..., 1:].any() and len(np.unique(x[..., 0])) > 950  # the lanes are not equally long
    assert not np.array_equal(x, again) and np.array_equal(x, fed(lanes, 0)[0][0])
    assert abs(np.corrcoef(x[..., 0].reshape(-1), np.arange(1000))[0, 1]) < 0.2


@pytest.mark.parametrize("processes", [2, 4])
def test_a_batch_is_the_same_however_many_processes_share_it(lanes, processes):
    whole = fed(lanes, 3)[0][0][..., 0]
    parts = [fed(lanes, 3, process, processes)[0][0][..., 0] for process in range(processes)]
    np.testing.assert_array_equal(np.sort(whole, axis=1), np.sort(np.concatenate(parts, axis=1), axis=1))


def test_a_long_pass_is_dealt_to_epochs_and_read_in_blocks(lanes):
    feed = LaneFeed(lanes, [lane.rows for lane in lanes], 20, most=250)
    found = np.concatenate([x[..., 0].reshape(-1) for number in range(4) for x, *_ in feed.epoch(number)])
    assert feed.epochs_a_pass == 4 and feed.rows == 250
    assert len(np.unique(found)) > 900


def test_blocks_are_never_larger_than_asked(shards):
    source = source_of(shards[0])
    assert source.rows == 12_000
    assert max(len(block) for block in source.blocks(500)) <= 500
    assert sum(len(block) for block in source.blocks(500)) == 12_000


def test_a_wide_table_that_is_sorted_by_its_target_is_shuffled_as_a_narrow_one_is(tmp_path):
    rows, lanes, batch = 1 << 16, 8, 256
    for features in (10, 1000):
        wide = Widths(features, 1)
        segment = streamed.segment_for(wide, rows, lanes)
        together = streamed.together_for(wide, segment, lanes, memory=1.0)
        assert 8 * wide.row * segment * together * lanes < 0.1e9 * 1.1
        with LaneWriter(tmp_path, Widths(1, 1), range(lanes), segment) as writer:
            y = np.arange(rows, dtype="float32")[:, None]
            writer.write(y, y, np.ones(rows))
        feed = LaneFeed(writer.lanes, [lane.rows for lane in writer.lanes], batch, together=together)
        means = np.concatenate([x[..., 0].mean(axis=1) for x, *_ in feed.epoch(0)])
        assert means.std() / (rows / np.sqrt(12 * batch)) < 1.5


def test_lanes_that_others_write_are_counted_only(tmp_path):
    with LaneWriter(tmp_path, Widths(1, 1), range(4), 16, written=[1, 3]) as writer:
        writer.write(np.zeros((100, 1)), np.zeros((100, 1)), np.ones(100))
    assert [lane.rows for lane in writer.lanes] == [32, 32, 20, 16]
    assert [lane.path.exists() for lane in writer.lanes] == [False, True, False, True]


def test_a_row_group_is_never_held_whole(tmp_path):
    arrow, dataset = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.dataset")
    rows = 1 << 19
    numbers = pd.DataFrame(np.random.default_rng(0).normal(size=(rows, 4)), columns=[*"abcd"])
    (tmp_path / "hive" / "year=2024").mkdir(parents=True)
    for path in (tmp_path / "0.parquet", tmp_path / "hive" / "year=2024" / "0.parquet"):
        numbers.to_parquet(path, index=False, row_group_size=rows, use_dictionary=False)
    hive = dataset.dataset(tmp_path / "hive", partitioning="hive")
    for source, columns in ((source_of(tmp_path / "0.parquet"), "abcd"), (source_of(hive), [*"abcd", "year"])):
        before, taken, found = arrow.total_allocated_bytes(), [], 0
        for block in source.blocks():
            taken.append(arrow.total_allocated_bytes() - before)
            found += len(block)
            assert list(block.columns) == [*columns]
        assert found == rows and max(taken) < numbers.memory_usage(index=False).sum() / 2
    assert set(block.cells[-1]) == {2024.0}


def test_long_texts_leave_fewer_rows_in_memory():
    def fits(word):
        survey = Survey(Wanted(("y",)), 2e7)
        survey.look(Table(("t", "y"), ([word] * 10, np.zeros(10)), np.arange(10), "a table"))
        return survey._fits

    assert fits("a") > 20_000 and fits("a" * 10_000) == 2000


# ---- predictions -----------------------------------------------------------------------------------------------------


def test_predictions_of_a_source_are_those_of_its_rows(shards, streamed_model):
    pattern, whole = shards
    x, y = whole.drop(columns="y"), whole["y"]
    np.testing.assert_allclose(streamed_model.predict(pattern), streamed_model.predict(x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(streamed_model.log_prob(pattern), streamed_model.log_prob(x, y), rtol=1e-3, atol=1e-4)
    assert streamed_model.predict_interval(pattern, 0.9).shape == (12_000, 2)
    draws = streamed_model.sample(pattern, 2, 0)
    assert draws.shape == (2, 12_000) and not np.array_equal(draws[:, :4000], draws[:, 4000:8000])
    assert streamed_model.predict_variance(pattern)["total"].shape == (12_000,)
    with pytest.raises(ValueError, match="left out with a source"):
        streamed_model.log_prob(pattern, y)


# ---- bad input -------------------------------------------------------------------------------------------------------


def spoilt(folder, kind):
    """A folder of three good files and a bad one, and what must be said of it."""
    frames = [frame(50, seed) for seed in range(4)]
    bad = frames[2]
    if kind == "text":
        bad["y"] = bad["y"].map("{:.3f} m".format)
    elif kind == "lacks":
        del bad["b"]
    elif kind == "new":
        bad["c"] = 1.0
    elif kind == "empty":
        frames[2] = bad[:0]
    elif kind == "no target":
        frames = [one.drop(columns="y") for one in frames]
    pattern = parquet(folder, frames)
    if kind == "truncated":
        path = folder / "2.parquet"
        path.write_bytes(path.read_bytes()[:-200])
    return pattern


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("text", r"2\.parquet: column 'y' holds text, but numbers in .*0\.parquet"),
        ("lacks", r"2\.parquet has no column 'b', which .*0\.parquet has"),
        ("new", r"2\.parquet has a column 'c', which .*0\.parquet lacks"),
        ("truncated", r"2\.parquet is no Parquet file, or is damaged"),
        ("no target", r"has no column 'y'"),
    ],
)
def test_a_bad_file_among_good_ones_is_named_before_training(tmp_path, kind, said):
    with pytest.raises(TableError, match=said):
        quick().fit(spoilt(tmp_path, kind), target="y")


def test_an_empty_file_is_passed_over(tmp_path):
    assert source_of(spoilt(tmp_path, "empty")).rows == 150


def test_files_of_text_with_a_bad_cell_are_named_with_its_line(tmp_path):
    for number in range(3):
        frame(30, number).to_csv(tmp_path / f"{number}.csv", index=False)
    path = tmp_path / "2.csv"
    lines = path.read_text().splitlines()
    lines[5] = lines[5].rsplit(",", 1)[0] + ",twelve"
    path.write_text("\n".join(lines))
    with pytest.raises(
        TableError, match=r"2\.csv: column 'y' holds text \('twelve' in line 6\), but numbers in .*0\.csv"
    ):
        quick().fit(tmp_path, target="y")
    lines[5] = lines[5].replace("twelve", "inf")
    path.write_text("\n".join(lines))
    with pytest.raises(TableError, match=r"2\.csv: the target 'y' must be finite, but is inf in line 6"):
        quick().fit(tmp_path, target="y")


def test_files_of_text_that_hold_nothing_or_only_a_header_are_passed_over(tmp_path):
    for name, text in (("a", "x,y\n"), ("b", ""), ("c", "x,y\n1,2\n")):
        (tmp_path / f"{name}.csv").write_text(text)
    assert [len(block) for block in source_of(tmp_path).blocks()] == [1]


def test_two_units_of_one_column_are_refused_and_a_file_without_numbers_forgets_none(tmp_path):
    for name, text in (("0", "p,y\n1%,1\n2%,2\n"), ("1", "p,y\n,3\n"), ("2", "p,y\n0.01,4\n")):
        (tmp_path / f"{name}.csv").write_text(text)
    good = source_of([tmp_path / "0.csv", tmp_path / "1.csv"])
    assert [block.units() for block in good.blocks()] == [{"p": "%"}] * 2
    assert survey_of(good, Wanted(("y",)), 1e9).all().table.units() == {"p": "%"}
    with pytest.raises(TableError, match=r"2\.csv: column 'p' has no unit .*, but '%' in .*0\.csv"):
        list(source_of(tmp_path).blocks())


def test_folders_that_hold_a_column_in_their_names_are_refused_however_they_are_named(tmp_path):
    for year in (2023, 2024):
        (tmp_path / f"year={year}").mkdir()
        frame(5).to_parquet(tmp_path / f"year={year}" / "0.parquet")
    both = [tmp_path / "year=2023", tmp_path / "year=2024"]
    for thing in (both, f"{tmp_path}/*/*.parquet", tmp_path):
        with pytest.raises(TableError, match=r"folder 'year=2023' holds the value of a column .*partitioning"):
            source_of(thing)
    assert source_of(both[:1]).rows == 5


def test_a_file_that_is_named_twice_is_read_once(tmp_path):
    frame(5).to_parquet(tmp_path / "0.parquet")
    assert source_of([tmp_path, tmp_path / "0.parquet", f"{tmp_path}/../{tmp_path.name}/*.parquet"]).rows == 5


@pytest.mark.parametrize(("known", "how_many"), [(0, "none of 5 rows"), (1, "only 1 of 5 rows")])
def test_too_few_rows_with_a_target_and_a_weight_are_said_to_be_those(known, how_many, tmp_path):
    table = frame(5)
    table.loc[known:, "y"] = np.nan
    table.to_parquet(tmp_path / "0.parquet")
    wanted = "at least 2 rows with a target and a weight are needed, but"
    with pytest.raises(ValueError, match=f"{wanted} {how_many} is such a row"):
        quick().fit(tmp_path / "0.parquet", target="y", memory=1.0)


def test_paths_that_lead_to_no_table_are_named(tmp_path):
    with pytest.raises(TableError, match="no file fits the pattern"):
        source_of(tmp_path / "*.parquet")
    with pytest.raises(TableError, match="without tables"):
        source_of(tmp_path)
    with pytest.raises(TableError, match="there is no file"):
        quick().fit(tmp_path / "none.csv", target="y")
    (tmp_path / "year=2024").mkdir()
    frame(5).to_parquet(tmp_path / "year=2024" / "0.parquet")
    with pytest.raises(TableError, match="partitioning"):
        source_of(tmp_path)


def test_arguments_that_do_not_belong_to_a_source_are_refused(shards):
    pattern, whole = shards
    with pytest.raises(ValueError, match="needs `target`"):
        quick().fit(pattern)
    with pytest.raises(ValueError, match="`y` must be None"):
        quick().fit(pattern, whole["y"], target="y")
    with pytest.raises(ValueError, match="name of a column"):
        quick().fit(pattern, target="y", sample_weight=np.ones(12_000))
    with pytest.raises(ValueError, match="a source must be"):
        quick().fit(whole, target="y")
    with pytest.raises(ValueError, match="`memory` must be"):
        quick().fit(pattern, target="y", memory=0)


# ---- going on --------------------------------------------------------------------------------------------------------


def test_a_training_that_was_killed_goes_on_from_its_checkpoint(shards, tmp_path, monkeypatch):
    at_once = quick(epochs=3).fit(shards[0], target="y", memory=SMALL).predict(shards[1][:20])

    class Killed:
        def on_epoch_end(self, epoch, logs):
            if epoch == 1:
                raise RuntimeError("killed")

    settings = {"target": "y", "memory": SMALL, "checkpoint": tmp_path / "kept"}
    with pytest.raises(RuntimeError, match="killed"):
        quick(epochs=3).fit(shards[0], callbacks=[Killed()], **settings)
    assert not list((tmp_path / "kept").glob("mdn-lanes-*"))
    epochs = []

    class Seen:
        def on_epoch_end(self, epoch, logs):
            epochs.append(epoch)

    later = quick(epochs=3).fit(shards[0], callbacks=[Seen()], **settings)
    np.testing.assert_allclose(later.predict(shards[1][:20]), at_once, rtol=1e-5, atol=1e-6)


def test_the_checkpoint_of_another_table_is_refused_and_its_networks_are_not_taken(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=6000)
    for name, sign in (("up", 1.0), ("down", -1.0)):
        pd.DataFrame({"x": x, "y": sign * x}).to_parquet(tmp_path / f"{name}.parquet")
    settings = {"target": "y", "memory": 1e-6, "checkpoint": tmp_path / "kept"}
    up = quick(epochs=1, num_components=1).fit(tmp_path / "up.parquet", **settings)
    with pytest.raises(ValueError, match=r"was made with table='\w+', but table='\w+' came"):
        quick(epochs=1, num_components=1).fit(tmp_path / "down.parquet", **settings)
    again = quick(epochs=1, num_components=1).fit(tmp_path / "up.parquet", **settings)
    np.testing.assert_array_equal(again.predict(x[:20, None]), up.predict(x[:20, None]))


def test_a_change_of_one_row_outside_the_sample_changes_the_checksum_of_a_table():
    wanted, table = Wanted(("y",)), frame(5000)

    def looked(one, parts):
        surveys = []
        for rows in np.array_split(np.arange(len(one)), parts):
            surveys.append(Survey(wanted, 1.0))
            surveys[-1].look(Table(tuple(one), cells_of(one.iloc[rows]), rows, "t"))
        for other in surveys[:0:-1]:
            surveys[0].merge(other)
        return surveys[0]

    survey = looked(table, 1)
    kept = survey.sample().table["a"]
    outside = next(row for row in range(100, 5000) if table["a"][row] not in kept)
    changed = table.copy()
    changed.loc[outside, "b"] += 1e-9
    assert not survey.whole and survey.checksum == looked(table, 3).checksum != looked(changed, 1).checksum


def test_partial_fit_goes_on_from_batch_to_batch():
    new = frame(2000, 9)
    x, y = new.drop(columns="y"), new["y"]
    model = quick()
    losses = []
    for seed in range(6):
        batch = frame(700, seed)
        model.partial_fit(batch.drop(columns="y"), batch["y"])
        losses.append(-model.log_prob(x, y).mean())
    assert losses[-1] < losses[0] - 0.1 and len(model.history_.loss) == 6
    before = model.predict(x)
    model.partial_fit(x, np.full(2000, np.nan))  # rows without a target teach nothing
    np.testing.assert_array_equal(model.predict(x), before)
    assert model.n_samples_seen_ == 6 * 700
    with pytest.raises(ValueError, match="yet now missing"):
        model.partial_fit(x.drop(columns="b"), y)
    with pytest.raises(ValueError, match="call `calibrate`"):
        quick(calibration="conformal").partial_fit(x, y)


def test_partial_fit_forgets_what_held_for_the_weights_before(shards):
    x, y = shards[1].drop(columns="y")[:500], shards[1]["y"][:500]
    model = quick(calibration="conformal").fit(x, y)
    assert model.calibration_ is not None
    member = model.members_[0]
    member.widening, member.alive = 2.0, [1]
    model.set_params(calibration=None).partial_fit(x, y)
    member = model.members_[0]
    assert (
        model.calibration_ is None and member.widening == 1.0 and member.alive == [0, 1] and np.isnan(member.val_loss)
    )
    assert model.num_components_ == 2


def test_a_batch_of_small_weights_teaches_less_than_the_first(shards):
    x, y = shards[1].drop(columns="y")[:300], shards[1]["y"][:300]

    def moved(weight):
        model = quick(weight_decay=0.0).partial_fit(x, y)
        before = model.predict(x)
        return np.abs(model.partial_fit(x, y + 3, np.full(300, weight)).predict(x) - before).mean()

    assert moved(1e-3) < 0.5 * moved(1.0)


def test_partial_fit_in_two_calls_is_reproducible_and_ignores_how_rows_were_indexed():
    first, second = frame(300, 0), frame(300, 1)

    def learnt():
        model = quick()
        for batch in (first, second):
            model.partial_fit(batch.drop(columns="y"), batch["y"])
        return model.predict(first.drop(columns="y"))

    np.testing.assert_array_equal(learnt(), learnt())


# ---- commands --------------------------------------------------------------------------------------------------------


def test_fit_and_predict_take_folders_and_patterns(tmp_path):
    (tmp_path / "data").mkdir()
    for number in range(3):
        one = frame(1500, number)
        one.insert(0, "code", [f"{row:05d}" for row in range(1500)])
        one["who"] = [f"w{row % 30}" for row in range(1500)]
        one.to_csv(tmp_path / "data" / f"{number}.csv", index=False)
    options = ("--target", "y", "--id", "code", "--epochs", "2", "--components", "1")
    ran = run_here(
        tmp_path, "fit", "data/*.csv", *options, "--ignore", "who", "--memory", "0.001", "--out", "streamed.mdn"
    )
    assert ran.exit_code == 0, ran.stderr
    words = " ".join(ran.stdout.split())
    assert "4500 rows, which take more than 0.001 GB; features: 3." in words and "rows set aside" in words
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "streamed.html", "streamed.mdn"]
    ran = run_here(tmp_path, "predict", "streamed.mdn", "data", "--quantiles", ".5", "--out", "p.parquet")
    assert ran.exit_code == 0, ran.stderr
    found = pd.read_parquet(tmp_path / "p.parquet")
    assert list(found.columns) == ["code", "y_0.5"] and len(found) == 4500 and found["code"][1] == "00001"
    ran = run_here(tmp_path, "fit", "data", *options, "--memory", "0.001", "--split-by", "where")
    assert ran.exit_code == 2 and "--split-by where: it has 2 groups, too few to learn" in " ".join(ran.stderr.split())
    in_blocks = ("--memory", "0.001", "--calibrate-by")
    ran = run_here(tmp_path, "fit", "data", *options, *in_blocks, "who", "--split-by", "who")
    assert ran.exit_code == 2 and "--calibrate-by who: it must be a feature" in " ".join(ran.stderr.split())
    ran = run_here(tmp_path, "fit", "data", *options, *in_blocks, "where", "--split-by", "who", "--out", "grouped.mdn")
    assert ran.exit_code == 0, ran.stderr
    words = " ".join(ran.stdout.split())
    assert "of 30, by 'who'." in words and "features: 3." in words
    assert "'who' holds groups, and new rows are of new groups, so it is no feature" in " ".join(ran.stderr.split())
    model = mdn.load(tmp_path / "grouped.mdn")
    assert model.calibration_.column == "where" and set(model.calibration_.groups) == {"north", "south"}


def test_files_that_fit_into_memory_are_one_table_to_fit(tmp_path):
    for number in range(2):
        one = frame(30, number)
        one.insert(0, "code", [f"{row:02d}" for row in range(30)])
        one.loc[3, "y"] = np.nan
        one.to_csv(tmp_path / f"{number}.csv", index=False)
    console = Console(quiet=True)
    roles = Roles.of(["y"], ["b"], None, None, None, None, None, None)
    looked = streams.look(console, quick(), [tmp_path / "0.csv", tmp_path / "1.csv"], roles, None, {})
    asked = looked.asked()
    assert looked.whole and looked.survey.left_out == 2 and len(asked.x) == 58
    columns = asked.columns(asked.x)
    assert columns.table_names == ["code", "a", "where"] and columns.levels["code"] is not None  # 01 is a code
