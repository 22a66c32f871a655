"""One network on many processes: a feed that knows no processes, a loop that goes on, and a cluster whose workers die."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pytest

import mdn
import team_jobs
from mdn import kernels, training
from mdn.data.lanes import LaneWriter, Widths
from mdn.data.partition_feed import PartitionFeed
from mdn.training import processes as processes_module
from mdn.training import team as team_module
from mdn.training.checkpoints import Checkpoints
from mdn.training.feed import fetched_ahead
from mdn.training.process import give_memory_back
from mdn.training.processes import _START, check_processes, run_together
from mdn.training.team import Team, _connect, _end_at_once_on_error

pytestmark = [pytest.mark.project, pytest.mark.filterwarnings("default")]  # other people's processes warn of their own
LENGTHS = [300, 17, 120, 0, 500, 91, 1]


@pytest.fixture(scope="module")
def lanes(tmp_path_factory):
    """Partitions of very different lengths; a row holds its number."""
    found, first = [], 0
    for number, count in enumerate(LENGTHS):
        numbers = np.arange(first, first + count, dtype="float32") / 1024  # exact
        first += count
        with LaneWriter(tmp_path_factory.mktemp("lanes"), Widths(2, 1), [number], segment=32) as writer:
            writer.write(np.stack([numbers, numbers], axis=1), 3 + numbers[:, None], np.ones(count))
        found += writer.lanes
    return found


def steps_of(lanes, holders, epoch, **settings):
    """The numbers of the rows of each step of an epoch, of all processes together."""
    found = None
    for process in range(len(holders)):
        blocks = list(team_jobs.feed_of(lanes, holders, process, **settings).epoch(epoch))
        x, y, weight = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        assert np.array_equal(np.isnan(y[..., 0]), weight == 0)
        mine = [rows[counted > 0, 0].tolist() for rows, counted in zip(x, weight, strict=True)]
        found = mine if found is None else [a + b for a, b in zip(found, mine, strict=True)]
    return [sorted(step) for step in found]


def test_the_rows_of_a_step_do_not_depend_on_who_holds_the_partitions(lanes):
    one = steps_of(lanes, [[0, 1, 2, 3, 4, 5, 6]], 3)
    assert one == steps_of(lanes, [[0, 4], [1, 2, 3, 5, 6]], 3) == steps_of(lanes, [[6, 0], [1], [5, 4, 3, 2]], 3)
    assert one != steps_of(lanes, [[0, 1, 2, 3, 4, 5, 6]], 4)
    assert max(map(len, one)) <= 64 + len(lanes) // 2


@pytest.mark.parametrize("most", [1 << 20, 350])
def test_each_row_comes_once_in_a_pass(lanes, most):
    holders = [[0, 2, 5], [1, 3, 4, 6]]
    feed = team_jobs.feed_of(lanes, holders, 0, most=most)
    for begin in (0, feed.epochs_a_pass):
        epochs = [steps_of(lanes, holders, begin + part, most=most) for part in range(feed.epochs_a_pass)]
        assert sorted(row for steps in epochs for step in steps for row in step) == [
            number / 1024 for number in range(sum(LENGTHS))
        ]


def test_a_partition_without_a_process_is_refused(lanes):
    with pytest.raises(ValueError, match="`holders` must hold each of the 7 partitions once"):
        PartitionFeed({}, LENGTHS, [[0, 1], [3, 4, 5, 6]], 64)


# ---- the loop over a feed --------------------------------------------------------------------------------------------

SPEC = mdn.MixtureSpec(mdn.NormalSpec(1), 2)
HELD_OUT = (
    np.linspace(0, 1, 50, dtype="float32").repeat(2).reshape(50, 2),
    np.linspace(3, 4, 50, dtype="float32")[:, None],
)


def network():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(4), mdn.MDN(SPEC)])


def fed(lanes, folder=None, **options):
    model = network()
    feed = team_jobs.feed_of(lanes, [list(range(7))], 0)
    checkpoints = None if folder is None else Checkpoints(folder, {"rows": sum(LENGTHS)})
    settings = {"epochs": 5, "validation": HELD_OUT, "averaging": 0.9, "target_noise": [0.1], "seed": 1, **options}
    loss = mdn.NegativeLogLikelihood(SPEC)
    return model, training.fit_feed(model, feed, loss, checkpoints=checkpoints, **settings)


@pytest.mark.jax
def test_a_training_that_was_cut_goes_on_to_the_same_bits(lanes, tmp_path):
    def cut(epoch, history):
        if epoch == 3:
            raise ConnectionError

    model, history = fed(lanes)
    with pytest.raises(ConnectionError):
        fed(lanes, tmp_path, on_epoch=cut)
    again, resumed = fed(lanes, tmp_path)
    assert resumed == history and len(history.loss) == 5 and min(history.val_loss) < history.val_loss[0]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True))


def test_the_loop_over_a_feed_learns_as_the_loop_in_memory_does(lanes):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(640, 2)).astype("float32")
    y = x[:, :1] + 0.3 * rng.normal(size=(640, 1)).astype("float32")

    class Whole:
        rows, batch_size = 640, 64

        def epoch(self, number):
            order = np.random.default_rng(number).permutation(640).reshape(2, 5, 64)
            for steps in order:
                yield x[steps], y[steps], np.ones(steps.shape, "float32")

    settings = {"epochs": 30, "validation": (x, y), "learning_rate": 0.03}
    loss = mdn.NegativeLogLikelihood(SPEC)
    in_memory = training.fit(network(), x, y, loss, batch_size=64, **settings)
    in_blocks = training.fit_feed(network(), Whole(), loss, **settings)
    assert in_blocks.val_loss[0] == pytest.approx(in_memory.val_loss[0], rel=1e-5)
    assert min(in_blocks.val_loss) == pytest.approx(min(in_memory.val_loss), abs=0.02)
    assert min(in_blocks.val_loss) < in_blocks.val_loss[0] - 0.5


def test_memory_goes_back_to_the_system_after_each_block(monkeypatch):
    given = []
    monkeypatch.setattr("mdn.training.feed.give_memory_back", lambda: given.append(len(given)))
    assert list(fetched_ahead(iter("abc"))) == ["a", "b", "c"] and given == [0, 1, 2]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux says how much memory a process has")
def test_memory_that_was_freed_in_a_thread_is_given_back():
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def fragments():
        small = [np.ones(10_000) for _ in range(2000)]  # 160 MB in pieces that glibc keeps
        return small[-1]

    with ThreadPoolExecutor(1) as thread:
        kept = thread.submit(fragments).result()  # lies above all that was freed
        before = resident()
        give_memory_back()
        assert before - resident() > 100e6
        del kept


def test_an_error_of_a_feed_reaches_the_caller():
    def blocks():
        yield 1
        raise OSError("the disk is gone")

    ahead = fetched_ahead(blocks())
    assert next(ahead) == 1
    with pytest.raises(OSError, match="disk"):
        next(ahead)


# ---- processes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"MDN_PROCESSES": "2", "MDN_PROCESS": "0"}, "MDN_COORDINATOR must be set"),
        ({"MDN_COORDINATOR": "here:1", "MDN_PROCESSES": "2", "MDN_PROCESS": "2"}, "one from 0 up to it"),
        ({"MDN_COORDINATOR": "here", "MDN_PROCESSES": "2", "MDN_PROCESS": "0"}, "host:port"),
    ],
)
def test_variables_that_make_no_team_are_refused(monkeypatch, variables, said):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=said):
        Team.of_environment()


@pytest.mark.jax
def test_a_killed_process_is_started_again_and_what_it_refuses_is_said(tmp_path):
    told, started = [], []
    with pytest.raises(ValueError, match="`numbers` must be numbers"):
        run_together(
            team_jobs.die_then_refuse,
            lambda process: (tmp_path / "died",),
            1,
            on_told=told.append,
            on_start=started.append,
        )
    assert told == [{"alone": True}] * 2 and len(started) == 2 and (tmp_path / "died").exists()


def test_an_error_of_a_listener_reaches_the_caller_in_its_own_thread(monkeypatch):
    told = io.BytesIO(b'mdn-told:{"told": "an epoch"}\n')
    ended = mock.Mock(stdout=told, **{"poll.return_value": 0})
    monkeypatch.setattr("mdn.training.processes.subprocess.Popen", lambda *args, **kwargs: ended)
    threads = []

    def broken(told):
        threads.append(threading.get_ident())
        raise KeyError(told)

    with pytest.raises(KeyError, match="an epoch"):
        run_together(team_jobs.die_then_refuse, lambda process: (), 1, on_told=broken)
    assert threads == [threading.get_ident()]


@pytest.mark.parametrize(
    ("coordinator", "bound"),
    [("127.0.0.1:80", True), ("[::1]:80", True), ("localhost:80", True), ("10.0.0.1:80", False), ("first:80", False)],
)
def test_processes_of_one_machine_listen_to_no_other(coordinator, bound):
    jax = mock.Mock()
    _connect(jax, Team(coordinator, 2, 0))
    assert jax.distributed.initialize.call_args.kwargs["coordinator_bind_address"] == (coordinator if bound else None)


def test_a_process_of_a_launcher_ends_at_once_after_an_error_that_nobody_catches(monkeypatch, capsys):
    """JAX would let it wait until the others end, which wait for it."""
    ends, ended = [], []
    monkeypatch.setattr(team_module.atexit, "register", ends.append)
    monkeypatch.setattr(team_module.os, "_exit", ended.append)
    monkeypatch.setattr(team_module.sys, "excepthook", sys.__excepthook__)
    _end_at_once_on_error(Team("here:1", 2, 1))
    ends[0]()
    assert ended == []  # the usual end waits, since the others may still need this process

    def uncaught(error):
        sys.excepthook(type(error), error, error.__traceback__)
        ends[0]()
        return ended[-1], capsys.readouterr().err

    status, said = uncaught(KeyError("the callback is broken"))
    assert status == 1 and "KeyError: 'the callback is broken'" in said and "process 1" not in said
    status, said = uncaught(RuntimeError("UNKNOWN: Gloo all-reduce failed: Connection closed by peer"))
    assert status == 1 and "Gloo" in said and "mdn: process 1 of 2 ends, since another one has ended" in said
    assert uncaught(KeyboardInterrupt())[0] == 130


def test_a_process_does_not_import_what_a_training_does_not_need():
    said = _START.replace('runpy.run_module("mdn.training.child", run_name="__main__")', "print(*sys.modules)")
    assert said != _START
    ran = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert {"mdn.losses", "keras"} <= set(ran.stdout.split())
    assert not {"matplotlib", "pandas", "sklearn"} & set(ran.stdout.split())


def test_several_processes_without_jax_are_refused(monkeypatch):
    monkeypatch.setattr("mdn.backend.NAME", "torch")
    check_processes(1)
    with pytest.raises(
        ValueError, match="needs the JAX backend, but it is torch: set KERAS_BACKEND=jax, or leave it out"
    ):
        check_processes(2)


def test_a_function_of_the_program_itself_is_refused():
    def inner(*, mesh, tell):
        raise AssertionError

    inner.__module__ = "__main__"
    with pytest.raises(ValueError, match="a file of its own"):
        run_together(inner, lambda process: (), 1)


# ---- a cluster -------------------------------------------------------------------------------------------------------

QUICK = {"num_components": 2, "epochs": 6, "hidden_sizes": (8,), "batch_size": 64, "random_state": 0}


def frame(rows=600):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    found = pandas.DataFrame({"a": rng.normal(size=rows), "c": rng.choice(["x", "y"], rows)})
    found["y"] = found.a + (found.c == "x") + 0.3 * rng.normal(size=rows)
    found.loc[rows - 1, "c"] = "rare"  # only one partition has it
    return found


def dask_frame(table=None, partitions=4):
    return pytest.importorskip("dask.dataframe").from_pandas(
        frame() if table is None else table, npartitions=partitions
    )


def alone(table, partitions, folder):
    """The same training in this process alone, which holds all partitions."""
    import mdn.dask
    from mdn.dask import beside, worker
    from mdn.tabular import streamed
    from mdn.tabular.fed_member import fit_fed_member

    regressor = mdn.MDNRegressor(**QUICK)
    how = streamed.How("y")
    parts = [part.compute() for part in partitions.partitions]
    here = mock.Mock(address="here", local_directory=str(folder))
    alikeness = worker.Alikeness(tuple(table.columns), {})
    with (
        mock.patch.object(worker, "get_worker", return_value=here),
        mock.patch.object(beside, "get_worker", return_value=here),
    ):
        surveys = [
            worker.survey_partition(part, number, alikeness, streamed.wanted_of(regressor, how), 1e9)
            for number, part in enumerate(parts)
        ]

        def train(tasks, selected):
            dealt = [
                worker.deal_partition(part, number, alikeness, regressor, selected, "alone")
                for number, part in enumerate(parts)
            ]
            lanes = {number: each.lane for number, each in enumerate(dealt)}
            share = worker.PartitionShare(
                lanes, [lane.rows for lane in lanes.values()], [[*lanes]], QUICK["batch_size"], tasks[0][0].width
            )
            return [fit_fed_member(*task, share) for task in tasks]

        streamed.learn(regressor, worker.merged(surveys).survey, how, train)
    return regressor


class Killer:
    """Compares the checkpoints of the workers after an epoch, and kills one of them."""

    def __init__(self, client, epoch):
        self._client, self._epoch = client, epoch
        self.killed, self.equal = "", False

    @staticmethod
    def _same(states):
        read = [np.load(found[0]) for found in states]
        names = [name for name in read[0].files if name.startswith("trainable")]
        return len(read) == 2 and all(np.array_equal(read[0][name], read[1][name]) for name in names)

    def on_epoch_end(self, epoch, logs):
        if epoch < self._epoch or self.killed:
            return
        folders = self._client.run(lambda dask_worker: dask_worker.local_directory)
        states = [list(Path(folder).glob("mdn-*/checkpoints/**/checkpoint.npz")) for folder in folders.values()]
        if not all(states):  # candidates train here, before the workers begin
            return
        self.equal = any(self._same(states) or time.sleep(0.1) for _ in range(100))  # one may write still
        pids = self._client.run(os.getpid)
        self.killed = sorted(pids)[-1]
        os.kill(pids[self.killed], signal.SIGKILL)


@pytest.mark.jax
def test_two_workers_one_of_which_is_killed_learn_what_one_process_learns(client, tmp_path):
    import mdn.dask

    partitions = dask_frame()
    killer = Killer(client, 2)
    regressor = mdn.dask.MDNRegressor(client, **QUICK).fit(partitions, "y", callbacks=[killer])
    assert killer.killed and killer.equal
    lone = alone(frame(), partitions, tmp_path)
    np.testing.assert_allclose(regressor.history_.loss, lone.history_.loss, rtol=1e-4)
    np.testing.assert_allclose(regressor.history_.val_loss, lone.history_.val_loss, rtol=1e-4)
    table = frame().drop(columns="y")
    lazy = regressor.predict_interval(partitions, 0.9)
    assert type(lazy).__module__.startswith("dask.")
    # Two workers add up a batch in another order than one process, and training enlarges the rounding: in plain code a bit more
    rounding = 1e-4 if kernels.on() else 1e-3
    np.testing.assert_allclose(lazy.compute(), lone.predict_interval(table, 0.9), rtol=rounding, atol=rounding)
    assert "rare" in json.dumps(regressor.columns_.levels)
    regressor.save(tmp_path / "model.mdn")
    loaded = mdn.load(tmp_path / "model.mdn")
    np.testing.assert_array_equal(loaded.predict(table), regressor.here().predict(table))
    left = client.run(lambda dask_worker: [str(path) for path in Path(dask_worker.local_directory).glob("mdn-*")])
    assert not any(left.values())


def broken(column, value, row):
    table = frame()
    table[column] = table[column].astype(object)
    table.loc[row, column] = value
    return table


@pytest.mark.jax
@pytest.mark.parametrize(
    ("table", "said"),
    [
        (lambda: broken("y", "n/a?", 400), r"partition 2 on tcp://.*'y'.*text"),
        (lambda: frame().assign(y=np.nan), "at least 2 rows with a target"),
        (lambda: broken("y", np.inf, 200).astype({"y": float}), r"partition 1 on tcp://.*finite"),
    ],
)
def test_a_partition_that_cannot_be_used_is_named_with_its_worker(client, table, said):
    import mdn.dask

    with pytest.raises(ValueError, match=said):
        mdn.dask.MDNRegressor(client, **QUICK).fit(dask_frame(table()), "y")


@pytest.mark.jax
def test_an_empty_partition_says_nothing(client):
    import mdn.dask
    from mdn.dask.cluster import Cluster
    from mdn.tabular import streamed

    partitions = dask_frame().map_partitions(lambda part: part[part.index >= 300])  # the first two are empty now
    how = streamed.How("y")
    survey = Cluster(client, partitions).survey(streamed.wanted_of(mdn.MDNRegressor(random_state=0), how), 1e9)
    assert survey.rows == 300


@pytest.mark.jax
@pytest.mark.parametrize("kind", ["object", "string"])
def test_codes_in_partitions_keep_their_zeros(client, kind):
    from mdn.dask.cluster import Cluster
    from mdn.tabular import streamed
    from mdn.tabular.columns import Columns

    codes = np.array(["01001", "10115", "60601"])
    table = frame(60).drop(columns="c").assign(zip=codes[np.arange(60) % 3])
    with pytest.importorskip("dask").config.set({"dataframe.convert-string": False}):
        cluster = Cluster(client, dask_frame(table.astype({"zip": kind})))
        with pytest.warns(UserWarning, match="'zip' begin with 0") if kind == "object" else contextlib.nullcontext():
            survey = cluster.survey(streamed.wanted_of(mdn.MDNRegressor(random_state=0), streamed.How("y")), 1e9)
    assert sorted(Columns.learn(survey.all().table.drop("y")).levels["zip"]) == codes.tolist()


def test_what_is_no_frame_or_no_cluster_is_refused(client):
    import mdn.dask

    quick = mdn.dask.MDNRegressor(client, **QUICK)
    with pytest.raises(TypeError, match="must be a Dask DataFrame"):
        quick.fit(frame(), "y")
    with pytest.raises(ValueError, match="has no column 'z'"):
        quick.fit(dask_frame(), "z")
    with pytest.raises(TypeError, match=r"must be a distributed\.Client"):
        mdn.dask.MDNRegressor("tcp://nowhere:1", **QUICK).fit(dask_frame(), "y")
    with pytest.raises(ValueError, match="`callbacks` must hold no Keras callback"):
        quick.fit(dask_frame(), "y", callbacks=[keras.callbacks.Callback()])
    assert quick.get_params()["epochs"] == 6 and quick.get_params()["client"] is client


def test_a_worker_of_another_version_is_named(client, monkeypatch):
    from mdn.dask import training as cluster

    monkeypatch.setattr(cluster, "versions", lambda: "mdn 9")
    monkeypatch.setattr(client, "run", lambda *args, **kwargs: {"tcp://a:1": "mdn 9", "tcp://b:2": "mdn 8"})
    with pytest.raises(ValueError, match="the worker tcp://b:2 has mdn 8, but this process has mdn 9"):
        cluster.client_of(client)


def test_a_scheduler_that_is_gone_is_named():
    import mdn.dask

    distributed = pytest.importorskip("distributed")
    with distributed.Client(processes=False, n_workers=1, dashboard_address=":0", set_as_default=False) as gone:
        pass
    with pytest.raises(ValueError, match="the scheduler of `client` cannot be reached"):
        mdn.dask.MDNRegressor(gone, **QUICK).fit(dask_frame(), "y")


# ---- sequences -------------------------------------------------------------------------------------------------------

WALKS = np.random.default_rng(0).normal(size=(22, 8, 1)).cumsum(axis=1).astype("float32")
HELD = WALKS[16:]
SEQUENCES = {"validation_data": HELD, "epochs": 12, "batch_size": 4, "verbose": 0}


def rnn():
    keras.utils.set_random_seed(1)
    return mdn.MDNRNN(SPEC, units=(4,), dropout=0.2, lags=2)


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """A model after a training in one process, its history, and a checkpoint of the middle of that training."""
    folder, kept = tmp_path_factory.mktemp("cut"), tmp_path_factory.mktemp("kept")

    class Copies(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 9:
                shutil.copy(folder / "checkpoint.npz", kept)

    model = rnn()
    return model, model.fit(WALKS[:16], checkpoint=folder, callbacks=[Copies()], **SEQUENCES), kept


def assert_the_same(model, history, whole):
    other, expected = whole[:2]
    assert history.history.keys() == expected.history.keys() and history.epoch == expected.epoch
    for name, curve in expected.history.items():
        np.testing.assert_allclose(history.history[name], curve, rtol=1e-4)
    assert model.adapted and model.history is history
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


@pytest.mark.jax
def test_a_killed_worker_does_not_change_what_a_network_of_sequences_learns(client, cut):
    import mdn.dask

    model, killer = rnn(), Killer(client, 1)
    history = mdn.dask.fit(model, WALKS[:16], client, callbacks=[killer], **SEQUENCES)
    assert killer.killed
    assert_the_same(model, history, cut)
    left = client.run(lambda dask_worker: [str(path) for path in Path(dask_worker.local_directory).glob("mdn-*")])
    assert not any(left.values())


@pytest.mark.jax
def test_two_processes_go_on_where_one_was_killed_although_only_the_second_has_its_checkpoint(
    cut, tmp_path, monkeypatch, capsys
):
    from mdn.sequences import processes

    shutil.copytree(cut[2], tmp_path / "1")

    def on_disks_of_their_own(function, arguments, count, **options):
        return run_together(
            function, lambda number: (arguments(number)[0], None, tmp_path / str(number)), count, **options
        )

    monkeypatch.setattr(processes, "run_together", on_disks_of_their_own)
    model = rnn()
    history = processes.fit_in_processes(model, WALKS[:16], 2, **{**SEQUENCES, "verbose": 1})
    assert_the_same(model, history, cut)
    said = capsys.readouterr().out
    assert "Epoch 11/12" in said and "Epoch 10/12" not in said and "held-out events" in said
    assert [(tmp_path / str(number) / "checkpoint.npz").exists() for number in range(2)] == [True, True]


def test_what_cannot_train_in_other_processes_is_refused():
    from mdn.sequences.processes import fit_in_processes

    model = rnn()
    for changed, error, said in [
        ({"callbacks": [keras.callbacks.Callback()]}, ValueError, "`callbacks` must hold no Keras callback"),
        ({"encode": lambda item, generator: item}, ValueError, "put functions into a file of their own"),
        ({"epoch": 3}, TypeError, "epoch"),
    ]:
        with pytest.raises(error, match=said):
            fit_in_processes(model, WALKS, 2, **changed)
    with pytest.raises(TypeError, match=r"must be an mdn\.MDNRNN, but Sequential came"):
        fit_in_processes(network(), WALKS, 2)
    with pytest.raises(ValueError, match="`processes` must be at least 1"):
        fit_in_processes(model, WALKS, 0)
    assert not model.adapted


def test_a_peer_that_died_is_no_refusal_of_the_process_that_noticed_it():
    from mdn.training.child import can_be_mended

    assert can_be_mended(ValueError("`y` must be finite, but inf came.")) and can_be_mended(FileNotFoundError("t.csv"))
    lost = "Gloo AllGather failed: [external/gloo/gloo/transport/tcp/pair.cc:538] Read error: Connection reset by peer"
    assert not any(can_be_mended(kind(f"UNKNOWN: {lost}")) for kind in (ValueError, RuntimeError))
    assert not can_be_mended(RuntimeError("`y` must be finite")) and not can_be_mended(KeyboardInterrupt())
    assert team_module.is_of_a_peer(RuntimeError(f"UNKNOWN: {lost}"))
    assert not team_module.is_of_a_peer(RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes"))


def test_after_ctrl_c_in_processes_the_sentence_says_that_the_training_goes_on(monkeypatch):
    from mdn.sequences.processes import fit_in_processes

    class Pressed:
        pid, result = 0, None

        def __init__(self, *arguments, **settings):
            self.done = lambda: signal.raise_signal(signal.SIGINT)

        def close(self):
            pass

    monkeypatch.setattr(processes_module, "Child", Pressed)
    with pytest.raises(KeyboardInterrupt, match="goes on from the last epoch that its checkpoint holds"):
        fit_in_processes(mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(1), 2), units=(4,)), WALKS, 2)


def test_processes_that_read_other_sequences_are_named(monkeypatch):
    from mdn.sequences import together

    monkeypatch.setattr(together, "place", lambda: (0, 2))
    monkeypatch.setattr(
        together.exchange, "of_all", lambda mine: np.stack([mine, np.where(np.arange(len(mine)) == 3, 0, mine)])
    )
    with pytest.raises(ValueError, match=r"process 1 on .* reads other sequences than process 0 on"):
        together.check_same(mock.Mock(digest="ff" * 16))
