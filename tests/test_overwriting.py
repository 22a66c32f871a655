"""No command writes over what it reads, nor over a file that nobody named and mdn has not written."""

import json
from pathlib import Path

import pytest

import mdn
from commands import run_here
from mdn import page
from mdn_commands import overwriting

pytestmark = pytest.mark.project
TRAIN = ("jam", "instrument", "kanji", "sketch", "ecg", "robot", "series", "handwriting")

# arguments of a command, and the file that it would overwrite; where there are two files, that of the first name
OVER_ITS_INPUT = [
    ("train handwriting --data mine.json --from handwriting --epochs 1 --out mine.keras", "mine.json"),
    ("train handwriting --data hershey --from first.keras --out first.keras", "first.keras"),
    ("train handwriting --data m.keras.training/mine.json --out m.keras", "m.keras.training/mine.json"),
    ("train series run.json --out run.keras", "run.json"),
    ("train robot --data x.json --out x.keras", "x.json"),
    ("train ecg --data x.json --out x.keras", "x.json"),
    ("train jam --split x.json --out x.keras", "x.json"),
    ("train instrument --split x.json --out x.keras", "x.json"),
    ("train instrument x.html --out x.keras", "x.html"),
    ("train instrument --from x.keras --out x.keras", "x.keras"),
    ("train sketch --split x.json --out x.keras", "x.json"),
    ("train sketch --data x.samples.svg --out x.keras", "x.samples.svg"),
    ("train kanji --data x.samples.svg --out x.keras", "x.samples.svg"),
    ("fit in.csv --target y --out in.csv", "in.csv"),
    ("fit in.html --target y --out in.mdn", "in.html"),
    ("fit *.csv --target y --out in.csv", "in.csv"),
    ("predict m.mdn in.csv --out in.csv", "in.csv"),
    ("predict m.mdn *.csv --out in.csv", "in.csv"),
    ("predict m.mdn folder --out folder/in.csv", "folder/in.csv"),
    ("report m.mdn in.html --out in.html", "in.html"),
    ("doctor m.mdn in.html --out in.html", "in.html"),
    ("forecast run.keras in.csv --out in.csv", "in.csv"),
    ("forecast run.keras in.svg --out in.csv", "in.svg"),
    ("surprise run.keras in.csv --out in.csv", "in.csv"),
    ("show mynote.svg --out mynote.svg", "mynote.svg"),
    ("show folder --out folder/mynote.svg", "folder/mynote.svg"),
    ("complete mynote.svg --out mynote.svg", "mynote.svg"),
    ("interpolate mynote.svg:3 quickdraw:1 --out mynote.svg", "mynote.svg"),
    ("interpolate quickdraw mynote.svg:-1 --out mynote.svg", "mynote.svg"),
    ("latent mynote.svg --out mynote.svg", "mynote.svg"),
    ("write --file note.svg --out note.svg", "note.svg"),
    ("write hello --after note.svg:-1 --out note.svg", "note.svg"),
    ("write hello --model note.svg --out note.svg", "note.svg"),
    ("generate sketch --copies --data x.npz --out x.npz", "x.npz"),
    ("generate kanji --copies --data x.npz --out x.npz", "x.npz"),
    ("generate ecg --data x.npz --after a:1 --out x.npz", "x.npz"),
    ("generate jam --call x.mid --out x.mid", "x.mid"),
    ("generate jam --beside x.svg --out x.svg", "x.svg"),
    ("generate instrument --beside x.npz --out x.npz", "x.npz"),
    ("generate instrument --model x.npz --out x.npz", "x.npz"),
    ("generate series x.npz --out x.npz", "x.npz"),
    ("generate robot --model x.svg --out x.svg", "x.svg"),
    ("export x.onnx --out x.onnx", "x.onnx"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "over"), OVER_ITS_INPUT)
def test_no_command_overwrites_what_it_reads(asked, over, tmp_path):
    """`mdn train handwriting --data mine.json --out mine.keras` replaced the ink that it had learnt from by its provenance."""
    (tmp_path / over).parent.mkdir(exist_ok=True)
    (tmp_path / over).write_text("mine")
    ran = run_here(tmp_path, *asked.split())
    said = " ".join(ran.stderr.split())
    assert ran.exit_code == 2 and "would be overwritten" in said and "name another --out." in said, said
    assert over.removesuffix("/mine.json") in said
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [tmp_path / over]
    assert (tmp_path / over).read_text() == "mine"


def test_another_name_of_the_same_file_is_the_same_file(tmp_path):
    (tmp_path / "in.csv").write_text("mine")
    (tmp_path / "link.csv").symlink_to("in.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "in.csv")
    for name in ("link.csv", "hard.csv", "./in.csv"):
        with pytest.raises(ValueError, match="would be overwritten, but the command reads it"):
            overwriting.check_inputs([tmp_path / name], [tmp_path / "in.csv"])
    overwriting.check_inputs(
        [tmp_path / "out.csv"], [tmp_path / "in.csv", tmp_path / "nothing.csv", None, "", "quickdraw:3"]
    )


def test_patterns_are_not_looked_for_where_nothing_stands_at_out(tmp_path, monkeypatch):
    monkeypatch.setattr(overwriting.glob, "glob", None)
    overwriting.check_inputs([tmp_path / "new.csv"], ["/**/*.csv"])


def test_what_no_reader_of_folders_reads_may_lie_in_a_folder_of_data(tmp_path):
    for name in ("m.keras", "m.json", "a.png"):
        (tmp_path / name).write_text("")
        overwriting.check_inputs([tmp_path / name], [tmp_path])


@pytest.mark.parametrize(
    ("asked", "name", "content"),
    [
        ("train handwriting --data hershey --out m.keras", "m.json", '[{"text": "a", "strokes": []}]'),
        ("train series other.csv --out m.keras", "m.json", '{"time": [0, 1], "mdn": [2, 3]}'),
        ("train robot --out m.keras", "m.json", "not json"),
        ("train ecg --out m.keras", "m.json", "[" * 100_000),
        ("train instrument --out m.keras", "m.html", "<html>my page"),
        ("fit other.csv --target y --out m.mdn", "m.html", "<html>my page"),
        ("forecast run.keras other.csv --out m.csv", "m.svg", "<svg>my drawing</svg>"),
        ("surprise run.keras other.csv --out m.csv", "m.svg", "<svg>my drawing</svg>"),
    ],
)
def test_a_file_of_the_users_beside_out_stays(asked, name, content, tmp_path):
    (tmp_path / name).write_text(content)
    ran = run_here(tmp_path, *asked.split())
    said = " ".join(ran.stderr.split())
    assert ran.exit_code == 2 and f"'{name}' would be overwritten, but mdn has not written it" in said, said
    assert (tmp_path / name).read_text() == content and list(tmp_path.iterdir()) == [tmp_path / name]


def test_what_mdn_wrote_beside_out_is_replaced(tmp_path):
    """The provenance of an earlier version, a page and a picture."""
    shipped = sorted((Path(mdn.__file__).parent / "applications").rglob("*.json"))
    assert len(shipped) >= 9
    for path in shipped:
        overwriting.check_ours(path)
    page.Page("a title").write(tmp_path / "m.html", "a footer")
    page.write_figure(tmp_path / "m.svg", page.figure(), 100)
    (tmp_path / "m.json").write_text(json.dumps({"seed": 3, "mdn": mdn.__version__}))
    for name in ("m.html", "m.svg", "m.json", "none.json"):
        overwriting.check_ours(tmp_path / name)


@pytest.mark.parametrize("command", TRAIN)
@pytest.mark.parametrize("name", ["robotmodel", "run.csv", "ro.h5"])
def test_a_name_that_no_model_can_have_is_refused_before_the_training(command, name, tmp_path):
    """Keras refused it after the training, or wrote a file that no command reads."""
    ran = run_here(tmp_path, "train", command, *(["a.csv"] if command == "series" else []), "--out", name)
    assert ran.exit_code == 2 and f"--out ends in .keras, but '{name}' came." in ran.stderr
    assert not list(tmp_path.iterdir())


def test_the_folder_of_a_world_is_no_file(tmp_path):
    (tmp_path / "world.keras").write_text("mine")
    ran = run_here(tmp_path, "train", "world", "--env", "CartPole-v1", "--out", "world.keras")
    assert ran.exit_code == 2 and "--out names the folder of an experiment, but 'world.keras' is a file." in ran.stderr
