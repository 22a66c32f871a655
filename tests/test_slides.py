"""The slides' story: data, nets, and the page that `mdn demo` writes."""

import re

import keras
import numpy as np
import pytest
from scipy import integrate

import mdn
from mdn import training
from mdn.applications import slides
from mdn.applications.slides import data, nets


def test_the_best_possible_nll_is_the_conditional_entropy():
    assert abs(data.best_possible_nll() - 1.2880) < 5e-5
    # by another way: the mean of -log p(y | x) over draws of the truth
    x, y = data.inverse_sine(20_000, 5)
    grid = np.linspace(-data.SPAN, data.SPAN, 3001)
    kernel = np.exp(-0.5 * (x - data.curve(grid)) ** 2)
    own = np.exp(-0.5 * (x - data.curve(y)) ** 2)[:, 0]
    nll = -np.log(own / integrate.trapezoid(kernel, grid, axis=1))
    assert abs(nll.mean() - 1.2880) < 5 * nll.std() / np.sqrt(len(nll))


def test_the_nets_have_the_parameters_of_the_slides():
    x, y = data.inverse_sine(100, 0)
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 5)
    count = lambda model: sum(int(np.prod(w.shape)) for w in model.trainable_weights)  # noqa: E731
    assert count(nets.least_squares()) == 286
    assert count(nets.mixture_density(x, y, spec)) == 510
    assert count(nets.by_hand()) == 510
    # other sizes: 1·u + u, u·u + u, then u + 1 for the one answer, or 15 u + 15 for the mixture
    assert count(nets.least_squares(units=8)) == 8 + 8 + 64 + 8 + 8 + 1
    assert count(nets.mixture_density(x, y, spec, units=8)) == 8 + 8 + 64 + 8 + 8 * 15 + 15


def test_the_loss_by_hand_is_the_loss_of_the_package():
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 5)
    params = np.abs(np.random.default_rng(0).normal(size=(20, 15))).astype("float32") + 0.1
    y = np.random.default_rng(1).normal(size=(20, 1)).astype("float32")
    ours, hand = (
        keras.ops.convert_to_numpy(loss(y, params)) for loss in (mdn.NegativeLogLikelihood(spec), nets.LossByHand())
    )
    np.testing.assert_allclose(hand, ours, rtol=1e-5)


def test_the_arm_reaches_where_its_joints_say():
    hand = data.reach(np.array([[0.0, 0.0], [np.pi / 2, 0.0], [0.0, np.pi / 2]]))
    np.testing.assert_allclose(hand, [[1.3, 0.0], [0.0, 1.3], [0.8, 0.5]], atol=1e-12)


@pytest.mark.jax
def test_the_demos_mdn_is_near_the_best_possible():
    """Median of 5 seeds; keras-mdn-layer: 1.68 to 2.10. So many points, since the mean over 10,000 is off by 0.01."""
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), nets.COMPONENTS)
    x_test, y_test = data.inverse_sine(200_000, 99)
    scores = []
    for seed in range(5):
        x, y = data.inverse_sine(3000, seed)
        keras.utils.set_random_seed(seed)
        model = nets.mixture_density(x, y, spec)
        training.fit(model, x, y, mdn.NegativeLogLikelihood(spec), epochs=200, learning_rate=0.01, seed=seed)
        scores.append(
            -float(np.mean(keras.ops.convert_to_numpy(mdn.predict(model, x_test, batch_size=20_000).log_prob(y_test))))
        )
    assert np.median(scores) <= 1.345


@pytest.mark.jax
def test_the_story_is_told_on_one_page(tmp_path, capsys):
    scores = slides.tell(tmp_path / "demo.html", quick=True, seed=1)
    printed = capsys.readouterr().out
    page = (tmp_path / "demo.html").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["demo.html"]
    assert len(re.findall(r'<img alt="[^"]+" src="data:image/png;base64,', page)) == 6
    assert not re.search(r'(?:src|href)="(?!data:)', page), "the page needs nothing but itself"
    by_name = {score.name: score.nll for score in scores}
    assert by_name["best possible, by quadrature"] < by_name["mixture density network"] < 1.6
    assert by_name["mixture density network"] < by_name["least squares, with the spread of its residuals"]
    for score in scores:
        assert f"{score.nll:.4f}" in printed and f"{score.nll:.4f}" in page
