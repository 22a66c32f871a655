"""The dream: M as an environment. Each step, and whether the dream ends, is drawn from the predictions of M."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from mdn.applications.world.controller import Controller
from mdn.applications.world.memory import Memory, require_jax
from mdn.applications.world.senses import Remembered, Senses, senses_of
from mdn.distributions import Joint
from mdn.sequences.program import program_of
from mdn.sequences.sampler import Sampler, check_temperatures


class Dream:
    """Steps of a dream as functions of arrays, and whole dreams in one compiled loop.

    Temperatures change z alone: rewards and ends are drawn with the probabilities of M.

    Args:
        memory: M, trained.
        starts: Where dreams may begin: a normal over z, as (mean, standard deviation), `(S, Z)` each. See `starts_of`.
        component_temperature: Above 1 the weights of mixtures are more alike.
        variance_temperature: Variances are multiplied by it: above 1 a dream is less certain than M predicts.
    """

    def __init__(
        self,
        memory: Memory,
        starts: tuple[np.ndarray, np.ndarray],
        *,
        component_temperature: float = 1.0,
        variance_temperature: float = 1.0,
    ):
        check_temperatures(component_temperature, variance_temperature)
        self.memory = memory
        self.starts = tuple(np.asarray(part, "float32") for part in starts)
        self.temperatures = np.array([component_temperature, variance_temperature], "float32")
        self.sampler = Sampler(memory.spec)
        self._programs: dict = {}

    def step(self, z, action, state, uniforms, normals, temperatures):
        """Draws the step after z (B, Z) and an action (B, A): (z, reward (B,), whether it ends (B,), state).

        Args:
            z, action: See above.
            state: The state of M, before the step.
            uniforms, normals: Random numbers of the step, `(B, self.sampler.uniforms)` and `(B, self.sampler.normals)`.
            temperatures: (component, variance).
        """
        params, state = self.memory.step(z, action, state)
        parts = self.memory.parts(params)
        parts["latent"] = parts["latent"]._with_temperature(temperatures[0], temperatures[1])
        drawn = self.sampler.draw(Joint._new(parts), uniforms, normals)
        size = self.memory.latent_size
        return drawn[:, :size], self.memory.reward_of(drawn[:, size : size + 1]), drawn[:, size + 1] > 0.5, state

    def expected(self, z, action, state, uniforms, normals, temperatures):
        """Draws of the one step after z (1, Z) and an action (1, A), `(N, Z)`: what M expects, as a cloud.

        Args:
            z, action, state, temperatures: As in `step`.
            uniforms, normals: Random numbers, as in `step`, of N draws.
        """
        params, _ = self.memory.step(z, action, state)
        count = len(uniforms)
        parts = self.memory.parts(ops.broadcast_to(params, (count, params.shape[1])))
        parts["latent"] = parts["latent"]._with_temperature(temperatures[0], temperatures[1])
        return self.sampler.draw(Joint._new(parts), uniforms, normals)[:, : self.memory.latent_size]

    def noise(self, rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Random numbers for `step` or `expected`: uniforms and normals of `rows` draws."""
        uniforms = rng.uniform(2.0**-24, 1.0 - 2.0**-24, (rows, self.sampler.uniforms)).astype("float32")
        return uniforms, rng.standard_normal((rows, self.sampler.normals), "float32")

    def program(self, name, function):
        """`function` compiled for this dream, once."""
        if name not in self._programs:
            self._programs[name] = program_of(self.memory, function)
        return self._programs[name]

    def begin(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draws the z with which `count` dreams begin, `(count, Z)`."""
        mean, deviation = self.starts
        rows = rng.integers(len(mean), size=count)
        return mean[rows] + deviation[rows] * rng.standard_normal((count, mean.shape[1]), "float32")

    def returns(
        self,
        controller: Controller,
        parameters,
        episodes: int,
        seed: Sequence[int] | int,
        steps: int,
        senses: Senses | None = None,
    ) -> np.ndarray:
        """The returns of controllers in dreams, `(N, episodes)`, all in one compiled loop.

        All controllers meet the same dreams: the same beginnings, the same random numbers at each step.

        Args:
            controller: Says how parameters are read.
            parameters: `(N, controller.size)`.
            episodes: Dreams of each.
            seed: The seed for all random numbers.
            steps: How many steps a dream has at most.
            senses: What the controller sees beside z; by default its `sees`, with this dream's M.
        """
        require_jax("many dreams in one loop")
        rng = np.random.default_rng(seed)
        parameters = np.asarray(parameters, "float32")
        first = self.begin(episodes, rng)
        if senses is None:
            senses = senses_of(controller.sees, controller.latent_size, self.memory, controller.mirror)
        run = self.program(
            ("returns", controller.key(), steps, type(senses), id(senses.memory)),
            lambda *given: self._returns(controller, senses, steps, *given),
        )
        chance = np.uint32(rng.integers(2**32))
        return np.asarray(run(parameters, first, chance, self.temperatures), "float64")

    def _returns(self, controller, senses, steps, parameters, first, seed, temperatures):
        import jax
        from jax import numpy as jnp

        count, episodes = parameters.shape[0], first.shape[0]
        own = jnp.repeat(parameters, episodes, axis=0)
        z = jnp.tile(first, (count, 1))
        own_state = self.memory.first_state(count * episodes)
        # a controller that sees h of this M needs the same state, which is then kept once
        alike = isinstance(senses, Remembered) and senses.memory is self.memory
        state = own_state, [] if alike else senses.first_state(count * episodes)

        def going(carry):
            t, *_, alive = carry
            return (t < steps) & jnp.any(alive)

        def body(carry):
            t, z, (state, known), total, alive = carry
            one, other = jax.random.split(jax.random.fold_in(jax.random.key(seed), t))
            uniforms = jax.random.uniform(one, (episodes, self.sampler.uniforms))
            normals = jax.random.normal(other, (episodes, self.sampler.normals))
            remembered = state if alike else known
            action = controller.act(own, z, senses.seen(z, remembered))
            known = [] if alike else senses.after(z, action, remembered)
            z, reward, ended, state = self.step(
                z, action, state, jnp.tile(uniforms, (count, 1)), jnp.tile(normals, (count, 1)), temperatures
            )
            return t + 1, z, (state, known), total + jnp.where(alive, reward, 0.0), alive & ~ended

        alive = jnp.ones(count * episodes, bool)
        carry = (0, z, state, jnp.zeros(count * episodes), alive)
        return jax.lax.while_loop(going, body, carry)[3].reshape(count, episodes)


class Dreamer:
    """One dream, a step at a time; needs no Gymnasium.

    Args:
        dream: Whose steps are taken; its `temperatures` may change between steps.

    Attributes:
        z: `(1, Z)`.
        state: The state of M.
    """

    def __init__(self, dream: Dream):
        self.dream = dream
        self._step = dream.program("step", dream.step)
        self._expected = dream.program("expected", dream.expected)

    def begin(self, rng: np.random.Generator, z=None, state=None) -> None:
        """Begins a dream.

        Args:
            rng: For all random numbers from now on.
            z: Where it begins, `(1, Z)`; by default drawn from the starts of the dream.
            state: The state of M at z; by default the first one.
        """
        self._rng, self._beside = rng, rng.spawn(1)[0]  # a cloud leaves the dream as it is
        self.z = self.dream.begin(1, rng) if z is None else np.array(z, "float32")
        self.state = [np.array(part) for part in (self.dream.memory.first_state(1) if state is None else state)]

    def step(self, vector) -> tuple[float, bool]:
        """One step after an action, a vector `(1, A)`: (reward, whether M ends the dream)."""
        noise = self.dream.noise(1, self._rng)
        z, reward, ended, self.state = self._step(self.z, vector, self.state, *noise, self.dream.temperatures)
        self.z = np.asarray(z)
        return float(reward[0]), bool(ended[0])

    def expected(self, z, vector, state, count: int) -> np.ndarray:
        """`count` draws of what follows z (1, Z) and an action (1, A), in this dream or elsewhere; takes no step."""
        noise = self.dream.noise(count, self._beside)
        return np.asarray(self._expected(z, vector, state, *noise, self.dream.temperatures))


def starts_of(latents: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Where dreams may begin: (mean, standard deviation) of z at the first step of each episode, `(N, Z)` each."""
    return (
        np.stack([one.mean[0] for one in latents]),
        np.stack([np.exp(0.5 * one.log_variance[0]) for one in latents]),
    )
