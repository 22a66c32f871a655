"""Options that came and would have no effect: refused in a sentence, never ignored in silence."""

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from commands import run_here
from mdn.wording import agreed, counted
from mdn_commands.given import came, not_with, only_with, remembered

pytestmark = pytest.mark.project


# ---- which options came --------------------------------------------------------------------------------------------------


def asked(*arguments):
    """Which of its options a command says that came."""
    app, found = typer.Typer(), []

    @app.command()
    def one(text: str = typer.Argument(""), which: int = -1, loud: bool = typer.Option(False, "--loud/--quiet")):
        found.extend(option for option in ("--which", "--loud", "--quiet", "TEXT", "--other") if came(option))

    remembered(app)
    assert CliRunner().invoke(app, list(arguments)).exit_code == 0
    return found


def test_an_option_came_if_the_user_wrote_it_even_if_that_is_its_default():
    assert asked() == [] and not came("--which"), "and none outside of a command"
    assert asked("--which", "-1") == ["--which"]
    assert asked("--quiet") == ["--loud", "--quiet"]
    assert asked("words", "--which", "2") == ["--which", "TEXT"]


def test_the_sentences_name_the_options_and_what_to_do(capsys):
    app = typer.Typer()

    @app.command()
    def one(which: int = -1, count: int = 3, call: str = "", out: str = "x.svg"):
        only_with(call, "--call", "--which")
        not_with(out.endswith(".mid"), "a .mid, which holds one performance", "--count", "--which")

    remembered(app)
    ran = CliRunner().invoke(app, ["--which", "2"])
    assert ran.exit_code == 2
    assert ran.stderr == "mdn: --which has an effect only with --call: add that, or leave --which out.\n"
    ran = CliRunner().invoke(app, ["--which", "2", "--count", "3", "--call", "a", "--out", "x.mid"])
    assert ran.exit_code == 2 and "--count and --which have no effect with a .mid, which holds" in ran.stderr
    assert CliRunner().invoke(app, ["--which", "2", "--call", "a"]).exit_code == 0
    assert CliRunner().invoke(app, ["--out", "x.mid"]).exit_code == 0


# ---- every command that had such options ---------------------------------------------------------------------------------

USELESS = {
    "which of no call": (("generate", "jam", "--which", 2), "--which has an effect only with --call"),
    "several in a .mid": (("generate", "jam", "--out", "x.mid", "--count", 3), "--count has no effect with a .mid"),
    "real ones in a .mid": (("generate", "jam", "--out", "x.mid", "--beside", "x.npz"), "--beside has no effect"),
    "ports of midi": (("jam", "--osc", "--midi-in", "a"), "--midi-in has an effect only with --midi:"),
    "an address of osc": (("jam", "--midi", "--to", "a:1", "--port", 1), "--port and --to have an effect only with --osc"),
    "several notes": (("generate", "instrument", "--out", "x.mid", "--count", 3), "--count has no effect with a .mid"),
    "a data set beside": (
        ("generate", "instrument", "--out", "x.npz", "--beside", "x.npz"), "--beside has an effect only with a picture"
    ),
    "hearts": (("generate", "ecg", "--data", "x.npz"), "--data has an effect only with --after"),
    "width of a page": (("write", "a", "--page", "a4", "--width", 9), "--width has no effect with --page"),
    "two texts": (("write", "a", "--file", "a.txt"), "TEXT has no effect with --file"),
    "fonts": (("train", "handwriting", "--lines", 40), "--lines has an effect only with --data hershey"),
    "a moving file": (("show", "x.npz", "--out", "x.ndjson", "--animate"), "--animate has an effect only with an .svg"),
    "a moving png": (("generate", "sketch", "--out", "x.png", "--animate"), "--animate has an effect only with an .svg"),
    "moving paper": (("generate", "kanji", "--animate", "--paper", "a4"), "--paper has no effect with --animate"),
    "columns of a file": (("generate", "sketch", "--out", "x.npz", "--columns", 3), "--columns has an effect only with"),
    "count of a file": (("show", "x.npz", "--out", "x.ndjson", "--count", 3), "--count has an effect only with a sheet"),
    "another stage": (("train", "world", "--stage", "see", "--steps", 9), "only with --stage collect or --stage act: add"),
    "other stages": (
        ("train", "world", "--stage", "remember", "--tests", 9, "--layer", 9),
        "--tests and --layer have an effect only with --stage act: add that, or leave --tests and --layer out.",
    ),
    "stages of no round before": (
        ("train", "world", "--env", "Pendulum-v1", "--stage", "collect", "--latent", 8),
        "--latent has an effect only with --stage see",
    ),
    "no controller yet": (
        ("train", "world", "--env", "Pendulum-v1", "--stage", "collect", "--sees", "z"),
        "--sees has an effect only with --stage act",
    ),
    "a temperature awake": (
        ("train", "world", "--stage", "act", "--variance-temperature", 0.5), "has an effect only with --where dream"
    ),
    "data of no copies": (("generate", "sketch", "--data", "x.npz"), "--data has an effect only with --copies"),
}  # fmt: skip


@pytest.mark.parametrize("name", USELESS)
def test_an_option_without_effect_is_refused(name, tmp_path):
    arguments, message = USELESS[name]
    (tmp_path / "a.txt").write_text("b")
    ran = run_here(tmp_path, *arguments)
    assert ran.exit_code == 2 and message in " ".join(ran.stderr.split()), ran.output
    assert len(ran.stderr.strip().splitlines()) == 1, ran.stderr


def test_every_stage_of_a_world_takes_its_own_options(tmp_path):
    """Those of a round before are taken by `collect` where the policy, also by default, is one of such a round."""
    none = "there is no experiment", "yet"
    for arguments in (
        ("--stage", "see", "--epochs", 3, "--latent", 4),
        ("--stage", "remember", "--epochs", 3),
        ("--stage", "act", "--where", "dream", "--variance-temperature", 0.5, "--layer", 4, "--steps", 9),
        (
            "--stage",
            "collect",
            "--policy",
            "current",
            "--where",
            "dream",
            "--variance-temperature",
            0.5,
            "--episodes",
            4,
        ),
        ("--epochs", 3, "--episodes", 4, "--tests", 9),
    ):
        ran = run_here(tmp_path, "train", "world", *arguments)
        assert ran.exit_code == 2 and all(part in ran.stderr for part in none), ran.output
    for policy in ((), ("--policy", "before")):
        arguments = ("--env", "CarRacing-v3", "--stage", "collect", "--latent", 4, *policy, "--sees", "z")
        ran = run_here(tmp_path, "train", "world", *arguments)
        assert ran.exit_code == 2 and "--sees has an effect only with --stage act" in ran.stderr, ran.output


def test_what_a_latent_costs_needs_a_latent(tmp_path):
    rng = np.random.default_rng(0)
    drawings = [{"word": "x", "drawing": rng.integers(0, 99, (1, 2, 6)).tolist()} for _ in range(20)]
    (tmp_path / "d.ndjson").write_text("\n".join(map(json.dumps, drawings)))
    ran = run_here(tmp_path, "train", "sketch", "--data", "d.ndjson", "--latent", 0, "--kl-weight", 1)
    assert ran.exit_code == 2 and "--kl-weight has an effect only with a latent" in ran.stderr, ran.output


# ---- counts --------------------------------------------------------------------------------------------------------------


def test_a_count_and_its_noun_agree():
    assert [counted(count, "touch", "touches") for count in (0, 1, 2)] == ["0 touches", "1 touch", "2 touches"]
    assert counted(np.int64(1), "row") == "1 row" and counted(12_345, "event", form=",") == "12,345 events"
    assert [agreed(count, "is", "are") for count in (1, 3)] == ["is", "are"]
