"""ECG: filter and frames, the split, what a model and its floors are worth, records that go on, pictures, commands."""

import importlib
import itertools
import math
from types import SimpleNamespace
from xml.etree import ElementTree

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import mdn
import mdn_cli
from mdn.applications import ecg
from mdn.applications.ecg import data, evaluate, model

pytestmark = pytest.mark.jax


def heart(seed, length=data.PIECE, innovation=20.0):
    """Integers of an autoregression of order 2 that swings; what can be known of it, by its innovation, is known."""
    noise = np.random.default_rng(seed).normal(0.0, innovation, length)
    found = np.zeros(length)
    for t in range(2, length):
        found[t] = 1.8 * found[t - 1] - 0.9 * found[t - 2] + noise[t]
    return np.rint(found + 300.0).astype("int16")


RECORDS = {f"r{i}": heart(i) for i in range(4)}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    path = tmp_path_factory.mktemp("ecg") / "records.npz"
    np.savez(path, **RECORDS)
    return path


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return model.network((8,), 2).adapt([data.frames(one) for one in data.pieces(RECORDS)])


def test_the_filter_is_the_recursion_and_comes_undone():
    samples = RECORDS["r0"][:50].astype("float64")
    expected = [0.0]
    for before, now in itertools.pairwise(samples):
        expected.append((1.0 - 1.0 / data.RATE) * expected[-1] + now - before)
    np.testing.assert_allclose(data.filtered(samples), expected, atol=1e-9)
    np.testing.assert_allclose(data.unfiltered(expected, start=samples[0]), samples, atol=1e-9)
    later = data.unfiltered(expected[20:], before=expected[19], start=samples[19])
    np.testing.assert_allclose(later, samples[20:], atol=1e-9)
    level = data.filtered(np.concatenate([[0.0], np.full(10 * data.RATE, 500.0)]))
    assert level[1] == 500.0 and abs(level[data.RATE + 1] - 500.0 / math.e) < 2.0, "it forgets in a second"


def test_a_density_of_frames_is_one_of_samples():
    """The map from samples to frames keeps volumes, and sees the past only."""
    samples = RECORDS["r0"][:9].astype("float64")

    def framed(later):
        return data.frames(data.filtered(np.concatenate([samples[:1], later]))[1:]).reshape(-1).astype("float64")

    slopes = np.stack([(framed(samples[1:] + row) - framed(samples[1:] - row)) / 20.0 for row in 10.0 * np.eye(8)]).T
    np.testing.assert_allclose(np.linalg.det(slopes), 1.0, atol=1e-4)
    np.testing.assert_allclose(np.triu(slopes, 1), 0.0, atol=1e-4)
    level = data.filtered(RECORDS["r0"][:400])
    np.testing.assert_allclose(data.samples(data.frames(level)), level, atol=1e-2)


def test_pieces_are_the_record_in_order_spread_over_its_cells():
    record = heart(5, 2 * data.PIECE + 77)
    pieces = data.pieces({"r": record}, seed=None)
    assert [len(one) for one in pieces] == [data.PIECE] * 2
    np.testing.assert_allclose(np.concatenate(pieces), data.filtered(record)[: 2 * data.PIECE])
    spread = data.spread(record, np.random.default_rng(0)) - record
    assert -0.5 <= spread.min() < -0.49 and 0.49 < spread.max() <= 0.5


def test_no_heart_is_in_two_parts():
    parts = ecg.split({f"r{i}": i for i in range(12)})
    assert [len(parts[name]) for name in ("train", "valid", "test")] == [8, 2, 2]
    assert len(set().union(*parts.values())) == 12
    assert parts == ecg.split({f"r{i}": i for i in reversed(range(12))}), "whatever the order in the file"
    with pytest.raises(ValueError, match="at least 3 records are needed"):
        ecg.split({"a": 1, "b": 2})


def test_bad_files_of_records_are_named(tmp_path):
    for bad, came in ((np.zeros(9000), "float64 of shape"), (np.zeros(99, int), r"int64 of shape \(99,\)")):
        np.savez(tmp_path / "x.npz", r1=bad)
        with pytest.raises(ValueError, match=rf"integers \(T,\), 3600 at least, but 'r1' is {came}"):
            ecg.read_records(tmp_path / "x.npz")


def test_the_score_is_that_of_the_samples_behind_the_first_order_given_all_before(network):
    pieces = [data.frames(one) for one in data.pieces(RECORDS, 3)]
    later = [network.log_prob([one])[0][evaluate.ORDER // data.FRAME :] for one in pieces]
    expected = -np.mean(np.concatenate(later)) / data.FRAME
    np.testing.assert_allclose(evaluate.nll(network, RECORDS, 3), expected, rtol=1e-5)


def test_the_linear_autoregression_reaches_what_can_be_known(monkeypatch):
    """Of an autoregression that is the entropy of its innovations."""
    # the third is no longer than the others, but 9,900 samples judge well enough: an error of 0.007 nats
    parts = {name: {name: heart(i, 3 * data.PIECE)} for i, name in enumerate(("train", "valid", "test"))}
    monkeypatch.setattr(evaluate, "_EVERY", 1)
    found = evaluate.floors(parts, components=2, order=6)
    best = 0.5 * math.log(2.0 * math.pi * math.e * (20.0**2 + 1 / 12 + 1 / 12))
    linear, memoryless = found.values()
    assert best - 0.02 < linear < best + 0.05
    # the step of this autoregression, its variance by the recursion
    steps = np.diff(heart(9, 400_000))
    assert abs(memoryless - 0.5 * math.log(2.0 * math.pi * math.e * steps.var())) < 0.05


def test_a_record_goes_on_from_its_last_sample():
    """A network that knows what comes gives what came, wherever the record is cut."""
    record = RECORDS["r1"]

    class Knowing:
        def generate(self, steps, count, prime, seed, **temperatures):
            level = data.filtered(self.begun)
            np.testing.assert_allclose(data.samples(prime), level[len(level) % data.FRAME :], atol=1e-2)
            whole = data.filtered(record[: len(self.begun) + steps * data.FRAME])
            later = whole[len(self.begun) :].reshape(-1, data.FRAME)
            before = np.concatenate([[level[-1]], later[:-1, -1]])
            return np.stack([later - before[:, None]] * count)

    knowing = Knowing()
    for cut in (1200, 1201, 1203):
        knowing.begun = record[:cut]
        found = ecg.generate(knowing, seconds=1.01, count=2, begun=record[:cut])
        assert found.shape == (2, 121)
        np.testing.assert_allclose(found[1], record[cut : cut + 121], atol=1e-2)


def test_records_begin_with_nothing_and_a_seed_makes_them_again(network):
    found = ecg.generate(network, 0.5, 3, seed=1)
    assert found.shape == (3, 60) and np.isfinite(found).all() and not np.allclose(found[0], found[1])
    np.testing.assert_array_equal(found, ecg.generate(network, 0.5, 3, seed=1))
    with pytest.raises(ValueError, match="`seconds` must be positive"):
        ecg.generate(network, 0.0)


def test_strips_show_the_samples_in_seconds_and_millivolts(tmp_path):
    ecg.write_strips(tmp_path / "s.svg", {"a": RECORDS["r0"], "b": RECORDS["r1"][:100]}, seconds=5.0)
    ElementTree.parse(tmp_path / "s.svg")
    ecg.write_strips(tmp_path / "s.png", {"a": RECORDS["r0"]})
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"ends in \.svg or \.png"):
        ecg.write_strips(tmp_path / "s.gif", {"a": RECORDS["r0"]})


def test_training_and_generating_by_command(records, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = model.network
    monkeypatch.setattr(importlib.import_module("mdn.applications.ecg.train"), "network", lambda **_: small((8,), 2))
    monkeypatch.setattr(evaluate, "floors", lambda parts, seed: {"a floor": 1.0})
    run = SimpleNamespace(of=lambda *given: CliRunner().invoke(mdn_cli.app, [*map(str, given)])).of
    ran = run("train", "ecg", "--data", records, "--epochs", "1")
    assert ran.exit_code == 0, ran.output
    assert "test NLL a sample" in ran.output and (tmp_path / "ecg.json").is_file()
    assert isinstance(ecg.load(tmp_path / "ecg.keras"), mdn.MDNRNN)
    ran = run("generate", "ecg", "--model", "ecg.keras", "--data", records, "--after", "r2:20", "--count", 2)
    assert ran.exit_code == 0, ran.output
    assert "<svg" in (tmp_path / "ecg.svg").read_text()
    monkeypatch.setattr(ecg, "generate", lambda _, seconds, count, *rest, **_temperatures: np.ones((count, 240)))
    ran = run("generate", "ecg", "--seconds", 2, "--out", "made.npz")
    assert ran.exit_code == 0, ran.output
    with np.load(tmp_path / "made.npz") as made:
        assert made["samples"].shape == (4, 240) and made["rate"] == 120
    for given, said in (
        (("--model", "none.keras"), "there is no file 'none.keras'. `mdn train ecg"),
        (("--out", "x.gif"), "--out ends in"),
        (("--data", records, "--after", "r9:1"), "--after must be RECORD:SECOND, one of r0"),
        (("--data", records, "--after", "r1:0"), "from the first on, but 'r1:0'"),
    ):
        ran = run("generate", "ecg", *given)
        assert ran.exit_code == 2 and said in ran.output.replace("\n", "")


def test_the_network_that_comes_with_the_package_is_small_and_one_of_hearts(tmp_path):
    assert model.SHIPPED.stat().st_size < 1_000_000
    assert ecg.load().spec.target_size == data.FRAME
    other = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(1), 2), units=(3,))
    other.save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="holds no model of an ECG"):
        ecg.load(tmp_path / "other.keras")
