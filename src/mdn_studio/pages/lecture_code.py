"""The few lines of Python that do the same as each panel of the lecture; `tests/test_studio_lecture.py` runs them."""

from __future__ import annotations

import inspect

from mdn_studio.pages.lecture_nets import ROWS

_NUMBER = ".4g"


def normal(loc: float, scale: float) -> str:
    """One normal."""
    return f"""import mdn

normal = mdn.Normal(loc=[{loc:{_NUMBER}}], scale=[{scale:{_NUMBER}}])
print(normal.prob([{loc:{_NUMBER}}]))  # the height of its peak
print(normal.interval(0.95))  # between these two lie 95 % of the draws
print(normal.sample((5,), seed=0))
"""


def mixture(weights, locs, scales) -> str:
    """A mixture with given numbers."""
    row = lambda values: ", ".join(f"{value:{_NUMBER}}" for value in values)  # noqa: E731
    column = lambda values: ", ".join(f"[{value:{_NUMBER}}]" for value in values)  # noqa: E731
    return f"""import numpy as np
import mdn

components = mdn.Normal(loc=[{column(locs)}], scale=[{column(scales)}])
mixture = mdn.Mixture(np.log([{row(weights)}]), components)
print(mixture.prob([0.0]), mixture.quantile([0.025, 0.5, 0.975]))
print(mdn.MixtureSpec(mdn.NormalSpec(1), {len(locs)}).pack(mixture))  # the numbers that a network says
print(mixture.sample((5,), seed=0))
"""


def hills(components: int) -> str:
    """A mixture for two hills."""
    return f"""import keras, mdn, numpy as np
from mdn import training
from mdn.applications.slides import data, nets

y, test = data.bimodal(3000, seed=0), data.bimodal(10_000, seed=1)
print("one normal", -mdn.Normal([y.mean()], [y.std()]).log_prob(test).mean())
spec = mdn.MixtureSpec(mdn.NormalSpec(1), {components})
keras.utils.set_random_seed(0)
model = nets.unconditional(y, spec)
training.fit(model, 0 * y, y, mdn.NegativeLogLikelihood(spec), epochs=200)
print("a mixture of {components}", -mdn.predict(model, np.zeros((1, 1))).log_prob(test).mean())
"""


def train(painted: bool, components: int, units: int, epochs: int, rate: float, seed: int) -> str:
    """Both networks on the same points."""
    if painted:
        read = f"""x, y = np.loadtxt("points.csv", delimiter=",", unpack=True)[..., None]
x, y = (np.tile(part, (max(1, {ROWS} // len(x)), 1)) for part in (x, y))  # a small set is seen more often in an epoch
x_test, y_test = x, y"""
    else:
        read = f"""x, y = data.inverse_sine({ROWS}, seed=0)
x_test, y_test = data.inverse_sine(10_000, seed=1)"""
    return f"""import keras, mdn, numpy as np
from mdn import training
from mdn.applications.slides import data, nets

{read}
spec = mdn.MixtureSpec(mdn.NormalSpec(1), {components})
keras.utils.set_random_seed({seed})
model = nets.mixture_density(x, y, spec, units={units})
settings = dict(epochs={epochs}, learning_rate={rate:{_NUMBER}}, seed={seed})
training.fit(model, x, y, mdn.NegativeLogLikelihood(spec), **settings)
print("mixture density network", -mdn.predict(model, x_test).log_prob(y_test).mean())

keras.utils.set_random_seed({seed})
squares = nets.least_squares(units={units})
training.fit(squares, x, y, keras.losses.MeanSquaredError(), **settings)
spread = np.std(y - squares.predict(x, verbose=0), dtype="float64")
answers = squares.predict(x_test, verbose=0)
print("least squares", -mdn.Normal(answers, np.full_like(answers, spread)).log_prob(y_test).mean())
"""


def cut(x: float) -> str:
    """The answer for one x, after the lines of `train`."""
    return f"""answer = mdn.predict(model, np.array([[{x:{_NUMBER}}]]))[0]  # the model from above
print(answer.prob([0.0]))  # the density of y at 0
print(answer.quantile([0.05, 0.25, 0.5, 0.75, 0.95]))
print(answer.mean(), answer.sample(seed=0))
"""


def hand() -> str:
    """The network and its loss, from Keras' own layers: their source, and the lines that train it."""
    from mdn.applications.slides import nets

    source = "\n\n".join(
        inspect.getsource(one).replace('@keras.saving.register_keras_serializable("mdn_slides")\n', "")
        for one in (nets.by_hand, nets._positive, nets.LossByHand)
    )
    return f"""import math
import mdn
import keras
from keras import layers, ops
from mdn import training
from mdn.applications.slides import data

COMPONENTS = {nets.COMPONENTS}


{source}

x, y = data.inverse_sine({ROWS}, seed=0)
keras.utils.set_random_seed(0)
model = by_hand()
training.fit(model, x, y, LossByHand(), epochs=200)
x_test, y_test = data.inverse_sine(10_000, seed=1)
print(LossByHand()(y_test, model.predict(x_test, verbose=0)))
"""


def arm(goal) -> str:
    """Two targets at once."""
    return f"""import keras, mdn, numpy as np
from mdn import training
from mdn.applications.slides import data, nets

x, y = data.arm({ROWS}, seed=0)  # places of the hand, and the angles that led there
spec = mdn.MixtureSpec(mdn.NormalSpec(2, covariance="full"), nets.COMPONENTS)
keras.utils.set_random_seed(0)
model = nets.mixture_density(x, y, spec)
training.fit(model, x, y, mdn.NegativeLogLikelihood(spec), epochs=200)
angles = mdn.predict(model, np.array([[{goal[0]:{_NUMBER}}, {goal[1]:{_NUMBER}}]]))[0].sample((5,), seed=0)
print(angles, data.reach(angles))  # shoulder and elbow in radians, and where they lead
"""


def walk(own: bool, epochs: int) -> str:
    """A network that moves a hand."""
    read = (
        """drawn = json.loads(Path("paths.json").read_text())  # as the button above saves them
demonstrations = {"yours": np.stack([data.evenly(path) for path in drawn])}"""
        if own
        else "demonstrations = data.forks()  # a stem upwards, then left or right"
    )
    imports = "import json\nfrom pathlib import Path\nimport numpy as np\n" if own else ""
    return f"""{imports}from mdn.applications import robot
from mdn.applications.robot import data
from mdn.applications.robot.model import next_moves

{read}
model = robot.train(demonstrations, epochs={epochs})
print(robot.rollouts(model, count=3, variance_temperature=0.5))  # three paths
print(next_moves(model, robot.rollouts(model, count=1)[0])[4].mean())  # what it expects after four moves
"""
