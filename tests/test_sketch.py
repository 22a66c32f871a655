"""Sketches: events, networks with and without a latent, what they draw, their figures and commands."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops
from typer.testing import CliRunner

import mdn
import mdn_cli
from mdn import training
from mdn.applications import sketch
from mdn.applications.sketch import SketchRNN, data, latent
from mdn.applications.sketch import train as sketch_train
from mdn.applications.sketch.settings import settings_for
from mdn.data import Drawings, from_lines, read_drawings, write_drawings
from mdn.data.strokes import as_drawing
from mdn_commands import sketch as sketch_commands

pytestmark = pytest.mark.jax
RNG = np.random.default_rng(0)


def drawing(seed=0, strokes=3, points=5):
    """A few strokes of integer offsets."""
    rng = np.random.default_rng(seed)
    count = strokes * points
    rows = np.concatenate([rng.integers(-40, 40, (count, 2)), np.zeros((count, 1))], axis=1).astype("float64")
    rows[points - 1 :: points, 2] = 1.0
    return rows


DRAWINGS = [drawing(i, 2 + i % 3) for i in range(24)]


def small(**settings):
    keras.utils.set_random_seed(0)
    model = SketchRNN((8,), 3, encoder_units=6, scale=20.0, grid=1.0, **settings)
    return model.adapt(sketch_train.spread(model, DRAWINGS, 0))


@pytest.fixture(scope="module")
def free():
    return small()


@pytest.fixture(scope="module")
def told():
    return small(latent_size=4)


def numpy(tensor):
    return np.asarray(ops.convert_to_numpy(tensor), "float64")


# ---- events --------------------------------------------------------------------------------------------------------------


def test_events_and_drawings_are_each_others_inverse():
    one = drawing()
    events = data.events(one, 20.0)
    assert events.shape == (16, 3) and np.isnan(events[-1, :2]).all() and events[-1, 2] == data.END
    np.testing.assert_allclose(data.drawing(events, 20.0), one, atol=1e-4)
    spread = data.events(one, 20.0, 1.0, np.random.default_rng(0))
    gaps = np.abs(spread - events)[:-1, :2] * 20.0
    assert 0.3 < gaps.max() <= 0.5001
    assert data.grid_of([one]) == 1.0 and data.grid_of([one, one * 0.5]) == 0.0


def test_the_end_is_judged_by_its_pen_alone(free):
    rows = sketch_train.spread(free, DRAWINGS[:2], 0)
    before = np.concatenate([np.full((1, 3), np.nan), rows[0][:-1]])[None].astype("float32")
    joint = free.spec(free(before))
    pens = numpy(ops.log_softmax(joint.parts["pen"].logits))[0, -1]
    np.testing.assert_allclose(free.log_prob(rows)[0][-1], pens[data.END], atol=1e-5)


# ---- the latent ----------------------------------------------------------------------------------------------------------


def test_a_drawing_is_read_alike_whatever_it_is_filled_up_with(told):
    """Alone, in a batch of longer ones, and by the two readers written out in NumPy."""
    mean, scale = told.encode(DRAWINGS)
    for i in (0, 5):
        alone = told.encode([DRAWINGS[i]])
        np.testing.assert_allclose(alone[0][0], mean[i], atol=1e-5)
        np.testing.assert_allclose(alone[1][0], scale[i], atol=1e-5)
    points = data.events(DRAWINGS[5], 20.0)[:-1]
    places = np.cumsum(points[:, :2], axis=0)[None]
    read = np.concatenate([numpy(told.encoding(points[None])), numpy(told.place(places))], axis=-1).astype("float32")
    start = np.concatenate(
        [numpy(told.encoding(np.full((1, 1, 3), np.nan))), numpy(told.place(np.zeros((1, 1, 2))))], axis=-1
    ).astype("float32")
    forwards = told.readers[0](np.concatenate([start, read], axis=1), told.readers[0].zero_state(1))[1][0]
    backwards = told.readers[1](read[:, ::-1], told.readers[1].zero_state(1))[1][0]
    expected = numpy(told.posterior(ops.concatenate([forwards, backwards], axis=-1)))[0]
    np.testing.assert_allclose(mean[5], expected[:4], atol=1e-4)
    np.testing.assert_allclose(scale[5], np.exp(expected[4:]), rtol=1e-3)


def test_the_bound_is_the_likelihood_given_z_and_the_divergence_from_a_normal(told):
    rows = sketch_train.spread(told, DRAWINGS, 0)
    mean, scale = told.encode_events(rows)
    z = mean + scale * np.random.default_rng(0).standard_normal(mean.shape)
    reconstruction, divergence = told.elbo(rows, seed=0)
    scores = np.concatenate(told.log_prob_given(rows, z))
    np.testing.assert_allclose(reconstruction, -scores.mean(), rtol=1e-6)
    # the divergence by Monte Carlo: the mean of log q - log p under q
    draws = mean + scale * RNG.standard_normal((4000, *mean.shape))
    log_q = -0.5 * ((draws - mean) / scale) ** 2 - np.log(scale)
    by_chance = np.sum(log_q + 0.5 * draws**2, axis=-1).mean(axis=0).sum() / len(scores)
    np.testing.assert_allclose(divergence, by_chance, rtol=0.05)


def test_what_the_latent_costs_is_added_to_the_loss_and_rises():
    model = small(latent_size=4, kl_weight=2.0, kl_floor=0.0, kl_steps=10)
    rows = sketch_train.spread(model, DRAWINGS[:4], 0)
    rows = [row for row in rows if len(row) == len(rows[0])]
    before = np.stack([np.concatenate([np.full((1, 3), np.nan), row[:-1]]) for row in rows]).astype("float32")
    mean, scale = model.encode_events(rows)
    divergence = np.mean(np.sum(0.5 * (mean**2 + scale**2 - 1) - np.log(scale), axis=1))
    costs = []
    for _ in range(3):
        model(before, training=True)
        costs.append(float(model.losses[0]))
    risen = 1.0 - 0.99 * 0.01 ** (np.arange(3) / 10)
    np.testing.assert_allclose(costs, 2.0 * risen * divergence / len(rows[0]), rtol=1e-3)


def test_training_uses_the_latent():
    """Drawings of two kinds that begin alike: only z can say which, and after training it does."""

    def kind(i):
        one = np.tile([[10.0, 0.0, 0.0]], (8, 1)) if i % 2 else np.tile([[0.0, 10.0, 0.0]], (8, 1))
        one[:, :2] += np.random.default_rng(i).normal(0, 0.5, (8, 2))
        one[-1, 2] = 1.0
        return one

    kinds = [kind(i) for i in range(64)]
    model = sketch_train.train(
        kinds, kinds[:16], epochs=25, batch_size=16, learning_rate=0.02, stretch=0.0, dropout=0.0,
        units=(12,), components=2, latent_size=3, encoder_units=8, kl_weight=0.1, kl_steps=20,
    )  # fmt: skip
    rows = sketch_train.spread(model, kinds, 0)
    z = model.encode_events(rows)[0]
    own, other = model.log_prob_given(rows, z), model.log_prob_given(rows, np.roll(z, 1, axis=0))
    assert np.mean([a[0] for a in own]) > np.mean([b[0] for b in other]) + 1.0


def test_between_two_latents_lies_their_great_circle():
    a, b = RNG.normal(size=8), RNG.normal(size=8)
    way = sketch.between(a, b, 5)
    np.testing.assert_allclose(way[[0, -1]], [a, b])
    lengths = np.linalg.norm(way, axis=1)
    np.testing.assert_allclose(lengths, np.linspace(lengths[0], lengths[-1], 5))
    angles = [np.arccos(np.clip(p @ q / (np.linalg.norm(p) * np.linalg.norm(q)), -1, 1)) for p, q in zip(way, way[1:])]  # noqa: B905, RUF007
    np.testing.assert_allclose(angles, angles[0])
    np.testing.assert_allclose(sketch.between(a, 2 * a, 3)[1], 1.5 * a)


# ---- drawing -------------------------------------------------------------------------------------------------------------


def test_drawings_end_or_say_that_they_did_not_and_a_seed_repeats_them(free):
    made, ended = sketch.draw(free, 20, most=30, seed=3)
    again, _ = sketch.draw(free, 20, most=30, seed=3)
    assert ended.any() and not ended.all()
    for one, other, end in zip(made, again, ended, strict=True):
        np.testing.assert_array_equal(one, other)
        assert len(one) < 30 if end else len(one) == 30
        assert not len(one) or one[-1, 2] == 1.0


def test_completions_begin_with_what_was_begun(free, told):
    begun = DRAWINGS[0][:7]
    for model in (free, told):
        made, _ = sketch.complete(model, begun, 4, most=20, seed=0)
        assert len({one.tobytes() for one in made}) > 1
        for one in made:
            np.testing.assert_array_equal(one[:7], begun)


def test_a_latent_draws_and_is_drawn_between(told):
    made, _ = sketch.draw(told, 3, most=20, seed=0)
    z = np.random.default_rng([0, 1]).standard_normal((3, 4))
    same, _ = sketch.draw(told, 3, z=z, most=20, seed=0)
    np.testing.assert_array_equal(np.concatenate(made), np.concatenate(same))
    assert len(sketch.interpolate(told, DRAWINGS[0], DRAWINGS[1], 4, most=20)) == 4


def test_classes_are_told(tmp_path):
    labels = ["cat", "dog"] * 12
    model = sketch_train.train(
        DRAWINGS, DRAWINGS[:4], labels=(labels, labels[:4]), epochs=1, units=(6,), components=2
    )  # fmt: skip
    assert model.classes == ["cat", "dog"]
    sketch.save(model, tmp_path / "c.keras")
    model = sketch.load(tmp_path / "c.keras")
    assert len(sketch.draw(model, 2, label="dog", most=10, seed=0)[0]) == 2
    for label, came in (("cow", "'cow'"), (None, "none")):
        with pytest.raises(
            ValueError, match=rf"must be one of the model's 2 \(cat, dog\), but {came} came: name it by --class"
        ):
            sketch.draw(model, 2, label=label)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cat", "cat", "cat"), "at least two named classes, but there is 1 of them"),
        (("cat dog", "cat", ""), "there are 2 of them, and drawings without a class"),
        (("cat dog", "cat", "owl"), "'owl' is a class of the drawings set aside only"),
    ],
)
def test_classes_that_cannot_be_told_are_named_before_training(words, message):
    """Of the part "test", too: a drawing without a class there was noticed after hours of training."""
    parts = dict(zip(("train", "valid", "test"), (one.split() or [""] for one in words), strict=True))
    drawn = {name: Drawings(DRAWINGS[: len(part)], words=np.array(part)) for name, part in parts.items()}
    with pytest.raises(ValueError, match=message):
        sketch_train.check_classes(drawn)


def test_a_model_without_classes_or_without_a_latent_refuses_what_it_cannot_use(free, told):
    """Each was ignored in silence: the cats that were asked for were drawings of anything."""
    for draws in (
        lambda **how: sketch.draw(free, 2, **how),
        lambda **how: sketch.complete(free, DRAWINGS[0], **how),
        lambda **how: sketch.interpolate(told, DRAWINGS[0], DRAWINGS[1], 2, **how),
    ):
        with pytest.raises(ValueError, match="has learnt no classes, but the class 'cat' came: leave it out"):
            draws(label="cat", seed=0)
    with pytest.raises(
        ValueError, match=r"no latent to encode into: train one with a latent \(`mdn train sketch --latent 64`"
    ):
        sketch.draw(free, 2, z=np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"no latent that could stray from the drawing, but a freedom of 0\.5 came"):
        sketch.complete(free, DRAWINGS[0], freedom=0.5)


def test_bad_latents_and_files_are_named(free, told, tmp_path):
    with pytest.raises(ValueError, match=r"4 numbers, 2 of them a shape of \(2, 4\), but \(2, 3\) came"):
        sketch.draw(told, 2, z=np.zeros((2, 3)))
    for begin in (lambda one: sketch.complete(free, one), lambda one: told.encode([one])):
        with pytest.raises(ValueError, match=r"those the network learnt from 20: the drawing is in another unit"):
            begin(DRAWINGS[0] * [100.0, 100.0, 1.0])
    with pytest.raises(ValueError, match="has no latent to encode into"):
        free.encode(DRAWINGS)
    events = [data.events(DRAWINGS[0], 20.0)]
    with pytest.raises(ValueError, match=r"`given` must be 0 for a model with a latent.* but 3 came"):
        told.nll(events, given=3)
    with pytest.raises(ValueError, match="a context came, but this model was made with context_size=0"):
        told.nll(events, context=[np.zeros((2, 1))])
    with pytest.raises(ValueError, match="use encode_events"):
        told.encode([data.events(DRAWINGS[0], 20.0)])
    with pytest.raises(ValueError, match=r"`z` must have shape \(1, 4\), but \(1, 3\) came"):
        told.log_prob_given([data.events(DRAWINGS[0], 20.0)], np.zeros((1, 3)))
    mdn.MDNRNN(mdn.NormalSpec(1), units=4).save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="holds no network that draws"):
        sketch.load(tmp_path / "other.keras")
    with pytest.raises(
        FileNotFoundError, match=r"`mdn train sketch --out .*kanji, quickdraw and quickdraw34 come with mdn"
    ):
        sketch.load(tmp_path / "none.keras")


def test_a_file_needs_no_imports_and_gives_the_same_network(told, tmp_path):
    sketch.save(told, tmp_path / "s.keras")
    np.save(tmp_path / "z.npy", told.encode(DRAWINGS[:2])[0])
    code = (
        "import sys, mdn, numpy as np\n"
        "model = mdn.load('s.keras')\n"
        "from mdn.data import read_drawings\n"
        "found = model.encode(list(read_drawings('d.npz')))[0]\n"
        "np.testing.assert_allclose(found, np.load('z.npy'), atol=1e-5)\n"
        "print(type(model).__name__, model.scale)"
    )
    write_drawings(tmp_path / "d.npz", DRAWINGS[:2])
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert ran.stdout.strip() == "SketchRNN 20.0", ran.stderr


# ---- figures -------------------------------------------------------------------------------------------------------------


def test_the_floor_is_that_of_a_mixture_that_knows_the_pen():
    """Offsets of two normals, one after each state of the pen: the floor is their entropy, and that of the pens."""
    rng = np.random.default_rng(0)

    def one():
        lifts = (rng.random(30) < 0.3).astype("float64")
        lifts[-1] = 1.0
        before = np.concatenate([[0.0], lifts[:-1]])
        offsets = rng.normal(0, np.where(before > 0, 3.0, 1.0)[:, None], (30, 2)) + 5 * before[:, None]
        return np.column_stack([offsets, lifts])

    learn, test = [one() for _ in range(150)], [one() for _ in range(150)]
    rows = np.concatenate(test)
    before = np.concatenate([np.concatenate([[0.0], part[:-1, 2]]) for part in test])
    sizes = np.where(before > 0, 3.0, 1.0)
    density = (
        np.sum(-0.5 * ((rows[:, :2] - 5 * before[:, None]) / sizes[:, None]) ** 2, 1)
        - 2 * np.log(sizes)
        - np.log(2 * np.pi)
    )
    pens = np.concatenate([np.concatenate([part[:, 2], [2]]) for part in test])
    states = np.concatenate([np.concatenate([[0.0], part[:, 2]]) for part in test])
    shares = np.array([[np.mean(pens[states == s] == pen) for pen in range(3)] for s in range(2)])
    expected = (-density.sum() - np.log(shares[states.astype(int), pens.astype(int)]).sum()) / len(pens)
    found = sketch_train.floor(learn, test, scale=1.0, grid=0.0, components=2)
    assert abs(found - expected) < 0.05


def test_copies_are_found_and_likeness_is_measured():
    known = [drawing(i, 4, 8) for i in range(30)]
    real = [drawing(100 + i, 4, 8) for i in range(30)]
    found = sketch_train.copies(known[:10] + real[:10], known, real)
    assert found["share"] >= 0.5 and found["threshold"] > 0.0
    assert sketch_train.likeness(known, known) == {"strokes": 0.0, "points": 0.0}
    assert sketch_train.likeness(known, [drawing(i, 2, 3) for i in range(5)])["strokes"] == 1.0


def test_figures_take_what_the_network_draws_for_no_drawing_of_anyones(told, free, monkeypatch):
    """Fault 14b of issue 18: the check that a drawing is in the unit of the data set fired on the model's own redrawing, and on
    a drawing of the test part that is far smaller than the rest, after twelve minutes of training."""
    drawn = [DRAWINGS[0] * [1e-3, 1e-3, 1.0], DRAWINGS[1] * [1e2, 1e2, 1.0], np.empty((0, 3)), DRAWINGS[3]]
    test = [*DRAWINGS[:3], DRAWINGS[3] * [0.01, 0.01, 1.0]]
    with pytest.raises(ValueError, match="the drawing is in another unit"):
        told.encode(drawn[:1])
    monkeypatch.setattr(sketch_train, "draw", lambda *_, **__: (drawn, np.zeros(4, bool)))
    monkeypatch.setattr(sketch_train, "floor", lambda *_, **__: 1.0)
    monkeypatch.setattr(SketchRNN, "elbo", lambda *_, **__: (0.5, 0.25))
    monkeypatch.setattr(SketchRNN, "log_prob", lambda self, rows, *_: [np.zeros(len(row)) for row in rows])
    found = sketch_train.judge(told, Drawings(DRAWINGS), Drawings(test))
    assert found["bound on test NLL"] == 0.75 and 0.0 <= found["found again"] <= 1.0
    found = sketch_train.judge(free, Drawings(DRAWINGS), Drawings(test))
    assert found["ends by itself"] == 0.0 and not any("KS" in name for name in found), "none ended: none to compare"
    assert np.isfinite(list(found.values())).all()


def test_networks_that_are_told_classes_stand_beside_their_floor(monkeypatch):
    """Fault 14d of issue 18: there was no floor to lose to; with a latent, what was called the NLL was below its bound."""
    monkeypatch.setattr(sketch_train, "floor", lambda *_, **__: 1.0)
    asked = Drawings(DRAWINGS[:3], np.array(["dog", "cat", "dog"]))
    model = SimpleNamespace(
        classes=["cat", "dog"], latent_size=0, scale=20.0, grid=1.0,
        nll=lambda rows, told: 10.0 * len(rows) + told[0][0],
        elbo=lambda rows, condition, seed: (len(rows), 0.5 + condition[1][0]),
    )  # fmt: skip
    assert sketch_train.judge(model, asked, asked) == {"test NLL": 31.0, "test NLL, memoryless": 1.0}
    model.latent_size = 4
    assert sketch_train.judge(model, asked, asked) == {"bound on test NLL": 3.5, "test NLL, memoryless": 1.0}


def test_a_sheet_of_samples_that_cannot_be_drawn_does_not_end_training(free, tmp_path, monkeypatch, capsys):
    """Fault 14b of issue 18: whatever is drawn beside the training must not end it."""

    def refuse(*_, **__):
        raise ValueError("no sheet.")

    monkeypatch.setattr(sketch, "draw", refuse)
    callback = sketch_commands._samples(tmp_path / "m.keras", 2)
    callback.set_model(free)
    callback.on_epoch_end(0)
    callback.on_epoch_end(1)
    assert capsys.readouterr().err.count("without sheets of samples: no sheet.") == 1


def test_a_map_moves_all_points_as_little_as_possible():
    points = np.stack(np.meshgrid(np.arange(4.0), np.arange(3.0)), axis=-1).reshape(-1, 2)
    order = np.random.default_rng(0).permutation(12)
    np.testing.assert_array_equal(latent.on_grid(points[order], 4), order)
    z = RNG.normal(size=(50, 6)) * [9, 5, 1, 1, 1, 1]
    found = latent.plane(z)
    np.testing.assert_allclose(np.abs(np.corrcoef(found[:, 0], z[:, 0])[0, 1]), 1.0, atol=0.05)


# ---- commands ------------------------------------------------------------------------------------------------------------


def environment():
    return os.environ | {"PYTHONPATH": str(Path(mdn.__file__).parent.parent), "COLUMNS": "200"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a command in an empty folder, in this process: what is imported and compiled need not be again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(training, "keep_compiled_programs", lambda: None)
    return lambda *arguments: CliRunner().invoke(mdn_cli.app, [str(each) for each in arguments])


@pytest.mark.parametrize(("count", "aside"), [(20, 4), (50, 10), (80, 10), (99, 11), (100, 10), (300, 30)])
def test_of_few_drawings_more_are_set_aside_so_that_five_do_not_judge(count, aside):
    parts = data.split(Drawings([drawing(i) for i in range(count)]))
    assert {name: len(part) for name, part in parts.items()} == {
        "train": count - 2 * aside,
        "valid": aside,
        "test": aside,
    }


def _with_parts(*parts):
    return Drawings([drawing(i) for i in range(len(parts))], parts=parts)


def test_parts_that_a_file_names_stay_and_only_the_missing_one_is_dealt_out_of_train():
    """With train and test alone, all drawings were dealt anew, so that the network learnt from those of the test."""
    named = _with_parts(*["test"] * 7, *["train"] * 40)
    parts = data.split(named)
    assert {name: len(part) for name, part in parts.items()} == {"train": 32, "valid": 8, "test": 7}
    for one, other in zip(parts["test"], named[:7], strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(data.split(_with_parts(*["train"] * 40, "valid"))["valid"]) == 1
    for names, message in (
        (["train"] * 30 + ["Test"], "have the part 'Test', but parts are called train, valid and test"),
        (["training"] * 30, "have the part 'training', but"),
        (["test"] * 30, "none has the part train"),
        (["train"] * 3 + ["test"], "at least 20 drawings are needed"),
    ):
        with pytest.raises(ValueError, match=message):
            data.split(_with_parts(*names))


def test_drawings_without_a_part_beside_others_are_counted(tmp_path):
    write_drawings(tmp_path / "d.ndjson", _with_parts("train", "valid", "test", "", ""))
    (sentence,) = data.read(tmp_path / "d.ndjson").skipped
    assert "d.ndjson: 2 of 5 drawings have no part and are not learnt from, since others have one." in sentence


def test_the_settings_follow_the_number_of_drawings_unless_they_are_named(monkeypatch):
    """Forty epochs of one step each, of a network of 1.2 million weights: fifty drawings taught it less than their floor knew."""
    seen = {}
    monkeypatch.setattr(sketch_train, "train", lambda *_, **how: seen.update(how))
    few, many = ({"train": Drawings([drawing()] * count), "valid": Drawings([drawing()])} for count in (40, 1000))
    sketch_train.train_on_parts(few, epochs=None, seed=3)
    assert seen.items() >= {**settings_for(40), "seed": 3}.items()
    sketch_train.train_on_parts(many, units=(8,))
    assert seen.items() >= {**settings_for(1000), "units": (8,)}.items()
    assert settings_for(40)["units"] < settings_for(1000)["units"] and not settings_for(40)["latent_size"]


def test_a_few_drawings_teach_more_than_their_floor_knows():
    """With the chosen settings; the same drawings, judged by others of their kind, were worse than the floor before."""

    def kind(seed):
        rng = np.random.default_rng(seed)
        size, strokes = rng.uniform(20, 40), []
        for turn in range(2 + seed % 2):
            angle = np.linspace(0, 2 * np.pi, 9) + turn
            strokes.append(
                np.column_stack([np.cos(angle), np.sin(angle)]) * size + rng.normal(0, 1, (9, 2)) + [60 * turn, 0]
            )
        return from_lines(strokes)

    parts = data.split(Drawings([kind(i) for i in range(40)]))
    model = sketch_train.train_on_parts(parts, epochs=15, seed=0)
    judge = [kind(1000 + i) for i in range(40)]
    floor = sketch_train.floor(list(parts["train"]), judge, model.scale, model.grid)
    assert model.nll(sketch_train.spread(model, judge, 1)) < floor - 0.5


def test_copies_are_looked_for_among_the_drawings_that_a_model_of_ones_own_learnt_from(free, tmp_path, run):
    """They could be shown for the models that come with mdn only."""
    made, _ = sketch.draw(free, 3, most=30, component_temperature=0.8, variance_temperature=0.7, seed=0)
    known = [*DRAWINGS[:2], as_drawing(made[1])]
    write_drawings(tmp_path / "mine.npz", Drawings(known))
    sketch.save(free, tmp_path / "m.keras")
    asked = ("generate", "sketch", "--model", "m.keras", "--count", 3, "--copies")
    ran = run(*asked)
    assert ran.exit_code == 2 and "that 'm.keras' was learnt from: name them" in ran.stderr and "--data" in ran.stderr
    ran = run(*asked, "--data", "mine.npz", "--out", "pairs.npz")
    assert ran.exit_code == 0, ran.stderr
    pairs = list(read_drawings(tmp_path / "pairs.npz"))
    assert len(pairs) == 6
    for nearest in pairs[1::2]:
        assert any(np.array_equal(nearest, one) for one in known)
    np.testing.assert_array_equal(pairs[3], known[2])  # a drawing is the nearest one to itself
    dealt = Drawings(known, np.array(["a", "a", "a"]), np.array(["train", "train", "test"]))
    write_drawings(tmp_path / "dealt.npz", dealt)
    assert run(*asked, "--data", "dealt.npz", "--out", "pairs.npz").exit_code == 0
    assert not np.array_equal(
        list(read_drawings(tmp_path / "pairs.npz"))[3], known[2]
    )  # no network learnt the part "test"


def test_a_count_of_one_is_no_plural(free, tmp_path, run):
    sketch.save(free, tmp_path / "m.keras")
    ran = run("generate", "sketch", "--model", "m.keras", "--count", 1)
    assert ran.exit_code == 0 and ran.stdout.startswith("1 drawing, "), ran.output
    assert "ended by itself: sketch.svg" in ran.stdout


def test_the_commands_train_draw_complete_and_lay_out(tmp_path, run):
    drawings = Drawings([drawing(i, 2 + i % 3) for i in range(40)])
    write_drawings(tmp_path / "mine.ndjson", drawings)
    ran = run(
        "train",
        "sketch",
        "--data",
        "mine.ndjson",
        "--latent",
        4,
        "--units",
        8,
        "--epochs",
        1,
        "--out",
        "m.keras",
    )
    assert ran.exit_code == 0, ran.stderr
    assert "24 drawings to learn from, 8 to choose the epoch by, 8 to judge by" in ran.stdout
    assert "found again" in ran.stdout
    assert "1 layer of 8 units, a latent, 1 epoch at most." in ran.stdout
    assert (tmp_path / "m.json").is_file() and (tmp_path / "m.samples.svg").is_file()
    ran = run("generate", "sketch", "--model", "m.keras", "--count", 3, "--out", "s.svg")
    assert ran.exit_code == 0 and "3 drawings, " in ran.stdout, ran.stderr
    ran = run("complete", "mine.ndjson", "--model", "m.keras", "--count", 2, "--freedom", 0.5, "--out", "c.npz")
    assert ran.exit_code == 0, ran.stderr
    whole, *made = read_drawings(tmp_path / "c.npz")
    for one in made:
        np.testing.assert_allclose(one[: len(whole) // 2], whole[: len(whole) // 2], atol=1e-3)
    ran = run("interpolate", "mine.ndjson:0", "mine.ndjson:-1", "--model", "m.keras", "--count", 3)
    assert ran.exit_code == 0 and (tmp_path / "way.svg").is_file(), ran.stderr
    ran = run("latent", "mine.ndjson", "--model", "m.keras", "--count", 9)
    assert ran.exit_code == 0 and (tmp_path / "latent.png").is_file(), ran.stderr
    ran = run("complete", "mine.ndjson", "--model", "m.keras", "--which", 99)
    assert (
        ran.exit_code == 2 and "'mine.ndjson' has 40 drawings to choose from, counted from 0, but 99 came" in ran.stderr
    )
