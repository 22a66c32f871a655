"""Sequences that need not fit into memory: read shard by shard, learnt like a list of them."""

import itertools

import keras
import numpy as np
import pytest

import mdn
from mdn.sequences import Shards, material, plan, ragged
from mdn.sequences.streamed import Passing, PassingBatches, PassingWindows
from test_resume import Kill, Killed

SPEC = mdn.MixtureSpec(mdn.NormalSpec(2), 2)
SMALL = 4000  # bytes: a tenth of `walks`


def walks(count=60, shortest=4, longest=40, seed=0):
    rng = np.random.default_rng(seed)
    return [
        np.cumsum(rng.normal(size=(rng.integers(shortest, longest), 2)), axis=0).astype("float32") for _ in range(count)
    ]


@pytest.fixture
def folder(tmp_path):
    """Five shards, two of them flat; each with twelve walks."""
    for shard in range(5):
        rows = walks()[12 * shard : 12 * shard + 12]
        if shard % 2:
            offsets = np.cumsum([0, *map(len, rows)])
            np.savez(tmp_path / f"walks-{shard}.npz", points=np.concatenate(rows), offsets=offsets)
        else:
            np.savez(tmp_path / f"walks-{shard}.npz", *rows)
    return tmp_path


def refilled():
    """The walks, all of them in one array, one after the other."""
    memory = np.empty((40, 2), "float32")
    for one in walks():
        memory[: len(one)] = one
        yield memory[: len(one)]


def write_parquet(path, rows, first=0, **columns):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    points = np.concatenate(rows)
    table = {"x": points[:, 0], "sequence": np.repeat(np.arange(first, first + len(rows)), list(map(len, rows)))}
    parquet.write_table(pyarrow.table({**table, "y": points[:, 1], **columns}), path, row_group_size=100)


def model(**settings):
    keras.utils.set_random_seed(1)
    return mdn.MDNRNN(SPEC, **{"units": (4,), "lags": 0, **settings})


def passing(source, hold_out=False):
    """What `fit` would learn from, of a source that does not fit into its memory."""
    found = material.material(model(), [], source, None, None, None, given=0, encode=None, open_end=hold_out, seed=0)
    assert isinstance(found.rows, Passing)
    return found


def same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


# ---- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.project
def test_files_patterns_lists_and_functions_hold_the_same_sequences(folder):
    paths = [str(one) for one in sorted(folder.glob("*.npz"))]
    for source in (folder, str(folder), f"{folder}/walks-?.npz", paths, walks, lambda: iter(walks()), refilled):
        same(list(Shards(source)), walks())
    assert len(Shards(folder)) == 5 and len(Shards(walks)) == 1


@pytest.mark.project
def test_parquet_holds_one_row_an_event_whatever_the_order_of_its_columns_and_the_groups_of_its_rows(tmp_path):
    rows = walks()
    write_parquet(tmp_path / "a.parquet", rows[:30])
    write_parquet(tmp_path / "b.parquet", rows[30:])
    same(list(Shards(tmp_path)), rows)
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    turned = pyarrow.table({"y": rows[0][:, 1], "x": rows[0][:, 0]})
    parquet.write_table(turned, tmp_path / "c.pq")
    same(list(Shards(tmp_path / "c.pq", by=None)), [rows[0][:, ::-1]])
    parquet.write_table(turned.append_column("sequence", [np.zeros(len(turned), int)]), tmp_path / "c.pq")
    same(list(Shards(tmp_path)), [*rows, rows[0]])


def _cut_off(path):
    write_parquet(path / "b.parquet", walks())
    (path / "b.parquet").write_bytes((path / "b.parquet").read_bytes()[:300])


def _apart(path):
    write_parquet(path / "b.parquet", walks(), sequence=np.arange(sum(map(len, walks()))) % 7)


def _named_otherwise(path):
    write_parquet(path / "b.parquet", walks())
    write_parquet(path / "c.parquet", walks(), z=np.zeros(sum(map(len, walks()))))


def _untold(path):
    write_parquet(path / "b.parquet", walks())
    from pyarrow import parquet

    parquet.write_table(parquet.read_table(path / "b.parquet").drop(["sequence"]), path / "b.parquet")


BAD = {
    "a truncated archive": (
        lambda path: (path / "b.npz").write_bytes(b"PK\3\4"),
        r"b\.npz cannot be read as a file of seq",
    ),
    "a truncated table": (_cut_off, r"b\.parquet cannot be read as a Parquet file"),
    "rows of a sequence apart": (
        _apart,
        r"b\.parquet .*rows of the sequence 0 do not lie together: sort them by 'sequence'",
    ),
    "other columns": (
        _named_otherwise,
        r"c\.parquet .*columns \['x', 'y', 'z'\], but those of the first file have \['x'",
    ),
    "text": (
        lambda path: write_parquet(path / "b.parquet", walks(), y=["up"] * sum(map(len, walks()))),
        r"b\.parquet .*column 'y' holds string, but events are numbers",
    ),
    "no sequences told apart": (
        _untold,
        r"b\.parquet .*no column 'sequence' that tells its sequences apart: name another one with Shards\(\.\.\., by=",
    ),
    "another width": (
        lambda path: np.savez(path / "b.npz", *walks(3), np.zeros((5, 3))),
        r"b\.npz`: each must have shape \(steps, 2\) .* but sequence 3 has \(5, 3\)",
    ),
    "a number that is not finite": (
        lambda path: np.savez(path / "b.npz", *walks(2), np.full((5, 2), np.inf)),
        r"b\.npz`: step 0 of sequence 2 is \[inf, inf\]",
    ),
    "words": (lambda path: np.savez(path / "b.npz", np.array([["a", "b"]])), r"b\.npz`: sequence 0 must hold numbers"),
    "wrong offsets": (
        lambda path: np.savez(path / "b.npz", points=np.zeros((5, 2)), offsets=np.array([0, 7])),
        r"b\.npz .*offsets must rise from 0 to the number of points, 5",
    ),
    "nothing": (lambda path: np.savez(path / "a.npz", np.zeros((0, 2))), r"a\.npz` holds no sequence"),
}


@pytest.mark.project
@pytest.mark.parametrize("case", BAD)
def test_a_bad_shard_is_named_before_training(case, tmp_path):
    make, message = BAD[case]
    if case != "nothing":
        np.savez(tmp_path / "a.npz", *walks(2))
    make(tmp_path)
    with pytest.raises((ValueError, OSError), match=message):
        model().fit(tmp_path, epochs=1, verbose=0)


@pytest.mark.project
def test_empty_shards_and_sequences_are_skipped(folder):
    np.savez(folder / "empty.npz")
    np.savez(folder / "steps.npz", np.zeros((0, 2)), walks()[0])
    same(list(Shards(folder)), [walks()[0], *walks()])  # in the order of the names of their files


@pytest.mark.project
def test_what_is_no_source_is_refused_in_a_sentence(tmp_path):
    once = iter(walks())
    cases = [
        (once, TypeError, "is a list_iterator, which can be read only once, .* pass the function that makes it"),
        (lambda: once, ValueError, "returns the same iterator at each call"),
        (lambda: 3, TypeError, r"must return an iterator of arrays \(T, D\), but 3 came"),
        (tmp_path, ValueError, r"holds no \.npz and no \.parquet file"),
        (tmp_path / "nowhere", FileNotFoundError, "there is no file '.*nowhere'"),
        ([tmp_path / "a.npz"], FileNotFoundError, r"there is no file '.*a\.npz'"),
    ]
    for source, kind, message in cases:
        with pytest.raises(kind, match=message):
            model().fit(source, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="`memory` must be a positive number of bytes"):
        Shards(walks, memory=0)
    with pytest.raises(ValueError, match="`encode` takes the items of a list, but a source came"):
        model().fit(walks, encode=lambda one, rng: one)
    with pytest.raises(ValueError, match="a source brings events alone, but condition must come"):
        model(condition_size=1).fit(walks)
    with pytest.raises(ValueError, match="`encode` takes the items of a list, but a source came"):
        model().fit(tmp_path, encode=lambda one, rng: one)
    with pytest.raises(ValueError, match=r"`validation_data` must fit into memory=4,000 bytes"):
        model().fit(walks, Shards(walks, memory=SMALL))
    with pytest.raises(ValueError, match=r"`validation_data` must be \(sequences, condition\), but 1 part came"):
        model(condition_size=1).fit(walks(), walks, condition=np.zeros((60, 1)))


@pytest.mark.project
def test_each_form_of_a_source_can_judge(folder):
    paths = sorted(folder.glob("*.npz"))
    for source in (
        folder,
        str(folder),
        paths,
        [paths[0], *paths[1:]],
        refilled,
        Shards(folder),
        walks(),
        iter(walks()),
    ):
        rows, beside = plan.named(source, (), 2, 0)
        same(rows, walks())
        assert not beside
    labels = np.zeros((60, 1))
    rows, beside = plan.named((folder, labels), ("condition",), 2, 0)
    same(rows, walks())
    assert beside == {"condition": labels}


# ---- what is learnt of it --------------------------------------------------------------------------------------------


@pytest.mark.project
def test_a_sample_of_a_source_gives_the_start_of_the_list_and_is_bounded(folder, monkeypatch):
    small = passing(Shards(folder, memory=SMALL))
    same(small.sample, walks())  # the same start, to the bit, as long as a source has no more events than the sample
    monkeypatch.setattr(material, "_SAMPLE", 400)
    monkeypatch.setattr(material, "_PIECE", 8)
    found = passing(Shards(folder, memory=SMALL)).sample
    assert 180 < sum(map(len, found)) <= 200
    lines = {row.tobytes() for one in walks() for row in one}
    assert all(row.tobytes() in lines for one in found for row in one)


@pytest.mark.project
def test_what_is_held_out_depends_on_the_sequences_alone_and_nobody_learns_it(folder):
    first = passing(Shards(folder, memory=SMALL), hold_out=True)
    other = passing(Shards(lambda: iter(walks()[::-1]), memory=SMALL), hold_out=True)
    kept = material.material(model(), [], folder, None, None, None, given=0, encode=None, open_end=True, seed=5)
    judges = [{one.tobytes() for one in found.held_out[0]} for found in (first, other, kept)]
    assert judges[0] == judges[1] and len(judges[2]) == 6  # a tenth; the others are bounded by an eighth of the buffer
    assert judges[0] <= judges[2] and sum(map(len, judges[0])) <= SMALL // 8
    learnt = {first.rows[row].tobytes() for row in _begun(first.rows)}
    assert learnt == {one.tobytes() for one in walks()} - judges[0]


def _begun(rows):
    """The rows of a new epoch, in the order in which they are read."""
    blocks = rows.blocks(np.random.default_rng(0))
    rows.begin(np.zeros(len(rows), int))
    return np.concatenate(blocks)


@pytest.mark.project
def test_what_is_kept_of_a_long_recording_is_no_view_of_it(monkeypatch):
    monkeypatch.setattr(material, "_SAMPLE", 200)
    monkeypatch.setattr(material, "_PIECE", 8)
    found = passing(Shards(lambda: iter(walks(3, 300, 400)), memory=SMALL), hold_out=True)
    kept = [*found.sample, *found.held_out[0]]
    assert len(kept) > 5 and all(one.base is None or one.base.nbytes == one.nbytes for one in kept)


@pytest.mark.project
def test_a_checkpoint_knows_all_that_the_order_of_a_source_depends_on(folder):
    def digest(source, memory=SMALL):
        return passing(Shards(source, memory=memory)).digest

    paths = sorted(folder.glob("*.npz"))
    assert digest(folder) == digest(paths) and len({digest(folder), digest(folder, SMALL + 8), digest(walks)}) == 3
    np.savez(folder / "joined.npz", *walks()[:24])  # the same sequences in the same order, in fewer files
    assert digest([folder / "joined.npz", *paths[2:]]) != digest(folder)


@pytest.mark.project
def test_of_few_recordings_the_end_of_each_is_held_out():
    few = walks(3, 300, 400)
    found, whole = passing(Shards(lambda: iter(few), memory=SMALL), hold_out=True), plan.dealt(few, (), [], 0, 0)
    assert [len(one) - found.judged_after for one in found.held_out[0]] == [20, 20, 20]  # of 62 that an eighth can hold
    assert [len(one) - whole[3] for one in whole[2][0]] == [len(one) // 10 for one in few]
    for one, row, judge in zip(few, _begun(found.rows), found.held_out[0], strict=True):
        np.testing.assert_array_equal(found.rows[row], one[:-20])
        np.testing.assert_array_equal(judge, one[-len(judge) :])


# ---- batches ---------------------------------------------------------------------------------------------------------


def events(batches):
    """How often each known target came in an epoch, and the most bytes of sequences that were held."""
    count, most = {}, 0
    for index in range(len(batches)):
        _, targets = batches[index]
        for row in targets[~np.isnan(targets).all(axis=-1)]:
            count[row.tobytes()] = count.get(row.tobytes(), 0) + 1
        most = max(most, sum(one.nbytes for one in batches._sequences._held.values()))
    return count, most


@pytest.mark.project
@pytest.mark.parametrize("source", ["files", "function"])
def test_each_epoch_learns_every_event_in_another_order_and_holds_few_of_them(source, folder):
    shards = Shards(folder if source == "files" else walks, memory=SMALL)
    batches = PassingBatches(passing(shards).rows, batch_size=4, seed=0)
    expected = len(ragged.Batches(walks(), batch_size=4, seed=0))
    orders = []
    for _ in range(3):
        assert len(batches) == expected
        count, most = events(batches)
        assert count.keys() == {row.tobytes() for one in walks() for row in one} and set(count.values()) <= {1, 2}
        assert most <= SMALL
        orders.append([tuple(rows.tolist()) for _, rows in batches._plan])
        batches.on_epoch_end()
    assert len({frozenset(order) for order in orders}) == 3


@pytest.mark.project
@pytest.mark.parametrize("cut", [False, True])
def test_windows_of_a_source_go_on_where_they_were(cut, folder, monkeypatch):
    monkeypatch.setattr("mdn.sequences.streamed._PART", 2)
    windows = PassingWindows(passing(Shards(folder, memory=SMALL)).rows, batch_size=3, window=5, cut=cut, seed=0)
    for _ in range(2):
        before = [None] * 3
        for index in range(len(windows)):
            inputs, targets = windows[index]
            for row, piece in enumerate(windows._pieces(index)):
                if piece is None:
                    continue
                of, first, begins = piece
                part = walks()[of][first : first + 5]
                np.testing.assert_array_equal(inputs[row, 1 : len(part)], part[:-1])
                assert np.isnan(inputs[row, 0]).all() == begins and before[row] == (None if begins else (of, first - 5))
                if not begins:
                    np.testing.assert_array_equal(inputs[row, 0], walks()[of][first - 1])
                    np.testing.assert_array_equal(targets[row, : len(part)], part)
                goes_on = windows._pieces(index + 1)[row] == (of, first + 5, False)
                before[row] = (of, first) if goes_on else None
        windows.on_epoch_end()
    count, most = events(windows)
    assert most <= SMALL
    missing = len({row.tobytes() for one in walks() for row in one} - count.keys())
    assert (
        missing <= 3 * 2 * 5 and max(count.values()) == 1
    )  # what lies behind the end of the first epoch waits for another one


@pytest.mark.project
def test_an_epoch_that_was_left_begins_anew_and_a_state_gives_the_same_batches(folder):
    def dealt():
        return PassingBatches(passing(Shards(folder, memory=SMALL)).rows, batch_size=4, seed=0)

    batches, other = dealt(), dealt()
    batches.on_epoch_end()
    whole = [batches[index][1] for index in range(len(batches))]
    other.go_on_from(batches.state)
    for index in (
        0,
        1,
        0,
        1,
        2,
        3,
        4,
        5,
        0,
        *range(len(batches)),
    ):  # Keras looks at the first two; Ctrl-C leaves an epoch
        np.testing.assert_array_equal(other[index][1], whole[index])


@pytest.mark.project
def test_a_shard_that_changes_during_training_is_named(folder):
    found = passing(Shards(folder, memory=SMALL))
    batches = PassingBatches(found.rows, batch_size=4, seed=0)
    np.savez(folder / "walks-2.npz", *walks(5, seed=3))
    with pytest.raises(ValueError, match=r"walks-2\.npz` has changed since `fit` began: .*Each epoch reads it again"):
        events(batches)


# ---- training --------------------------------------------------------------------------------------------------------


def test_a_source_that_fits_is_learnt_as_its_list_to_the_bit(folder):
    settings = {"epochs": 1, "batch_size": 16, "buckets": 1, "verbose": 0}
    scores = [model().fit(source, walks(9), **settings).history["val_nll"] for source in (walks(), folder)]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("window", [None, 10])
def test_a_source_that_does_not_fit_is_learnt_as_well_as_its_list(window, folder):
    noise, rows = np.random.default_rng(0).normal(size=(120, 30, 2)), []
    for one in noise:
        rows.append(np.array(list(itertools.accumulate(one, lambda last, new: 0.9 * last + new)), "float32"))
    settings = {"epochs": 6, "batch_size": 8, "buckets": 1, "window": window, "verbose": 0, "learning_rate": 0.02}
    found, passed = (
        model().fit(source, rows[100:], **settings).history["val_nll"]
        for source in (rows[:100], Shards(lambda: iter(rows[:100]), memory=SMALL))
    )
    gain = found[0] - found[-1]
    assert gain > 0.5 and abs(found[-1] - passed[-1]) < 0.1 * gain


@pytest.mark.jax
@pytest.mark.parametrize("window", [None, 8])
def test_a_training_on_a_source_that_was_killed_ends_as_if_it_had_not_been(window, folder, tmp_path):
    def fitted(checkpoint, *callbacks):
        one = model(dropout=0.2)
        settings = {"epochs": 2, "batch_size": 8, "buckets": 1, "window": window, "verbose": 0, "seed": 1}
        one.fit(Shards(folder, memory=SMALL), walks(6), callbacks=callbacks, checkpoint=checkpoint, **settings)
        return one.get_weights()

    whole = fitted(None)
    with pytest.raises(Killed):
        fitted(tmp_path / "kept", Kill(1, 2))
    same(fitted(tmp_path / "kept"), whole)
    np.savez(folder / "walks-4.npz", *walks(12, seed=9))
    with pytest.raises(ValueError, match=r"was made with data='.*', but data='.*' came"):
        fitted(tmp_path / "kept")


@pytest.mark.project
def test_a_function_whose_noise_changes_is_refused_with_a_checkpoint_before_it_trains(tmp_path):
    rng = np.random.default_rng(0)

    def noisy():
        memory = np.empty((6, 2), "float32")
        for _ in range(12):
            memory[:] = rng.normal(size=(6, 2))
            yield memory

    with pytest.raises(
        ValueError, match=r"`noisy\(\)` yields other numbers at each call, so that .* `checkpoint` could not"
    ):
        model().fit(noisy, epochs=1, checkpoint=tmp_path)
    assert not list(tmp_path.iterdir())
    found = material.material(
        model(), [], refilled, None, None, None, given=0, encode=None, open_end=False, seed=0, same=True
    )
    same(found.rows, walks())
