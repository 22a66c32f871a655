"""Pictures: what is drawn is what the distribution says, on the axes that came."""

import keras
import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import mdn
from mdn import metrics, plots

matplotlib.use("Agg")
N = 40
X = np.linspace(-1, 1, N)
LINE = mdn.Mixture(
    np.tile([0.0, 1.0], (N, 1)),
    mdn.Normal(np.stack([X, -X], axis=-1)[..., None], np.full((N, 2, 1), 0.2)),
)


@pytest.fixture(name="ax")
def _ax():
    return Figure().subplots()


def test_the_density_line_is_the_density(ax):
    assert plots.density(LINE[5], ax) is ax
    x, y = ax.lines[0].get_data()
    np.testing.assert_allclose(y, keras.ops.convert_to_numpy(LINE[5].prob(np.float32(x)[:, None])), rtol=1e-4)
    assert len(ax.collections) == 2, "a patch for each component"
    np.testing.assert_allclose(np.trapezoid(y, x), 1.0, atol=0.01)


def test_the_heat_map_is_the_conditional_density(ax):
    plots.conditional(X, LINE, ax, limits=(-2, 2), rows=50)
    heat = np.asarray(ax.collections[0].get_array()).reshape(50, N)
    grid = np.float32(np.linspace(-2, 2, 50))
    np.testing.assert_allclose(
        heat[:, 7], keras.ops.convert_to_numpy(LINE[7].prob(grid[:, None])), rtol=1e-4, atol=1e-6
    )


def test_component_means_are_as_large_as_their_weights(ax):
    plots.component_means(X, LINE, ax, widest=10.0)
    assert len(ax.collections) == 2
    offsets = ax.collections[1].get_offsets()
    np.testing.assert_allclose(offsets[:, 1], -X, atol=1e-6)
    np.testing.assert_allclose(ax.collections[1].get_sizes(), 10 / (1 + np.exp(-1)), rtol=1e-5)


def test_samples_are_draws_of_the_seed(ax):
    plots.samples(X, LINE, ax, seed=3)
    drawn = ax.collections[0].get_offsets()[:, 1]
    np.testing.assert_allclose(drawn, keras.ops.convert_to_numpy(LINE.sample(seed=3))[:, 0], rtol=1e-6)


def test_ellipses_are_as_many_standard_deviations_from_the_mean(ax):
    rng = np.random.default_rng(0)
    factor = np.tril(rng.uniform(0.5, 2.0, (3, 2, 2, 2)))
    loc, logits = rng.normal(size=(3, 2, 2)), np.log([[0.7, 0.3], [0.995, 0.005], [0.5, 0.5]])
    mixture, at = mdn.Mixture(logits, mdn.MultivariateNormal(loc, factor)), rng.normal(size=(3, 2))
    plots.ellipses(mixture, ax, at=at, sigmas=(1.0, 2.0))
    assert len(ax.lines) == len(ax.patches) == 2 * 5, "a component of 0.5 % is left out"
    drawn = [np.stack(line.get_data(), axis=-1) for line in ax.lines]
    for number, (i, k) in enumerate([(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]):
        inverse = np.linalg.inv(factor[i, k] @ factor[i, k].T)
        for sigma in (1, 2):
            offset = drawn[2 * number + sigma - 1] - loc[i, k] - at[i]
            np.testing.assert_allclose(np.einsum("ni,ij,nj->n", offset, inverse, offset), sigma**2, rtol=1e-4)
    with pytest.raises(ValueError, match=r"ellipses\(\) needs a mixture with event_size=2"):
        plots.ellipses(LINE, ax)


def test_pit_and_reliability_show_what_is_held(ax):
    values = metrics.pit(LINE, LINE.sample(seed=0))
    assert values.shape == (N,)
    plots.pit(values, ax, bins=10)
    heights = [patch.get_height() for patch in ax.containers[0]]
    np.testing.assert_allclose(np.mean(heights), 1.0)
    other = Figure().subplots()
    plots.reliability(values, other)
    line = other.lines[1].get_ydata()
    assert line[-1] == 1.0 and (np.diff(line) >= 0).all()
    np.testing.assert_allclose(line[50], np.mean(np.abs(values - 0.5) <= 0.25), atol=1e-9)


def test_the_loss_has_a_line_a_curve(ax):
    plots.loss({"loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 2.5, 2.0]}, ax, best=0.5)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [3, 2, 1])
    assert len(ax.lines) == 3


def test_two_numbers_have_a_map_with_contours(ax):
    mix = mdn.Mixture([0.0], mdn.Normal([[0.0, 1.0]], [[1.0, 0.5]]))
    plots.density_2d(mix, ax, limits=((-3, 3), (-1, 3)), cells=30)
    heat = np.asarray(ax.collections[0].get_array()).reshape(30, 30) ** 2
    np.testing.assert_allclose(heat.max(), 1 / (2 * np.pi * 0.5), rtol=0.05)


def test_without_axes_the_current_ones_are_used():
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    assert plots.density(mdn.Normal([0.0], [1.0])) is ax
    plt.close("all")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda ax: plots.density(LINE, ax), "0 batch axes"),
        (lambda ax: plots.conditional(X, LINE[0], ax), "1 batch axes"),
        (lambda ax: plots.conditional(X[:3], LINE, ax), "one value a distribution"),
        (lambda ax: plots.density_2d(LINE[0], ax, limits=((0, 1), (0, 1))), "event_size=2"),
    ],
)
def test_shapes_that_do_not_fit_say_so(ax, call, message):
    with pytest.raises(ValueError, match=message):
        call(ax)


def test_surprise_marks_what_was_least_likely(ax):
    log_prob = np.array([1.0, 0.5, -7.0, 2.0])
    plots.surprise(log_prob, ax, most=1, at=[0.0, 0.1, 0.3, 0.4])
    np.testing.assert_allclose(ax.lines[0].get_xydata(), np.column_stack([[0.0, 0.1, 0.3, 0.4], -log_prob]))
    np.testing.assert_allclose(ax.lines[1].get_xydata(), [[0.3, 7.0]])
    with pytest.raises(ValueError, match="that of one sequence"):
        plots.surprise([log_prob])


def test_a_surprising_path_has_a_colour_for_each_step(ax):
    places = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    plots.surprising_path(places, [0.0, -1.0, -5.0, -2.0], ax=ax)
    np.testing.assert_allclose(ax.collections[0].get_array(), [1.0, 5.0, 2.0])
    with pytest.raises(ValueError, match=r"must have shape \(3, 2\)"):
        plots.surprising_path(places, [0.0, -1.0, -5.0])
