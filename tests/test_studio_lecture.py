"""The lecture in the studio: its answers, held to SciPy; the lines to copy, which are run; and the page, as a person uses it."""

import asyncio
import base64
import contextlib
import io
import json
import re

import numpy as np
import pytest
from scipy import stats

from browser import open_studio, tab
from mdn.applications.slides import data as slides
from mdn_studio.folder import Folder
from mdn_studio.messages import handlers
from mdn_studio.pages import lecture, lecture_bells, lecture_code, lecture_nets, lecture_walk
from mdn_studio.studio import Studio
from tabs import run

pytestmark = pytest.mark.project
SHORT = dict(points=None, components=5, units=15, epochs=12, rate=0.01, seed=0, slowly=False)


class Tab:
    """A session without a socket."""

    def __init__(self):
        self.state, self.news, self.tasks = {}, [], []

    def start(self, work):
        self.tasks.append(asyncio.ensure_future(work))
        return self.tasks[-1]

    async def tell(self, kind, **fields):
        self.news.append((kind, fields))

    async def drained(self):
        """It reads at once."""

    def frames(self, net, run=None):
        return [f for k, f in self.news if k == "lecture.frame" and f["net"] == net and run in (None, f["run"])]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    studio = Studio(Folder(tmp_path_factory.mktemp("studio")), ["lecture"])
    studio.pages["lecture"]._ahead.set()  # compiles nothing that is not asked for
    yield studio.pages["lecture"]
    studio.pages["lecture"].close()


def ask(page, kind, tab=None, until_done=True, **fields):
    """The answer to a message, whose fields are checked as those of a socket are; waits for the training that it starts."""

    async def asked():
        method = handlers(page)[f"lecture.{kind}"]
        answer = await method(tab, **method.rule(fields, ""))
        if until_done and tab.tasks:
            await asyncio.gather(*tab.tasks)
            tab.tasks.clear()
        return answer

    tab = tab or Tab()
    return run(asked())


def test_what_a_hand_shapes_is_what_scipy_says(page):
    found = ask(page, "normal", loc=1.5, scale=0.7)
    truth = stats.norm(1.5, 0.7)
    np.testing.assert_allclose(found["density"], truth.pdf(lecture_bells.ALONG), atol=2e-5)
    np.testing.assert_allclose(found["interval"], truth.interval(0.95), rtol=1e-5)
    numbers = dict(weights=[0.5, 0.2, 0.3], locs=[-3.0, 0.5, 4.0], scales=[1.0, 0.4, 2.0])
    found = ask(page, "mixture", **numbers)
    parts = [w * stats.norm(m, s).pdf(lecture_bells.ALONG) for w, m, s in zip(*numbers.values(), strict=True)]
    np.testing.assert_allclose(found["parts"], parts, atol=2e-5)
    np.testing.assert_allclose(found["density"], np.sum(parts, axis=0), atol=2e-5)
    np.testing.assert_allclose(found["params"][:6], numbers["locs"] + numbers["scales"], atol=0.01)
    draws = ask(page, "draws", **numbers, count=2000, seed=0)["draws"]
    assert (
        stats.kstest(
            draws, lambda y: sum(w * stats.norm(m, s).cdf(y) for w, m, s in zip(*numbers.values(), strict=True))
        ).pvalue
        > 0.01
    )


@pytest.mark.parametrize(
    ("kind", "fields", "sentence"),
    [
        ("train", SHORT | {"points": []}, "paint at least 5 points; none is there yet."),
        ("train", SHORT | {"points": [[1.0, 2.0]]}, "there is only one there yet"),
        ("train", SHORT | {"points": [[1.0, float(i)] for i in range(9)]}, "lie above each other"),
        ("train", SHORT | {"points": [[float(i), 3.0] for i in range(9)]}, "lie at one height"),
        ("train", SHORT | {"points": [[0.0, 1.0]] * 3001}, "3,001 points are too many to watch; paint at most 3,000."),
        ("train", SHORT | {"points": [[1e300, 0.0]]}, "`points[0][0]` must be a finite number"),
        ("train", SHORT | {"rate": float("nan")}, "`rate` must be a finite number"),
        ("train", SHORT | {"components": 10**9}, "`components` must be a whole number from 1 to 10"),
        ("normal", {"loc": 0.0, "scale": 0.0}, "`scale` must be"),
        ("mixture", {"weights": [1.0], "locs": [0.0, 1.0], "scales": [1.0]}, "1, 2 and 1 came"),
        ("cut", {"x": 0.0, "seed": 0}, "press Train first"),
        ("walk.step", {"path": [[0.0, 0.0]], "seed": 0}, "press Train first"),
        ("walk.train", {"paths": [[[0.0, 0.0], [1.0, 1.0]]]}, "at least two paths"),
        ("walk.train", {"paths": [[[0.0, 0.0], [0.0, 0.0]]] * 2}, "all points of this one are the same"),
        ("walk.train", {"paths": [[[0.0, 0.0], [0.0, 1.0]]] * 61}, "at most 60 paths"),
    ],
)
def test_what_cannot_be_learnt_is_refused_in_a_sentence(page, kind, fields, sentence):
    tab = Tab()
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ask(page, kind, tab, **fields)
    assert not tab.news and not page._runs


def test_so_many_trainings_at_once_are_refused(page, monkeypatch):
    class Busy:
        running = True

    monkeypatch.setattr(page, "_runs", {Busy() for _ in range(4)})
    with pytest.raises(ValueError, match="4 networks learn in other tabs or panels just now"):
        ask(page, "hand")


def test_a_stop_ends_the_training_of_its_panel_only(page):
    class Learning:
        stopped = False

        def stop(self):
            self.stopped = True

    tab = Tab()
    runs = page._bench(tab).runs = {"hand": Learning(), "walk": Learning()}
    ask(page, "stop", tab, panel="walk")
    ask(page, "stop", tab, panel="arm")
    assert runs["walk"].stopped and not runs["hand"].stopped


@pytest.mark.jax
def test_both_networks_learn_side_by_side_and_each_frame_is_true(page):
    tab = Tab()
    answer = ask(page, "train", tab, **SHORT)
    assert tab.news[-1] == ("lecture.ended", {"run": answer["run"], "stopped": False})
    for net in ("squares", "mixture"):
        frames = tab.frames(net, answer["run"])
        assert frames[0]["epoch"] == 0 and frames[-1]["epoch"] == 12
        assert sum(len(frame["loss"]) for frame in frames) == 12
    squares, mixture = tab.frames("squares")[-1], tab.frames("mixture")[-1]
    assert slides.best_possible_nll() < mixture["nll"] < 1.6 < 2.8 < squares["nll"] < answer["blind"] < 3.3
    # the heat map is the density that the numbers of the same frame describe
    weights, means, scales = (np.array(mixture[name])[None] for name in ("weights", "means", "scales"))
    density = (weights * stats.norm(means, scales).pdf(lecture_nets.UP[:, None, None])).sum(axis=-1)
    heat = np.frombuffer(base64.b64decode(mixture["heat"]), "uint8").reshape(density.shape)
    shown = 255.0 * np.sqrt(np.clip(density / np.quantile(density, 0.995), 0.0, 1.0))
    assert np.abs(heat - shown).mean() < 3.0
    # the cut is its column, and the lines to copy lead to the same figures
    cut = ask(page, "cut", tab, x=0.0, seed=0)
    column = len(lecture_nets.ACROSS) // 2
    np.testing.assert_allclose(
        np.interp(lecture_nets.UP, lecture_nets.FINE, cut["density"]), density[:, column], atol=0.03
    )
    assert np.isclose(cut["squares"], squares["curve"][column], atol=0.01)
    said = run_lines(answer["code"] + cut["code"])
    figures = [float(one) for one in re.findall(r"(?:network|squares) (?:tf.Tensor\()?([\d.]+)", said)]
    np.testing.assert_allclose(figures, [mixture["nll"], squares["nll"]], atol=2e-3)


@pytest.mark.jax
def test_a_new_training_and_a_closed_tab_end_the_running_one(page):
    async def story():
        tab, method = Tab(), handlers(page)["lecture.train"]
        first = await method(tab, **SHORT | {"slowly": True, "epochs": 2000})
        second = await method(tab, **SHORT | {"slowly": True, "epochs": 2000, "seed": 1})
        while not tab.frames("mixture", second["run"]):
            await asyncio.sleep(0.02)
        ended = [fields for kind, fields in tab.news if kind == "lecture.ended"]
        assert ended == [{"run": first["run"], "stopped": True}]
        run = tab.state["lecture"].runs["train"]
        assert run.running
        tab.tasks[-1].cancel()  # as the session does when its socket closes
        await page.left(tab)
        await asyncio.to_thread(run.wait)
        assert not run.running and tab.frames("mixture")[-1]["epoch"] < 2000

    run(story())


@pytest.mark.jax
def test_painted_points_are_repeated_as_a_whole_so_that_an_epoch_has_the_steps_of_the_slides():
    (x, y), test = lecture_nets.painted([[float(i), float(-i)] for i in range(7)])
    assert x.shape == (7 * (3000 // 7), 1) and test[0].shape == (7, 1)
    assert np.ptp(np.bincount(x[:, 0].astype(int))) == 0
    np.testing.assert_array_equal(y, -x)


@pytest.mark.jax
def test_the_arm_reaches_and_the_hand_walks(page, monkeypatch):
    monkeypatch.setattr(lecture, "EPOCHS", 3)
    monkeypatch.setattr(lecture_walk, "EPOCHS", 1)
    tab = Tab()
    ask(page, "arm.train", tab)
    found = ask(page, "arm", tab, goal=[0.4, 0.8])
    shoulder, elbow = np.array(found["angles"]).T
    hand = 0.8 * np.exp(1j * shoulder) + 0.5 * np.exp(1j * (shoulder + elbow))
    np.testing.assert_allclose(np.array(found["arms"])[:, 1] @ [1, 1j], hand, atol=3e-3)
    assert np.isclose(found["misses"][0], np.median(np.abs(hand - (0.4 + 0.8j))), atol=3e-3)
    paths = [[[0.0, 0.0], [0.0, 5.0], [way * 5.0, 5.0]] for way in (-1, 1, -1, 1)]
    answer = ask(page, "walk.train", tab, paths=paths)
    np.testing.assert_allclose(np.linalg.norm(np.diff(answer["paths"], axis=1), axis=-1), 1.25, atol=0.4)
    assert 0.0 <= tab.frames("walk")[-1]["stayed"] <= 1.0
    path = [[0.0, 0.0]]
    for seed in range(8):
        step = ask(page, "walk.step", tab, path=path, seed=seed)
        weight = sum(one["weight"] for one in step["ellipses"])
        assert 0.5 < weight <= 1.0 + 1e-5 and all(min(one["radii"]) > 0.0 for one in step["ellipses"])
        path.append(step["next"])
    with pytest.raises(ValueError, match="a path has 8 steps"):
        ask(page, "walk.step", tab, path=path, seed=0)


@pytest.mark.jax
def test_the_lines_to_copy_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    np.savetxt("points.csv", [[i / 10, np.sin(i) * 5] for i in range(40)], delimiter=",")
    (tmp_path / "paths.json").write_text(json.dumps([[[0, 0], [0, 5], [5, 5]], [[0, 0], [0, 5], [-5, 5]]]))
    said = run_lines(lecture_code.normal(1.0, 0.5))
    assert "0.797" in said  # 1 / (0.5 sqrt(2 pi))
    said = run_lines(lecture_code.mixture([0.25, 0.75], [-2.0, 3.0], [1.0, 0.5]))
    assert re.search(r"-2.\s+3.\s+1.\s+0.5\s+-1.386\d*\s+-0.287", said)
    for lines in (lecture_code.hills(2), lecture_code.hand(), lecture_code.arm([0.3, 0.9])):
        assert lines.count("epochs=200") == 1
        assert run_lines(lines.replace("epochs=200", "epochs=1"))
    said = run_lines(lecture_code.train(True, 5, 15, 1, 0.01, 0) + lecture_code.cut(1.0))
    assert "mixture density network" in said and "least squares" in said
    for own in (False, True):
        assert run_lines(lecture_code.walk(own, epochs=1))


def run_lines(lines):
    """What some lines print; they run in a namespace of their own."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(lines, "lines", "exec"), {"__name__": "lines"})
    return said.getvalue()


# ---- the page, as a person uses it -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def visitor(chromium, tmp_path_factory):
    """A tab with the lecture, for all tests below."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            lecture.Lecture, "_prepare", lambda page, components: None
        )  # compiles nothing that is not asked for
        with open_studio(tmp_path_factory.mktemp("studio"), pages=("lecture",)) as address, tab(chromium) as visitor:
            visitor.go(address, "lecture")
            yield visitor


def panel(visitor, number):
    found = visitor.page.locator(".lecture-panel").nth(number - 1)
    found.scroll_into_view_if_needed()
    return found


def drag(visitor, canvas, places):
    """Presses at the first place, moves along, and lets go; places are shares of the width and the height."""
    box = canvas.bounding_box()
    mouse = visitor.page.mouse
    for i, (x, y) in enumerate(places):
        mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if i == 0:
            mouse.down()
    mouse.up()


def figure(panel, name):
    """A figure of a panel as a number; NaN while there is none."""
    said = panel.locator(".figures div", has_text=name).locator("dd").inner_text()
    return float("nan") if said == "–" else float(said.replace("−", "-"))


@pytest.mark.jax
def test_a_person_shapes_a_bell_and_a_mixture(visitor):
    bell = panel(visitor, 1)
    visitor.until("document.querySelector('.said').textContent.includes('−1.96 and 1.96')")
    bell.locator("input[type=range]").first.focus()
    for _ in range(20):
        visitor.page.keyboard.press("ArrowRight")
    visitor.until("document.querySelector('.said').textContent.includes('−0.96 and 2.96')")
    bell.locator("summary").click()
    assert "loc=[1]" in bell.locator("pre").inner_text()
    mixture = panel(visitor, 2)
    means = mixture.locator("fieldset", has_text="means").locator("output").first
    assert means.inner_text() == "−3.50"
    canvas = mixture.locator("canvas")
    # the first peak stands where y = -3.5; the axis of y runs from 34 pixels to 8 from the right
    width = canvas.bounding_box()["width"]
    at = lambda y: (34 + (y + 10) / 20 * (width - 42)) / width  # noqa: E731
    drag(visitor, canvas, [(at(-3.5), 0.53), (at(-5), 0.5), (at(-6), 0.5)])
    assert float(means.inner_text().replace("−", "-")) == pytest.approx(-6.0, abs=0.2)
    visitor.until("document.querySelector('.packed').textContent.includes('μ  −6.')")
    visitor.until("document.body.textContent.includes('half of the draws lie below')")
    mixture.get_by_role("button", name="Draw 200").click()
    visitor.until("document.body.textContent.includes('200 draws:')")
    mixture.get_by_role("button", name="Add a component").click()
    assert mixture.locator("input[type=range]").count() == 12


@pytest.mark.jax
def test_a_person_trains_both_networks_and_asks_one_x(visitor):
    heart, cut = panel(visitor, 4), panel(visitor, 5)
    heart.get_by_role("button", name="Train", exact=True).click()
    visitor.until("document.querySelectorAll('.lecture-panel')[3].textContent.includes('Trained after')", 120)
    assert slides.best_possible_nll() < figure(heart, "mixture density network") < 1.4
    assert 2.8 < figure(heart, "least squares") < 3.1
    canvas = heart.locator("canvas[data-net=mixture]")
    canvas.scroll_into_view_if_needed()
    drag(visitor, canvas, [(0.8, 0.5), (0.9, 0.5)])
    visitor.until("document.querySelectorAll('.lecture-panel')[4].textContent.includes('For x = 11.')")
    assert figure(cut, "median") > 8.0  # there only the upper end of the snake is
    cut.get_by_role("button", name="Draw an answer").click()
    visitor.until("!/a draw–/.test(document.querySelectorAll('.lecture-panel')[4].textContent)")
    assert 6.0 < figure(cut, "a draw") < 14.0
    heart.evaluate("one => one.scrollIntoView()")
    visitor.keep("lecture")


@pytest.mark.jax
def test_a_person_paints_points_and_the_mixture_beats_least_squares(visitor):
    heart = panel(visitor, 4)
    heart.get_by_label("Points", exact=True).select_option("paint")
    assert np.isnan(figure(heart, "mixture density network"))
    heart.get_by_role("button", name="Train", exact=True).click()
    visitor.until(
        "document.querySelector('#notes').textContent.includes('Paint at least 5 points; none is there yet.')"
    )
    canvas = heart.locator("canvas[data-net=squares]")
    canvas.scroll_into_view_if_needed()
    for height in (0.3, 0.7):  # two lines: two answers for each x
        drag(visitor, canvas, [(0.2 + 0.01 * i, height) for i in range(60)])
    assert int(re.search(r"(\d+) points painted", heart.inner_text())[1]) >= 60
    canvas.focus()
    visitor.page.keyboard.press("ArrowUp")
    visitor.page.keyboard.press(" ")
    heart.get_by_role("button", name="Train", exact=True).click()
    visitor.until("document.querySelectorAll('.lecture-panel')[3].textContent.includes('Trained after')", 120)
    assert figure(heart, "mixture density network") < figure(heart, "least squares") - 0.5
    with visitor.page.expect_download() as saved:
        heart.get_by_role("button", name="Save points.csv").click()
    assert np.loadtxt(saved.value.path(), delimiter=",").shape[1] == 2


@pytest.mark.jax
def test_a_person_lets_the_arm_reach_and_the_hand_walk(visitor, monkeypatch):
    monkeypatch.setattr(lecture, "EPOCHS", 3)
    monkeypatch.setattr(lecture_walk, "EPOCHS", 1)
    arm, walk = panel(visitor, 7), panel(visitor, 8)
    arm.get_by_role("button", name="Train both").click()
    visitor.until("document.body.textContent.includes('Drag the green cross')", 120)
    before = figure(arm, "the mixture misses")
    drag(visitor, arm.locator("canvas").first, [(0.6, 0.4), (0.3, 0.4)])
    visitor.until(f"!document.querySelectorAll('.lecture-panel')[6].textContent.includes('draws{before:.3f}')")
    walk.get_by_role("button", name="Train", exact=True).click()
    visitor.until("document.body.textContent.includes('Trained. One step')", 120)
    for step in (1, 2):
        walk.get_by_role("button", name="One step").click()
        visitor.until(f"document.body.textContent.includes('Step {step} of 8')")
    assert re.search(r"\d+ %", walk.inner_text())
