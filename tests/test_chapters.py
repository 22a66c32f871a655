"""Every chapter that learns from files has the shape of a `Chapter`: from its data to a picture of what its model makes."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

from mdn.applications import chapter as chapters
from mdn.applications.chapter import CHAPTERS, chapter
from mdn.data import Handwriting, from_lines, write_drawings, write_handwriting
from mdn.data.splits import dealt
from mdn.sequences import processes

pytestmark = pytest.mark.jax

RNG = np.random.default_rng(0)


def ecg(folder):
    np.savez(folder / "mine.npz", **{f"r{i}": RNG.integers(-50, 50, 3600) for i in range(4)})
    return {"read": {}, "train": {"units": (4,), "components": 2}}


def handwriting(folder):
    lines = [from_lines([np.cumsum(RNG.normal(size=(30, 2)), axis=0)]) for _ in range(36)]
    texts = np.array([f"{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(36)])
    write_handwriting(folder / "mine.npz", Handwriting(tuple(lines), texts))
    return {"read": {}, "train": {"units": (4,), "components": 2, "rehearsals": 0}}


def instrument(folder):
    arrays = np.empty(12, object)
    arrays[:] = [RNG.integers(0, 128, (6, 3)) / 128 for _ in range(12)]
    np.savez(folder / "mine.npz", perfs=arrays)
    return {"read": {}, "train": {"units": (4,), "components": 2}}


def jam(folder):
    arrays = np.empty(12, object)
    arrays[:] = [RNG.uniform(0.1, 0.9, (6, 3)) for _ in range(12)]
    np.savez(folder / "mine.npz", arrays)
    return {"read": {}, "train": {"units": (4,), "components": 2}}


def robot(folder):
    position = RNG.normal(size=(6, 20, 2)).cumsum(axis=1)
    np.savez(folder / "mine.npz", position=position, letter=np.array(["D"] * 3 + ["H"] * 3))
    return {"read": {"letters": "DH"}, "train": {}}


def series(folder):
    np.savez(folder / "mine.npz", *(RNG.normal(size=(60, 2)).cumsum(axis=0) for _ in range(2)))
    return {"read": {}, "train": {"units": (4,), "components": 2}}


def sketch(folder):
    drawings = [np.append(RNG.normal(size=(4, 2)), [[0], [0], [0], [1]], 1) for _ in range(30)]
    write_drawings(folder / "mine.npz", drawings)
    return {"read": {}, "train": {"units": (4,), "components": 2}}


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_goes_from_its_data_to_a_picture(name, tmp_path):
    """Read, split, train, save, load, generate, draw: the same model from its file, the same items by one seed."""
    settings = globals()[name](tmp_path)
    one = chapter(name)
    parts = one.split(one.read(tmp_path / "mine.npz", **settings["read"]), 0)
    assert list(parts) == ["train", "valid", "test"] and all(map(len, parts.values()))
    again = one.split(one.read(tmp_path / "mine.npz", **settings["read"]), 0)
    assert [len(part) for part in again.values()] == [len(part) for part in parts.values()]
    epochs = []
    heard = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    model = one.train(parts, epochs=1, seed=0, callbacks=[heard], checkpoint=tmp_path / "kept", **settings["train"])
    assert epochs == [0] and any((tmp_path / "kept").rglob("checkpoint.npz"))
    one.save(model, tmp_path / "m.keras")
    loaded = one.load(tmp_path / "m.keras")
    made, same, other = (list(one.generate(each, 2, seed)) for each, seed in ((model, 0), (loaded, 0), (loaded, 1)))
    assert len(made) == len(same) == 2
    for first, second in zip(made, same, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-5)
    assert not all(np.array_equal(first, second) for first, second in zip(made, other, strict=True))
    for suffix in (".svg", ".png"):
        one.draw(tmp_path / f"picture{suffix}", made)
        assert (tmp_path / f"picture{suffix}").stat().st_size > 500
    with pytest.raises(ValueError, match=r"m\.keras"):
        chapter("sketch" if name != "sketch" else "jam").load(tmp_path / "m.keras")
    with pytest.raises(FileNotFoundError):
        one.load(tmp_path / "none.keras")
    assert one.floors and all(floors for floors in one.floors.values())


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_learns_in_other_processes_what_it_learns_here(name, tmp_path, monkeypatch):
    """The training is packed and unpacked as for two processes, but runs here: the start of a process takes seconds."""
    counts, told = [], []

    def here(function, arguments, count, *, on_told):
        counts.append(count)
        try:
            return function(*arguments(0), tell=on_told)
        finally:
            keras.distribution.set_distribution(None)

    monkeypatch.setattr(processes, "run_together", here)
    settings = globals()[name](tmp_path)
    one = chapter(name)
    parts = one.split(one.read(tmp_path / "mine.npz", **settings["read"]), 0)
    heard = SimpleNamespace(on_epoch_end=lambda epoch, logs: told.append(epoch))
    alone = one.train(parts, epochs=2, seed=0, **settings["train"])
    together = one.train(parts, epochs=2, seed=0, callbacks=[heard], processes=2, **settings["train"])
    assert counts == [2] and told == [0, 1]
    here, there = (getattr(each, "model", each).get_weights() for each in (alone, together))
    for first, second in zip(here, there, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-5)


def test_the_bar_of_a_training_elsewhere_is_no_callback_of_keras_and_begins_anew_with_a_second_part():
    from rich.console import Console

    from mdn_commands.bars import epochs_bar

    with epochs_bar(Console(quiet=True), 6, here=False) as bar:
        assert not isinstance(bar, keras.callbacks.Callback)
        seen = [(bar.on_epoch_end(epoch, {"val_nll": 1.0}), bar.seen)[1] for epoch in (0, 1, 0, 3)]
    assert seen == [1, 2, 1, 4]


def test_every_chapter_with_a_command_that_trains_is_held_to_this():
    from typer.main import get_command

    import mdn_cli

    trains = get_command(mdn_cli.app).commands["train"].commands
    assert set(trains) - {"kanji", "world"} == set(CHAPTERS), "kanji is sketch's, world has stages"
    together = {name for name, command in trains.items() if any(each.name == "processes" for each in command.params)}
    assert together == set(trains) - {"world"}
    assert chapters.__doc__


def test_items_are_dealt_to_three_parts_that_share_none_and_leave_out_none():
    rows = dealt(47, 3, "lines", fewest=10)
    assert {name: len(each) for name, each in rows.items()} == {"valid": 4, "test": 4, "train": 39}
    np.testing.assert_array_equal(np.sort(np.concatenate(list(rows.values()))), np.arange(47))
    for one, again in zip(rows.values(), dealt(47, 3, "lines", fewest=10).values(), strict=True):
        np.testing.assert_array_equal(one, again)
    assert [len(each) for each in dealt(3, 0, "records", fewest=3, share=6).values()] == [1, 1, 1]
    with pytest.raises(ValueError, match=r"at least 10 lines are needed, .* there are 9"):
        dealt(9, 0, "lines", fewest=10)
