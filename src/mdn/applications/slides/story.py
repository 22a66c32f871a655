"""The story, told in seven sections: `tell` trains the networks, prints their scores and writes the page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import mdn
from mdn import metrics, plots, training
from mdn.applications.slides import data, nets
from mdn.page import Page, figure
from mdn.random import seeded

TRAIN_ROWS = 3000
TEST_ROWS = 10_000
EPOCHS, QUICK_EPOCHS = 200, 30
_WAVE = dict(xlim=(-13.5, 13.5), ylim=(-15.0, 15.0), xlabel="x", ylabel="y")


@dataclass(frozen=True)
class Score:
    """The mean test NLL of one model, in nats."""

    name: str
    nll: float
    parameters: int | None = None


def tell(out: Path, quick: bool = False, seed: int = 0) -> list[Score]:
    """Trains the networks of the story, prints their test NLL and writes the page of pictures.

    Args:
        out: The path of the HTML page, which holds all pictures.
        quick: Fewer epochs.
        seed: The seed for data, weights and draws.

    Returns:
        The scores on the inverse-sine data, best first, with the best possible and the marginal baseline among them.
    """
    console = Console()
    page = Page("Networks that answer with distributions")
    columns = (
        TextColumn("{task.description:<38}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        teller = _Teller(page, progress, QUICK_EPOCHS if quick else EPOCHS, seed)
        teller.kinds_of_answers()
        teller.two_hills()
        teller.inverse_sine()
        teller.two_elbows()
        task = progress.add_task("writing the page", total=1, note="")
        page.write(out, f"Written by `mdn demo`, mdn {mdn.__version__}, seed {seed}, {teller.epochs} epochs a network.")
        progress.advance(task)
    _print(console, teller.scores)
    console.print(f"The pictures: {out}", soft_wrap=True)
    return teller.scores


def _print(console: Console, scores: list[Score]) -> None:
    table = Table(title=f"inverse sine, {TEST_ROWS:,} test points")
    table.add_column("")
    table.add_column("parameters", justify="right")
    table.add_column("NLL in nats", justify="right")
    for score in scores:
        table.add_row(score.name, f"{score.parameters or ''}", f"{score.nll:.4f}")
    console.print(table)


class _Teller:
    """One method for each chapter of the page; each trains the models that it shows."""

    def __init__(self, page: Page, progress: Progress, epochs: int, seed: int):
        self._page, self._progress, self.epochs, self._seed = page, progress, epochs, seed
        self.scores: list[Score] = []

    def _train(self, what: str, build, x, y, loss, learning_rate: float = 0.01):
        """Trains the model of `build()`; returns it and its history. The bar shows epochs and the loss."""
        task = self._progress.add_task(what, total=self.epochs, note="compiling")

        def on_epoch(epoch, history):
            self._progress.update(task, completed=epoch, note=f"loss {history.loss[-1]:8.4f}")

        with seeded(self._seed):
            model = build()
        history = training.fit(
            model, x, y, loss, epochs=self.epochs, learning_rate=learning_rate, seed=self._seed, on_epoch=on_epoch
        )
        history.check_whole()
        return model, history

    # ---- chapters ----------------------------------------------------------------------------------------------------

    def kinds_of_answers(self) -> None:
        """Categorical data, continuous data, and the normal density."""
        picture = figure(8.0, 3.0)
        bars, curve = picture.subplots(1, 2)
        fruit = mdn.Categorical(np.log([0.55, 0.3, 0.1, 0.05]))
        weights = np.exp(np.asarray(keras.ops.convert_to_numpy(fruit.log_prob(np.arange(4.0)[:, None]))))
        bars.bar(["apple", "pear", "plum", "fig"], weights, color=plots.BLUE)
        bars.spines[["top", "right"]].set_visible(False)
        bars.set(title="categorical: a probability each", ylabel="probability")
        for scale, color in ((1.0, plots.BLUE), (2.0, plots.ORANGE), (0.5, "#5f8f3e")):
            normal = mdn.Normal([0.0], [scale])
            plots.density(normal, curve, limits=(-5, 5), color=color, label=f"loc 0, scale {scale:g}")
        curve.set(title="continuous: a density", xlabel="y")
        curve.legend(frameon=False)
        self._page.add(
            "Two kinds of answers",
            "A question with a few possible answers gets a probability for each. A question whose answer is a number gets "
            "a density: probability per unit. The normal density has two parameters, where it is (loc) and how wide it is "
            "(scale). Narrow densities rise above 1, which is why a negative log-likelihood may be negative: it is compared "
            "with a baseline, never with 0.",
            picture,
            "bars of four classes beside three normal densities",
        )

    def two_hills(self) -> None:
        """Data with two modes, the normal that misses them and the mixture that does not."""
        y, test = data.bimodal(TRAIN_ROWS, self._seed), data.bimodal(TEST_ROWS, self._seed + 1)
        spec = mdn.MixtureSpec(mdn.NormalSpec(1), 2)
        loss = mdn.NegativeLogLikelihood(spec)
        model, _ = self._train(
            "a mixture for two hills", lambda: nets.unconditional(y, spec), np.zeros_like(y), y, loss
        )
        mixture = mdn.predict(model, np.zeros((1, 1)))[0]
        normal = mdn.Normal([float(y.mean())], [float(y.std())])
        picture = figure(8.0, 3.4)
        for ax, fitted, title in zip(
            picture.subplots(1, 2, sharey=True), (normal, mixture), ("one normal", "a mixture of two"), strict=True
        ):
            ax.hist(y[:, 0], bins=60, density=True, color=plots.INK, alpha=0.18)
            plots.density(fitted, ax, limits=(-13, 16))
            nll = -float(np.mean(keras.ops.convert_to_numpy(fitted.log_prob(test))))
            ax.set(title=f"{title}: NLL {nll:.3f}", xlabel="y")
        weights, means, scales = (
            np.round(keras.ops.convert_to_numpy(part).ravel(), 2)
            for part in (mixture.weights, mixture.components.loc, mixture.components.scale)
        )
        self._page.add(
            "Two hills",
            "Half of these numbers were drawn around -5 (scale 2), half around 5 (scale 3). One normal puts its peak where "
            "there is next to nothing. A mixture of two normals finds both hills.\n\n"
            f"Fitted: weights {_listed(weights)}, means {_listed(means)}, scales {_listed(scales)}.",
            picture,
            "a histogram with two hills, under one normal and under a mixture of two",
        )

    def inverse_sine(self) -> None:
        """Least squares, the MDN, and the same net by hand, on data where one x has several y."""
        x, y = data.inverse_sine(TRAIN_ROWS, self._seed)
        x_test, y_test = data.inverse_sine(TEST_ROWS, self._seed + 1)
        spec = mdn.MixtureSpec(mdn.NormalSpec(1), nets.COMPONENTS)
        squares, squares_history = self._train(
            "least squares", nets.least_squares, x, y, keras.losses.MeanSquaredError()
        )
        network, history = self._train(
            "the mixture density network",
            lambda: nets.mixture_density(x, y, spec),
            x,
            y,
            mdn.NegativeLogLikelihood(spec),
        )
        hand, _ = self._train("the same net by hand", nets.by_hand, x, y, nets.LossByHand())

        spread = float(np.sqrt(np.mean((y - squares.predict(x, verbose=0)) ** 2)))
        as_normal = mdn.Normal(squares.predict(x_test, verbose=0), np.full_like(x_test, spread))
        answers = {
            "mixture density network": (network, mdn.predict(network, x_test)),
            "the same net by hand": (hand, spec(hand.predict(x_test, verbose=0))),
            "least squares, with the spread of its residuals": (squares, as_normal),
        }
        baseline = metrics.Baseline(y)
        self.scores = [
            Score("best possible, by quadrature", data.best_possible_nll()),
            *(Score(name, _nll(answer, y_test), _parameters(model)) for name, (model, answer) in answers.items()),
            Score("one mixture, blind to x", baseline.mixture_nll(y_test)),
            Score("one Gaussian, blind to x", baseline.gaussian_nll(y_test)),
        ]
        self._tell_least_squares(x, y, squares, squares_history)
        self._tell_mixture(x, y, network, history)
        self._page.add(
            "The same net by hand",
            "Nothing in the layer is magic. Three Dense layers side by side give means, scales (ELU + 1 + epsilon, which is "
            "positive) and logits; Concatenate joins them; the loss takes the output apart, writes down the log density of "
            "each component, and adds them up in logs. It is in mdn/applications/slides/nets.py, in 20 lines. What the layer "
            "adds is the scaling of the targets and the start from a mixture that fits them.",
            table=[
                ("test NLL, nats", "parameters", ""),
                *((s.name, f"{s.parameters or ''}", f"{s.nll:.4f}") for s in self.scores),
            ],
        )

    def _tell_least_squares(self, x, y, squares, history) -> None:
        grid = np.linspace(-13.5, 13.5, 300)[:, None]
        picture = figure(8.0, 3.8)
        scattered, losses = picture.subplots(1, 2, width_ratios=(3, 2))
        _dots(scattered, x, y)
        scattered.plot(grid, squares.predict(grid, verbose=0), color=plots.ORANGE, linewidth=2.5, label="prediction")
        scattered.legend(frameon=False, loc="upper left")
        plots.loss(history, losses).set(title="its loss", ylabel="mean squared error")
        self._page.add(
            "The question with several right answers",
            "From y to x this is a function with some noise. From x to y it is not: near x = 0 there are five answers. A "
            f"network of {_parameters(squares)} parameters trained by least squares answers with their average, where there is "
            "next to no data at all. More units or more epochs would not help: the average is what it was asked for.",
            picture,
            "points on a snake-like curve, and a line through their middle that touches few of them",
        )

    def _tell_mixture(self, x, y, network, history) -> None:
        grid = np.linspace(-13.5, 13.5, 300)[:, None]
        on_grid = mdn.predict(network, grid)
        picture = figure(8.0, 7.0)
        drawn, means, heat, losses = picture.subplots(2, 2).flat
        _dots(drawn, x, y)
        plots.samples(x, mdn.predict(network, x), drawn, seed=self._seed).set(
            title="data, and a draw for each x", **_WAVE
        )
        _dots(means, x, y)
        plots.component_means(grid, on_grid, means).set(title="component means, sized by weight", **_WAVE)
        plots.conditional(grid, on_grid, heat, limits=(-15, 15)).set(title="density of y for each x", **_WAVE)
        plots.loss(history, losses, best=data.best_possible_nll()).set(
            title="loss; dashed: the best possible", ylabel="nats"
        )
        slices = figure(8.0, 2.6)
        for ax, place in zip(slices.subplots(1, 3), (-8.0, 0.0, 6.0), strict=True):
            plots.density(mdn.predict(network, np.array([[place]]))[0], ax, limits=(-15, 15)).set(
                title=f"x = {place:g}", xlabel="y"
            )
        self._page.add(
            "The mixture density network",
            f"The same size of network, {_parameters(network)} parameters, but its last layer speaks the weights, means and "
            "scales of five normals, and it is trained by the likelihood of the data. Where there are several answers, it "
            "gives several.",
            picture,
            "draws that cover the data, component means along its branches, a heat map of the density, a falling loss",
        )
        self._page.add(
            "What it says at three places",
            "A cut through the heat map is a density, with its components below.",
            slices,
            "three densities with one, two and several hills",
        )

    def two_elbows(self) -> None:
        """A target of two numbers: Bishop's robot arm, which reaches most places in two ways."""
        x, y = data.arm(TRAIN_ROWS, self._seed)
        x_test, y_test = data.arm(1000, self._seed + 1)
        spec = mdn.MixtureSpec(mdn.NormalSpec(2, covariance="full"), nets.COMPONENTS)
        squares, _ = self._train(
            "two targets, least squares", lambda: nets.least_squares(2), x, y, keras.losses.MeanSquaredError()
        )
        network, _ = self._train(
            "two targets, mixture", lambda: nets.mixture_density(x, y, spec), x, y, mdn.NegativeLogLikelihood(spec)
        )
        mixture = mdn.predict(network, x_test)
        answers = {
            "least squares": squares.predict(x_test, verbose=0),
            "the mixture, one draw": keras.ops.convert_to_numpy(mixture.sample(seed=self._seed)),
            "the mixture, its mode": keras.ops.convert_to_numpy(mixture.mode()),
        }
        misses = {name: float(np.median(_distance(angles, x_test))) for name, angles in answers.items()}
        goal = np.array([[0.3, 0.9]])
        at_goal = mdn.predict(network, goal)[0]
        picture = figure(8.0, 3.8)
        plane, space = picture.subplots(1, 2)
        plots.density_2d(at_goal, plane, limits=((0.0, 2.2), (-2.4, 2.4)))
        plane.set(title="density of both angles", xlabel="shoulder [rad]", ylabel="elbow [rad]")
        for angles in keras.ops.convert_to_numpy(at_goal.sample((30,), seed=self._seed)):
            _draw_arm(space, angles, color=plots.BLUE, alpha=0.3, linewidth=1.5)
        _draw_arm(space, squares.predict(goal, verbose=0)[0], color=plots.ORANGE, linewidth=3)
        space.scatter(*goal[0], s=80, marker="x", color=plots.INK, zorder=4)
        space.spines[["top", "right"]].set_visible(False)
        space.set(title="30 draws; least squares in orange", aspect="equal", xlim=(-0.7, 1.0), ylim=(-0.1, 1.4))
        nll = _nll(mixture, y_test)
        self._page.add(
            "Two targets at once",
            "Where must the joints of an arm be, so that its hand is at the cross? Two numbers, and two answers: elbow up or "
            "elbow down. Each component is a bivariate normal with its correlation. The average of both answers, in orange, "
            f"reaches somewhere else.\n\nTest NLL {nll:.3f} nats (one Gaussian, blind to the hand: "
            f"{_gaussian_nll(y, y_test):.3f}). By how much the hand misses, median of 1,000 places:",
            picture,
            "two hills in the plane of the angles; arms that reach a cross with the elbow on either side, and one that misses",
            [(name, f"{miss:.3f}") for name, miss in misses.items()],
        )


def _nll(distribution, y) -> float:
    return -float(np.mean(keras.ops.convert_to_numpy(distribution.log_prob(y))))


def _gaussian_nll(y_train, y) -> float:
    """Mean NLL of `y` under one Gaussian fitted to `y_train`, with full covariance."""
    deviation = y - y_train.mean(axis=0)
    covariance = np.cov(y_train.T)
    squares = np.einsum("ni,ij,nj->n", deviation, np.linalg.inv(covariance), deviation)
    return float(0.5 * (np.mean(squares) + np.log(np.linalg.det(2.0 * math.pi * covariance))))


def _parameters(model) -> int:
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def _dots(ax, x, y) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.scatter(x, y, s=3, color=plots.INK, alpha=0.25, linewidths=0)
    ax.set(**_WAVE)


def _distance(angles, hand) -> np.ndarray:
    return np.linalg.norm(data.reach(angles) - hand, axis=-1)


def _draw_arm(ax, angles, **line) -> None:
    elbow = data.ARM[0] * np.array([np.cos(angles[0]), np.sin(angles[0])])
    ax.plot(*np.stack([np.zeros(2), elbow, data.reach(angles)], axis=1), marker="o", markersize=3, **line)


def _listed(values) -> str:
    return " and ".join(f"{value:g}" for value in values)
