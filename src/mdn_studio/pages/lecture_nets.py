"""The networks that learn live on the lecture's page: kept with their compiled programs, begun anew, and seen in frames."""

from __future__ import annotations

import base64
import threading
import time

import keras
import numpy as np

import mdn
from mdn import backend, training
from mdn.applications.slides import data, nets
from mdn.few_shapes import in_blocks
from mdn.plots.canvas import as_numpy
from mdn.random import seeded

ROWS = 3000  # of an epoch; fewer points are repeated
LEAST_POINTS = 5
ACROSS = np.linspace(-13.5, 13.5, 121, dtype="float32")  # x of the picture
UP = np.linspace(-15.0, 15.0, 91, dtype="float32")  # y of the picture
FINE = np.linspace(-15.0, 15.0, 501, dtype="float32")  # y of a cut through it
SHARES = np.array([0.05, 0.25, 0.5, 0.75, 0.95], "float32")  # whose quantiles are shown
SHOULDER, ELBOW = np.linspace(0.0, np.pi, 81), np.linspace(-2.4, 2.4, 81)
ARMS = 30  # draws of the arm
_BETWEEN = 0.06  # seconds from one frame to the next, at least
_BLOCKS = (512, 10_000)  # rows that are scored at once
_LARGEST_NETS = 24  # networks that are kept
_Rows = tuple[np.ndarray, np.ndarray]  # x and y


class Net:
    """A network of the slides, and what its training needs.

    Its programs are compiled for this one model. So a new training puts the weights of a fresh model into this one, and brings
    new inputs to the mean and the spread of those for which it was made.

    Args:
        kind: "squares", "mixture" or "hand" for one target, "arm" or "arm squares" for the two angles of an arm.
        components: Of the mixture; others have none.
        units: Of each hidden layer.
    """

    def __init__(self, kind: str, components: int, units: int):
        self.key = kind, components, units
        self._kind, self._units = kind, units
        self.squares = kind.endswith("squares")  # whether it answers with one number
        two = kind.startswith("arm")
        normal = mdn.NormalSpec(2, covariance="full") if two else mdn.NormalSpec(1)
        self.spec = mdn.MixtureSpec(normal, max(components, 1))
        self.loss: keras.losses.Loss
        if self.squares:
            self.loss = keras.losses.MeanSquaredError()
        else:
            self.loss = nets.LossByHand() if kind == "hand" else mdn.NegativeLogLikelihood(self.spec)
        x, y = data.arm(ROWS, 0) if two else data.inverse_sine(ROWS, 0)
        self._center, self._spread = x.mean(axis=0), x.std(axis=0)
        self._from = self._center, self._spread
        with seeded(0):
            self.model = self._fresh(x, y)

    def _fresh(self, x, y) -> keras.Model:
        if self.squares:
            return nets.least_squares(self.spec.event_size, self._units)
        if self._kind == "hand":
            return nets.by_hand()
        return nets.mixture_density(x, y, self.spec, self._units)

    def begin(self, x, y, seed: int) -> None:
        """Takes the weights of a network that has learnt nothing yet.

        Args:
            x: Inputs `(N, ...)` of the training to come.
            y: Targets.
            seed: Of the weights.
        """
        if self._kind in ("mixture", "arm"):  # the others see x as it is
            self._from = x.mean(axis=0), x.std(axis=0)
        with seeded(seed):
            fresh = self._fresh(self.inside(x), y)
        self.model.set_weights(fresh.get_weights())

    def inside(self, x) -> np.ndarray:
        """`x` with the mean and the spread of the inputs for which the model was made."""
        center, spread = self._from
        return ((x - center) / spread * self._spread + self._center).astype("float32")

    def learn(self, x, y, epochs: int, rate: float, seed: int, callbacks) -> None:
        """Trains, by the compiled epochs of the library; the callbacks see the weights after each."""
        training.fit(
            self.model, self.inside(x), y, self.loss, epochs=epochs, learning_rate=rate, seed=seed, callbacks=callbacks
        )

    def params(self, x):
        """What the network says of `x`, as a tensor."""
        return self.model(self.inside(x), training=False)

    def mixture(self, x):
        """The mixtures at `x` (N, ...)."""
        return self.spec(self.params(x))

    def nll(self, x, y, spread: float | None = None) -> float:
        """The mean NLL of `y` in nats; of least squares, that of a normal with the spread of its residuals."""

        def rows(x, y):
            if spread is None:
                return _log_prob(self.mixture(x), y)
            mean = self.params(x)
            return _log_prob(mdn.Normal(mean, np.full(mean.shape, spread, "float32")), y)

        return -float(in_blocks(rows, x, y.astype("float32"), sizes=_BLOCKS).mean())


class Shelf:
    """Networks that nobody uses, with their compiled programs."""

    def __init__(self):
        self._free: dict[tuple, list[Net]] = {}
        self._prepared: set[tuple] = set()
        self._lock = threading.Lock()

    def take(self, kind: str, components: int = 0, units: int = nets.UNITS) -> Net:
        """A network for one training; bring it back by `give`."""
        with self._lock:
            self._prepared.add((kind, components, units))
            free = self._free.get((kind, components, units))
            if free:
                return free.pop()
        return Net(kind, components, units)

    def give(self, net: Net) -> None:
        """Takes a network back; those that were not used for the longest time are forgotten."""
        with self._lock:
            self._prepared.add(net.key)
            kept = self._free.pop(net.key, [])
            self._free[net.key] = [*kept, net]  # now the last key
            while sum(map(len, self._free.values())) > _LARGEST_NETS:
                oldest = next(key for key, free in self._free.items() if free)
                self._free[oldest].pop(0)

    def prepare(self, components: int) -> None:
        """Compiles what a mixture of so many components needs, if the shelf has none and has had none."""
        if (key := ("mixture", components, nets.UNITS)) in self._prepared:
            return
        rows, _ = slides()
        net = Net(*key)
        net.learn(*rows, epochs=1, rate=0.01, seed=0, callbacks=[])
        picture(net)
        self.give(net)

    def warm(self) -> None:
        """Puts the two networks of the slides on the shelf, with all that their training and a cut compile."""
        rows, test = slides()
        made = {}
        for kind, components in (("mixture", nets.COMPONENTS), ("squares", 0)):
            net = made[kind] = Net(kind, components, nets.UNITS)
            net.learn(*rows, epochs=1, rate=0.01, seed=0, callbacks=[])
            picture(net)
            net.nll(*test, spread=1.0 if net.squares else None)
        cut(made["mixture"], made["squares"], 0.0, 0)
        for net in made.values():
            self.give(net)


@backend.compiled
def _log_prob(distribution, y):
    return distribution.log_prob(y)


@backend.compiled
def _look(mixture):
    loc, scale = mixture.components.loc[..., 0], mixture.components.scale[..., 0]
    return mixture.weights, loc, scale, mixture.prob(UP[:, None, None])


@backend.compiled
def _cut(mixture):
    parts = mixture.weights * mixture.components.prob(FINE[:, None, None])
    return mixture.prob(FINE[:, None]), parts, mixture.quantile(SHARES)[:, 0], mixture.mean()[0]


@backend.compiled
def _plane(mixture):
    points = np.stack(np.meshgrid(SHOULDER, ELBOW), axis=-1).astype("float32")
    return mixture.prob(points[:, :, None])[..., 0]


def rounded(values, digits: int = 3) -> list:
    """An array as lists of few digits, for a message."""
    return np.round(np.asarray(as_numpy(values), "float64"), digits).tolist()


def heat(density) -> str:
    """A density on a grid as bytes in base64, row by row: the darker half of what `mdn.plots.conditional` does with colours."""
    density = as_numpy(density)
    peak = float(np.quantile(density, 0.995)) or float(density.max())
    shown = np.sqrt(np.clip(density / peak, 0.0, 1.0)) if peak > 0.0 else np.zeros_like(density)
    return base64.b64encode(np.round(255.0 * shown).astype("uint8").tobytes()).decode()


def picture(net: Net) -> dict:
    """What a frame shows of a network for one target: the answers across the whole picture."""
    if net.squares:
        return {"curve": rounded(as_numpy(net.params(ACROSS[:, None]))[:, 0], 2)}
    weights, loc, scale, density = _look(net.mixture(ACROSS[:, None]))
    return {
        "weights": rounded(weights),
        "means": rounded(loc, 2),
        "scales": rounded(scale, 2),
        "heat": heat(density),
    }


def cut(net: Net, squares: Net | None, x: float, seed: int) -> dict:
    """The answer for one x: the density of y with its components, quantiles, and one draw; and that of least squares."""
    at = np.array([[x]], "float32")
    mixture = net.mixture(at)[0]
    density, parts, quantiles, mean = _cut(mixture)
    return {
        "density": rounded(density, 5),
        "parts": rounded(np.transpose(as_numpy(parts)), 5),
        "quantiles": rounded(quantiles),
        "mean": float(as_numpy(mean)),
        "draw": float(as_numpy(mixture.sample(seed=seed))[0]),
        "squares": None if squares is None else float(as_numpy(squares.params(at))[0, 0]),
    }


def arms(net: Net, squares: Net, goal) -> dict:
    """The answer for one place of the hand: the density of both angles, arms drawn from it, and the arm of least squares."""
    at = np.array([goal], "float32")
    mixture = net.mixture(at)
    drawn = as_numpy(mixture.sample((ARMS,), seed=0))[:, 0]
    average = as_numpy(squares.params(at))
    return {
        "heat": heat(_plane(mixture)),
        "angles": rounded(drawn),
        "arms": joints(drawn),
        "squares": joints(average)[0],
        "average": rounded(average[0]),
        "misses": [float(np.median(miss(drawn, at))), float(miss(average, at)[0])],
    }


def joints(angles) -> list:
    """The places of elbow and hand, `[[x, y], [x, y]]` for each row of angles."""
    angles = np.asarray(angles, "float64")
    elbow = data.ARM[0] * np.stack([np.cos(angles[:, 0]), np.sin(angles[:, 0])], axis=-1)
    return rounded(np.stack([elbow, data.reach(angles)], axis=1))


def miss(angles, goal) -> np.ndarray:
    """How far the hand is from where it should be."""
    return np.linalg.norm(data.reach(np.asarray(angles)) - goal, axis=-1)


def slides() -> tuple[_Rows, _Rows]:
    """The points of the slides, to learn from and to be judged by: `(x, y), (x, y)`."""
    return data.inverse_sine(ROWS, 0), data.inverse_sine(10_000, 1)


def painted(points) -> tuple[_Rows, _Rows]:
    """Points that a person painted, to learn from and to be judged by: `(x, y), (x, y)`.

    They are the same, but a small set is repeated as a whole, so that an epoch has about as many steps as on the slides.

    Raises:
        ValueError: in a sentence for the page, if nothing can be learnt from them.
    """
    found = np.asarray(points, "float64").reshape(-1, 2)
    if len(found) < LEAST_POINTS:
        came = {0: "none is", 1: "there is only one"}.get(len(found), f"there are only {len(found)}")
        raise ValueError(f"paint at least {LEAST_POINTS} points; {came} there yet.")
    if np.ptp(found[:, 0]) < 1e-3 or np.ptp(found[:, 1]) < 1e-3:
        which = "above each other" if np.ptp(found[:, 0]) < 1e-3 else "at one height"
        raise ValueError(f"all points lie {which}, so that nothing is to be learnt; paint some elsewhere.")
    x, y = found[:, :1], found[:, 1:]
    more = max(1, ROWS // len(x))
    return (np.tile(x, (more, 1)), np.tile(y, (more, 1))), (x, y)


class Frames(keras.callbacks.Callback):
    """Passes on what is to be seen after an epoch, some ten to fifteen times a second, and ends a training that was stopped.

    Args:
        run: The `Run`, whose `stopped` ends the training.
        say: Gets the fields of a frame.
        see: Returns what a frame shows beside the losses.
        pause: Seconds that an epoch lasts at least, to watch it.
    """

    def __init__(self, run, say, see, pause: float = 0.0):
        super().__init__()
        self._run, self._say, self._see, self._pause = run, say, see, pause
        self._losses: list[float] = []
        self._last, self._epoch, self._began = -np.inf, 0, 0.0

    def on_epoch_begin(self, epoch, logs=None):
        """Notes when the epoch began."""
        self._began = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Passes a frame on if it is time for one."""
        self._losses.append(round(float(logs["loss"]), 4))
        self._epoch = epoch + 1
        if self._pause:
            self._run.stopped.wait(max(0.0, self._pause - (time.monotonic() - self._began)))
        if self._run.stopped.is_set():
            self.model.stop_training = True
        elif time.monotonic() - self._last >= _BETWEEN:
            self._pass_on()

    def on_train_end(self, logs=None):
        """Passes on the last frame."""
        self._pass_on()

    def _pass_on(self) -> None:
        losses, self._losses = self._losses, []
        self._say(epoch=self._epoch, loss=losses, **self._see())
        self._last = time.monotonic()
