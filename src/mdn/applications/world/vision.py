"""V, the vision: an observation in few numbers. A convolutional autoencoder for frames; vectors are only standardised."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops
from scipy import special

from mdn.applications.world.convolutions import Double, Halve
from mdn.applications.world.storage import Experiment
from mdn.distributions.spec import serializable
from mdn.few_shapes import in_blocks, powers_of_two
from mdn.sequences.program import program_of

_ROWS = 256  # observations in one call
_FIRST_LOG_VARIANCE = -3.0


class _Seeing(keras.Model):
    """The common part of both kinds of V: arrays of any length in and out, a compiled program for each direction."""

    def encode(self, observations) -> tuple[np.ndarray, np.ndarray]:
        """Mean and log variance of the normal over z for each observation, `(N, Z)` float32 each.

        Args:
            observations: Frames `(N, H, W, C)`, grey levels or colours from 0 to 255, or vectors `(N, D)`.
        """
        observations = np.asarray(observations)
        if observations.shape[1:] != self.shape:
            raise ValueError(
                f"observations of {self.environment!r} must have the shape {('N', *self.shape)}, but {observations.shape} came."
            )
        mean, log_variance = self._in_batches("_posterior", observations)
        return mean, log_variance

    def decode(self, z) -> np.ndarray:
        """The observations decoded from z, `(N, Z)`: frames `(N, H, W, C)` uint8, or vectors `(N, D)` float32."""
        (found,) = self._in_batches("_seen", np.asarray(z, "float32"))
        return np.round(255.0 * found).astype("uint8") if len(self.shape) == 3 else found

    def encode_mean(self, observations):
        """The mean of z for each observation, as tensors in and out: for use inside compiled functions."""
        return self._posterior(observations)[0]

    def decode_mean(self, z):
        """The observations decoded from z, frames from 0 to 1, as tensors in and out: for use inside compiled functions."""
        return self._seen(z)[0]

    def _in_batches(self, name: str, rows: np.ndarray) -> list[np.ndarray]:
        if name not in self._programs:
            self._programs[name] = program_of(self, getattr(self, name))
        sizes = (_ROWS,) if len(rows) > _ROWS else powers_of_two(_ROWS)
        return list(in_blocks(lambda part: tuple(self._programs[name](part)), rows, sizes=sizes))

    def get_config(self):
        """What `from_config` needs."""
        return {"name": self.name, "environment": self.environment}


@serializable
class Vision(_Seeing):
    r"""A variational autoencoder of frames.

    Strided convolutions predict a normal over z, and their transposes a picture from z. Training minimises, for each frame,

    .. math:: \frac{1}{2 \sigma^2} \sum_{\text{pixels}} (x - \hat x)^2 + \max(KL(q(z \mid x), N(0, 1)), \mathrm{floor}).

    Both are sums: with the mean over pixels the divergence would outweigh the picture, and all frames would share one z.

    Args:
        shape: The shape of a frame, height, width, channels; the sides are divided by 2 for each entry of `filters`.
        latent_size: Z.
        filters: How many filters each convolution has.
        noise: σ, the standard deviation of a pixel in the range 0 to 1; √½ gives the plain squared error of the paper.
        kl_floor: Nats for each number of z; a divergence below it is not reduced further.
        mirrored: Whether z follows a mirror image: if a frame is mirrored, the later half of z changes its sign and the earlier
            half stays as it is. One network reads the frame and its mirror image; the halves of z are half the sum and half the
            difference of its two means, and the log variance is the mean of both.
        environment: The name of the environment of the frames.

    Raises:
        ValueError: if the sides of a frame cannot be halved so often, or if `mirrored` and `latent_size` is odd.

    Reference:
        Ha and Schmidhuber (2018), World models, arXiv 1803.10122; Kingma and Welling (2014), Auto-encoding variational Bayes.
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent_size: int = 32,
        filters: Sequence[int] = (32, 64, 128, 256),
        *,
        noise: float = math.sqrt(0.5),
        kl_floor: float = 0.5,
        mirrored: bool = False,
        environment: str = "",
        **settings,
    ):
        super().__init__(**{"name": "vision", **settings})
        if mirrored and latent_size % 2:
            raise ValueError(f"`latent_size` must be even where left and right are tied, but {latent_size} came.")
        self.shape = tuple(int(size) for size in shape)
        self.latent_size, self.filters = int(latent_size), tuple(int(each) for each in filters)
        self.noise, self.kl_floor, self.environment = float(noise), float(kl_floor), environment
        self.mirrored = bool(mirrored)
        self._programs: dict = {}
        height, width, channels = self.shape
        halvings = 2 ** len(self.filters)
        if height % halvings or width % halvings:
            raise ValueError(
                f"the sides of a frame must be multiples of {halvings} for {len(self.filters)} convolutions that halve it, but "
                f"{height} by {width} came: give fewer `filters`."
            )
        small = (height // halvings, width // halvings, self.filters[-1])
        eye: list = [keras.Input(self.shape)]
        for i, size in enumerate(self.filters):
            eye += [Halve(size, name=f"halve_{i}"), keras.layers.ReLU()]
        self.eye = keras.Sequential(
            [*eye, keras.layers.Flatten(), keras.layers.Dense(2 * self.latent_size, name="posterior")]
        )
        hand: list = [keras.Input((self.latent_size,)), keras.layers.Dense(math.prod(small), "relu", name="unfold")]
        hand.append(keras.layers.Reshape(small))
        for i, size in enumerate(reversed(self.filters[:-1])):
            hand += [Double(size, name=f"double_{i}"), keras.layers.ReLU()]
        self.hand = keras.Sequential([*hand, Double(channels, name="picture"), keras.layers.Activation("sigmoid")])
        self.built = True
        # z begins with little noise: noise as large as its mean would hide it, and all frames would share one picture
        bias = self.eye.layers[-1].bias
        bias.assign(np.repeat([0.0, _FIRST_LOG_VARIANCE], self.latent_size))

    def begin(self, frames) -> None:
        """Sets the untrained weights so that they paint the mean brightness of each channel of `frames`: a faster start."""
        frames = np.asarray(frames)
        count = frames[..., 0].size
        # one grey pixel is added: else a channel that is all black would have an infinite logit
        mean = (frames.sum(axis=(0, 1, 2), dtype="float64") / 255.0 + 0.5) / (count + 1.0)
        self.hand.layers[-2].bias.assign(special.logit(mean))

    def _posterior(self, frames):
        frames = ops.cast(frames, "float32") / 255.0
        if not self.mirrored:
            mean, log_variance = ops.split(self.eye(frames), 2, axis=-1)
            return mean, log_variance
        both = self.eye(ops.concatenate([frames, ops.flip(frames, axis=2)], axis=0))
        one, other = ops.split(both, 2, axis=0)
        (mean, log_variance), (of_mirror, log_of_mirror) = ops.split(one, 2, axis=-1), ops.split(other, 2, axis=-1)
        signs = ops.convert_to_tensor(signs_of_mirror(self.latent_size))
        return 0.5 * (mean + signs * of_mirror), 0.5 * (log_variance + log_of_mirror)

    def _seen(self, z):
        return (self.hand(z),)

    def call(self, frames):
        """The frames decoded from the mean of their z, from 0 to 1."""
        return self.decode_mean(self.encode_mean(frames))

    def costs(self, frames, noise):
        """(squared error a frame, divergence a frame in nats, the loss of training), one number each.

        Args:
            frames: `(B, H, W, C)`, from 0 to 255.
            noise: Standard normal, `(B, Z)`, with which z is drawn.
        """
        mean, log_variance = self._posterior(frames)
        (found,) = self._seen(mean + ops.exp(0.5 * log_variance) * noise)
        error = ops.sum(ops.square(found - ops.cast(frames, "float32") / 255.0), axis=(1, 2, 3))
        divergence = 0.5 * ops.sum(ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance, axis=-1)
        charged = ops.maximum(divergence, self.kl_floor * self.latent_size)
        return ops.mean(error), ops.mean(divergence), ops.mean(error / (2.0 * self.noise**2) + charged)

    def get_config(self):
        """What `from_config` needs."""
        own = ("shape", "latent_size", "filters", "noise", "kl_floor", "mirrored")
        return super().get_config() | {name: getattr(self, name) for name in own}


@serializable
class Standardised(_Seeing):
    """V of vectors: z is the observation, shifted and scaled to mean 0 and standard deviation 1.

    Args:
        shift: `(D,)`.
        scale: `(D,)`; 1 for a number that never changes.
        environment: The name of the environment of the observations.
    """

    def __init__(self, shift: Sequence[float], scale: Sequence[float], *, environment: str = "", **settings):
        super().__init__(**{"name": "standardised", **settings})
        self.shift, self.scale = [float(each) for each in shift], [float(each) for each in scale]
        self.shape, self.latent_size, self.environment = (len(self.shift),), len(self.shift), environment
        self._programs: dict = {}
        self.built = True

    def _posterior(self, observations):
        mean = (ops.cast(observations, "float32") - ops.convert_to_tensor(self.shift)) / ops.convert_to_tensor(
            self.scale
        )
        return mean, ops.full_like(mean, -math.inf)

    def _seen(self, z):
        return (ops.cast(z, "float32") * ops.convert_to_tensor(self.scale) + ops.convert_to_tensor(self.shift),)

    def call(self, observations):
        """The observations decoded from z, which are the observations themselves."""
        return self.decode_mean(self.encode_mean(observations))

    def get_config(self):
        """What `from_config` needs."""
        return super().get_config() | {"shift": self.shift, "scale": self.scale}


def signs_of_mirror(latent_size: int) -> np.ndarray:
    """The factors of z when a frame is mirrored, `(Z,)`: 1 for the earlier half, -1 for the later."""
    return np.repeat(np.array([1.0, -1.0], "float32"), latent_size // 2)


def load_vision(experiment: Experiment) -> Vision | Standardised:
    """V of an experiment.

    Raises:
        ValueError: as `Experiment.load_part` does.
    """
    return experiment.load_part(vision_path(experiment), "V", "see", Vision | Standardised)


def vision_path(experiment: Experiment):
    """Where V of an experiment lies, or will lie."""
    return experiment.folder / "see" / "vision.keras"
