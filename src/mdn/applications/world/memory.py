"""M, the memory: a recurrent network from (z, action) to the distribution of the next z, the reward and the end."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from mdn import backend
from mdn.applications.world.storage import Experiment
from mdn.distributions import BernoulliSpec, CategoricalSpec, Distribution, JointSpec, MixtureSpec, NormalSpec, Spec
from mdn.distributions.factorised import FactorisedSpec
from mdn.distributions.spec import serializable
from mdn.layers import MDN, FeatureScaling
from mdn.models import save_plain
from mdn.sequences.recurrent import Recurrent

HEADS = ("factorised", "joint")
_FEW = 8  # an environment with at most so many different rewards has classes of rewards, not numbers


def event_spec(latent_size: int, head: str, components: int, rewards: Sequence[float] = ()) -> JointSpec:
    """The spec of a step: a Joint of `latent`, `reward` and `done`.

    Args:
        latent_size: Z.
        head: "factorised": each number of z has a mixture of its own, as in the paper; "joint": one mixture over all of z, whose
            numbers depend on each other through the component that they share.
        components: How many components each mixture has.
        rewards: All values of rewards, if they are few: the reward is then a Categorical over them. Empty: a number.
    """
    if head not in HEADS:
        raise ValueError(f"`head` must be one of {', '.join(map(repr, HEADS))}, but {head!r} came.")
    latent: Spec
    if head == "factorised":
        latent = FactorisedSpec(latent_size, components)
    else:
        latent = MixtureSpec(NormalSpec(latent_size), components)
    reward: Spec = CategoricalSpec(len(rewards)) if rewards else MixtureSpec(NormalSpec(1), components)
    return JointSpec(latent=latent, reward=reward, done=BernoulliSpec(1))


@serializable
class Memory(keras.Model):
    r"""An LSTM over (z, action) that predicts the next step, :math:`p(z_{t+1}, r_{t+1}, d_{t+1} \mid z_{\le t}, a_{\le t})`.

    Inputs are `[z (B, T, Z), actions (B, T, A)]`, outputs packed parameters `(B, T, spec.params_size)` of the step after, in
    the units of the data. The head predicts the change of z, which is then shifted to the parameters of z itself. The head
    reads the inputs, too, not only the LSTM.

    Args:
        latent_size: Z.
        action_size: A.
        rewards, head, components: See `event_spec`.
        units: H, of the LSTM.
        environment: The name of the environment that it learnt from.

    Reference:
        Ha and Schmidhuber (2018), World models, arXiv 1803.10122.
    """

    def __init__(
        self,
        latent_size: int,
        action_size: int,
        rewards: Sequence[float] = (),
        head: str = "factorised",
        components: int = 5,
        units: int = 64,
        environment: str = "",
        **kwargs,
    ):
        super().__init__(**{"name": "memory", **kwargs})
        self.environment = environment
        self.latent_size, self.action_size, self.units = int(latent_size), int(action_size), int(units)
        self.rewards = [float(value) for value in rewards]
        self.kind, self.components = head, int(components)
        self.spec = event_spec(self.latent_size, head, self.components, self.rewards)
        self.scaling = FeatureScaling(name="scaling")
        self.recurrent = Recurrent(self.units, name="lstm")
        self.head = MDN(self.spec, name="head")
        self.scaling.build((None, self.latent_size))
        self.recurrent.build((None, None, self.latent_size + self.action_size))
        self.head.build((None, None, self.latent_size + self.action_size + self.units))
        self.head.target_scaling.build()
        self._moved = np.zeros((self.latent_size, self.spec.params_size), "float32")
        self._moved[:, self.spec.part_slice("latent")] = self.spec.parts["latent"].shift_matrix()
        self.built = True

    def build(self, input_shape=None):
        """Builds nothing, since all sizes follow from the arguments."""
        self.built = True

    def adapt(self, z, change, reward, done) -> Memory:
        """Sets the scaling of z, and the mixture from which training starts.

        Args:
            z: Before each step, `(N, Z)`.
            change: The change of z in each step, `(N, Z)`.
            reward: `(N,)`; indices in `rewards`, if these are few.
            done: `(N,)`.
        """
        self.scaling.adapt(z)
        self.head.adapt({"latent": change, "reward": np.reshape(reward, (-1, 1)), "done": np.reshape(done, (-1, 1))})
        return self

    def call(self, inputs, training=None):
        """Packed parameters `(B, T, spec.params_size)` of whole sequences, from the first state on."""
        z, actions = inputs
        return self.unroll(z, actions, self.first_state(ops.shape(z)[0]))[0]

    def compute_output_shape(self, input_shape):
        """[(B, T, Z), (B, T, A)] -> (B, T, params_size)."""
        return (*input_shape[0][:-1], self.spec.params_size)

    def first_state(self, batch_size: int) -> list:
        """The state before the first step: two arrays `(B, H)`, of which the first is h."""
        return self.recurrent.zero_state(batch_size)

    def unroll(self, z, actions, state):
        """(parameters `(B, T, spec.params_size)`, h after each step `(B, T, H)`, the last state)."""
        read = self._read(z, actions)
        hidden, state = self.recurrent(read, state)
        return self._predicted(z, read, hidden), hidden, state

    def step(self, z, action, state):
        """(parameters `(B, spec.params_size)` of the step after z (B, Z) and an action (B, A), the state after it)."""
        state = self.remember(z, action, state)
        return self._predicted(z, self._read(z, action), state[0]), state

    def remember(self, z, action, state) -> list:
        """The state after z and an action; its first array is h."""
        return self.recurrent.step(self._read(z, action), state)

    def _read(self, z, actions):
        return ops.concatenate([self.scaling(z), ops.cast(actions, self.compute_dtype)], axis=-1)

    def _predicted(self, z, read, hidden):
        params = self.head(ops.concatenate([read, hidden], axis=-1))
        return params + ops.matmul(z, self._moved)

    def parts(self, params) -> dict[str, Distribution]:
        """The distributions of `latent`, `reward` and `done`, from packed parameters."""
        joint = self.spec(params)
        return dict(joint.parts)  # type: ignore[attr-defined]

    def reward_of(self, drawn):
        """Rewards `(*batch,)` from draws of the part `reward`, `(*batch, 1)`."""
        drawn = ops.convert_to_tensor(drawn)[..., 0]
        if not self.rewards:
            return drawn
        return ops.take(ops.convert_to_tensor(self.rewards, "float32"), ops.cast(drawn, "int32"))

    # ---- files -----------------------------------------------------------------------------------------------------

    def save_plain(self, path) -> None:
        """Writes the network without the state of training; an older file at `path` stays until the new one is complete."""
        save_plain(self, path)

    def get_config(self):
        """What `from_config` needs."""
        return {
            "latent_size": self.latent_size,
            "action_size": self.action_size,
            "rewards": self.rewards,
            "head": self.kind,
            "components": self.components,
            "units": self.units,
            "environment": self.environment,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model of a `config` of `get_config`."""
        return cls(**config)


def require_jax(what: str) -> None:
    """Raises a ValueError if Keras runs on another backend than JAX."""
    if backend.NAME != "jax":
        raise ValueError(f"{what} needs JAX, but Keras runs on {backend.NAME!r}: set KERAS_BACKEND=jax.")


def load_memory(experiment: Experiment) -> Memory:
    """M of an experiment.

    Raises:
        ValueError: as `Experiment.load_part` does.
    """
    return experiment.load_part(memory_path(experiment), "M", "remember", Memory)


def memory_path(experiment: Experiment):
    """Where M of an experiment lies, or will lie."""
    return experiment.folder / "remember" / "memory.keras"


def rewards_of(rewards) -> list[float]:
    """All values that rewards take, ascending, if they are few; an empty list if they are many."""
    values = np.unique(np.asarray(rewards, "float32"))
    return [float(value) for value in values] if len(values) <= _FEW else []
