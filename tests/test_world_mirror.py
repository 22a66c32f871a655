"""World models of environments whose left and right are alike: V, M, C and what C sees, in a mirror."""

import keras
import numpy as np
import pytest

import mdn
from mdn.applications.world import controller, environments, memory, remember, senses
from mdn.applications.world.dream import Dream
from mdn.applications.world.storage import Latents
from mdn.applications.world.vision import Vision, signs_of_mirror

pytestmark = pytest.mark.project
pytest.importorskip("gymnasium")
pytest.importorskip("cma")

Z, A, MIRROR = 4, 2, (-1.0, 1.0)


def _seen(what, z, actions) -> np.ndarray:
    """What is seen beside z along episodes of one length."""
    last = np.zeros((1, z.shape[2]), "float32")  # the z after the last step, which nobody asks for
    latents = [
        Latents(np.concatenate([one, last]), np.zeros((len(one) + 1, Z)), acted, np.zeros(len(one)), True, False)
        for one, acted in zip(z, actions, strict=True)
    ]
    return np.stack(senses.along(what, latents))


@pytest.fixture(scope="module")
def m():
    keras.utils.set_random_seed(1)
    return memory.Memory(Z, A, units=6, components=2, environment=environments.CAR_RACING)


@pytest.fixture(scope="module")
def episode():
    """z and actions of three episodes, and what they are in a mirror."""
    rng = np.random.default_rng(0)
    z, actions = rng.normal(size=(3, 5, Z)).astype("float32"), rng.uniform(-1, 1, (3, 5, A)).astype("float32")
    return (z, actions), (z * signs_of_mirror(Z), actions * np.array(MIRROR, "float32"))


def test_half_of_z_changes_its_sign_where_a_frame_is_mirrored(tmp_path):
    keras.utils.set_random_seed(0)
    vision = Vision((16, 16, 3), Z, (4, 8), mirrored=True)
    frames = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3)).astype("uint8")
    mean, log_variance = vision.encode(frames)
    turned, log_turned = vision.encode(frames[:, :, ::-1])
    np.testing.assert_allclose(turned, mean * [1, 1, -1, -1], atol=1e-5)
    np.testing.assert_allclose(log_turned, log_variance, atol=1e-5)
    assert np.abs(mean).min() > 0.0
    vision.save(tmp_path / "v.keras")
    again = mdn.load(tmp_path / "v.keras")
    assert again.mirrored
    np.testing.assert_array_equal(again.encode(frames)[0], mean)
    with pytest.raises(ValueError, match="`latent_size` must be even where left and right are tied, but 3 came"):
        Vision((16, 16, 3), 3, (4, 8), mirrored=True)


def test_files_of_v_from_before_there_were_mirrors_are_read():
    config = Vision((16, 16, 3), Z, (4, 8)).get_config()
    del config["mirrored"]
    assert not Vision.from_config(config).mirrored


@pytest.mark.parametrize("sees", sorted(senses.SEES))
def test_what_is_seen_beside_z_is_the_same_or_changes_its_sign_in_a_mirror(sees, m, episode):
    plain, mirrored = episode
    what = senses.senses_of(sees, Z, m, MIRROR)
    seen, turned = (_seen(what, *one) for one in (plain, mirrored))
    assert seen.shape == (3, 5, what.size) and what.size == {"z": 0, "zz": Z, "zh": 12}[sees]
    np.testing.assert_allclose(turned, seen * np.repeat([1.0, -1.0], what.size // 2), atol=1e-6)
    c = controller.Controller(
        Z, A, "box", hidden_size=what.size, sees=sees, mirror=MIRROR,
        shift=np.zeros(what.size, "float32"), scale=np.full(what.size, 0.5, "float32"),
    )  # fmt: skip
    half = (Z + what.size) // 2
    assert c.size == half + half + 1
    parameters = np.random.default_rng(1).normal(size=(3, c.size)).astype("float32")
    acted, other = (
        np.asarray(c.act(parameters, z[:, 2], h[:, 2])) for (z, _), h in ((plain, seen), (mirrored, turned))
    )
    np.testing.assert_allclose(other, acted * [-1.0, 1.0], atol=1e-5)
    first = np.concatenate([plain[0][0, 2, 2:], seen[0, 2, what.size // 2 :] / 0.5])  # what changes its sign steers
    np.testing.assert_allclose(acted[0, 0], np.tanh(first @ parameters[0, :half]), atol=1e-5)
    described = controller.Controller(**c.describe(), shift=c.shift, scale=c.scale)
    assert described.describe() == c.describe() and described.mirror == MIRROR


def test_a_change_is_that_since_the_step_before(episode):
    (z, actions), _ = episode
    seen = _seen(senses.Change(Z), z, actions)
    np.testing.assert_array_equal(seen[:, 0], 0.0)
    np.testing.assert_allclose(seen[:, 1:], np.diff(z, axis=1), atol=1e-6)


def test_h_beside_z_is_what_m_had_read_before(m, episode):
    (z, actions), _ = episode
    h = _seen(senses.Remembered(m), z, actions)[0]
    np.testing.assert_array_equal(h[0], 0.0)
    _, after, _ = m.unroll(z[:1], actions[:1], m.first_state(1))
    np.testing.assert_allclose(h[1:], np.asarray(after)[0, :-1], atol=1e-6)


def test_episodes_of_other_lengths_are_seen_as_each_alone(m, episode, monkeypatch):
    (z, actions), _ = episode
    ends = [3, 5, 2]
    latents = [
        Latents(
            z[i, : end + 1] if end < 5 else np.concatenate([z[i], z[i, :1]]), None, actions[i, :end], None, True, False
        )
        for i, end in enumerate(ends)
    ]
    whole = _seen(senses.Remembered(m), z, actions)
    monkeypatch.setattr(senses, "_STEPS_AT_ONCE", 10)  # two at a time: the last group is filled up
    for i, (found, end) in enumerate(zip(senses.along(senses.Remembered(m), latents), ends, strict=True)):
        np.testing.assert_allclose(found, whole[i, :end], atol=1e-6)


def test_controllers_that_do_not_fit_are_refused():
    ones = {"shift": np.zeros(4, "float32"), "scale": np.ones(4, "float32")}
    for wrong in (
        {"kind": "discrete", "mirror": MIRROR},
        {"kind": "box", "mirror": (1.0,)},
        {"kind": "box", "mirror": (0.5, 1.0)},
        {"kind": "box", "mirror": MIRROR, "units": 3},
    ):
        with pytest.raises(ValueError, match="left and right can be tied in a linear controller"):
            controller.Controller(Z, A, **wrong)
    with pytest.raises(ValueError, match="a controller that sees 'z' cannot see 4 numbers beside z"):
        controller.Controller(Z, A, hidden_size=4, sees="z", **ones)
    with pytest.raises(ValueError, match="a controller that sees 'x' cannot"):
        controller.Controller(Z, A, sees="x")
    with pytest.raises(ValueError, match="`sees` must be one of 'zh', 'zz', 'z', but 'y' came"):
        senses.senses_of("y", Z)
    with pytest.raises(ValueError, match="a controller that sees h needs M: give `memory`"):
        senses.senses_of("zh", Z)
    # as in files from before there was a choice
    assert controller.Controller(Z, A).sees == "z" and controller.Controller(Z, A, hidden_size=4, **ones).sees == "zh"


def _turning(count: int, sign: float) -> list[Latents]:
    """Episodes in which the later half of z goes up with the steering, always to one side."""
    rng, found = np.random.default_rng(4), []
    for _ in range(count):
        actions = np.stack([sign * rng.uniform(0, 1, 20), rng.uniform(-1, 1, 20)], axis=1).astype("float32")
        z = np.zeros((21, 2), "float32")
        z[1:, 1] = np.cumsum(actions[:, 0] * 0.1)
        z[1:, 0] = np.cumsum(actions[:, 1] * 0.1)
        rewards = rng.normal(size=20).astype("float32")
        found.append(Latents(z, np.full_like(z, -8.0), actions, rewards, False, True))
    return found


def test_m_that_learns_in_a_mirror_knows_the_other_side_as_well(tmp_path):
    right, left = _turning(32, 1.0), _turning(8, -1.0)
    settings = {"epochs": 12, "units": 6, "components": 1, "learning_rate": 3e-2, "batch_size": 8}
    alone, _ = remember.train(right, tmp_path / "alone", **settings)
    both, _ = remember.train(right, tmp_path / "both", mirror=MIRROR, **settings)
    of_left = [remember.nll(one, left)["latent"] for one in (alone, both)]
    assert of_left[1] < of_left[0] - 0.5
    with pytest.raises(ValueError, match="was made with mirror="):
        remember.train(right, tmp_path / "both", **settings)


def test_a_controller_in_a_dream_remembers_both_sides(m):
    starts = np.zeros((1, Z), "float32"), np.ones((1, Z), "float32")
    dream = Dream(m, starts)
    what = senses.senses_of("zh", Z, m, MIRROR)
    ones = {"shift": np.zeros(what.size, "float32"), "scale": np.ones(what.size, "float32")}
    c = controller.Controller(Z, A, "box", hidden_size=what.size, mirror=MIRROR, **ones)
    parameters = np.random.default_rng(2).normal(size=(2, c.size))
    found = dream.returns(c, parameters, 2, seed=1, steps=6)
    # step by step, with the numbers that the loop draws
    import jax

    rng = np.random.default_rng(1)
    z = np.repeat(dream.begin(2, rng)[None], 2, axis=0).reshape(4, Z)
    chance, own = np.uint32(rng.integers(2**32)), np.repeat(parameters, 2, axis=0).astype("float32")
    state, seen, total, alive = m.first_state(4), what.first_state(4), np.zeros(4), np.ones(4, bool)
    for t in range(6):
        one, other = jax.random.split(jax.random.fold_in(jax.random.key(chance), t))
        uniforms = np.tile(jax.random.uniform(one, (2, dream.sampler.uniforms)), (2, 1))
        normals = np.tile(jax.random.normal(other, (2, dream.sampler.normals)), (2, 1))
        action = c.act(own, z, what.seen(z, seen))
        seen = what.after(z, action, seen)
        z, reward, ended, state = dream.step(z, action, state, uniforms, normals, dream.temperatures)
        total += np.where(alive, reward, 0.0)
        alive &= ~np.asarray(ended)
    np.testing.assert_allclose(found.ravel(), total, rtol=1e-3, atol=1e-3)
