"""Stream: one event in, one event out, with a state that can be looked at, saved and put back."""

from __future__ import annotations

import functools
import math
import threading
from typing import Any

import keras
import numpy as np
from keras import ops

from mdn import backend
from mdn.data import replacing
from mdn.sequences.rollout import Rollout, compiled
from mdn.sequences.sampler import Noise, check_temperatures

_AHEAD = 64  # steps whose noise is drawn at once
_ALIGNED = 16  # numbers in 64 bytes, at multiples of which JAX's arrays begin


class Stream:
    """A model at work: `step` takes what happened and gives what comes next.

    It keeps a copy of the weights, so that training may go on in another thread, and one lock, so that several threads may
    use it. With the same seed and no events from outside it draws what `MDNRNN.generate` draws.

    Args:
        model: An MDNRNN.
        batch_size: B, how many streams side by side.
        condition: Shape `(B, C)`, or None.
        constrain: See `MDNRNN.generate`.
        seed: An int, or None.
    """

    def __init__(self, model, batch_size: int = 1, condition=None, constrain=None, seed: int | None = None):
        self.batch_size = batch_size
        self._model = type(model).from_config(model.get_config())
        for own, theirs in zip(self._model.variables, model.variables, strict=True):
            own.assign(theirs.value)
        self._size, self._lock = model.spec.target_size, threading.Lock()
        self._rollout = Rollout(self._model, None, constrain)
        self._condition, self._seed = condition, seed
        self._edges = np.cumsum([self._size, *model.state_widths]).tolist()
        given = (batch_size, self._size + self._rollout.sampler.uniforms + self._rollout.sampler.normals + 3)
        self._step, self._placed = _frozen(self._model, self._advance, given)
        self.reset()

    def reset(self) -> None:
        """Back to before the first event; noise goes on, or begins anew with a seed."""
        with self._lock:
            nothing = np.full((self.batch_size, self._size), np.nan, "float32")
            first = self._model.first_state(self.batch_size, self._condition)
            self._state = np.concatenate([nothing, *map(ops.convert_to_numpy, first)], axis=-1)
            self._state, self._fresh = self._placed(self._state), True
            if self._seed is not None or not hasattr(self, "_noise"):
                self._noise = Noise(self._seed, self.batch_size, self._rollout.sampler)
            self._draw()

    def _draw(self) -> None:
        """Noise for steps to come, and beside it room for what else a step is given: see `_advance`."""
        uniforms, normals = self._noise.steps(_AHEAD)
        event = np.zeros((_AHEAD, self.batch_size, self._size), "float32")
        goes_on, temperatures = np.zeros_like(event[..., :1]), np.ones_like(uniforms, shape=(*event.shape[:2], 2))
        self._given, self._next = np.concatenate([event, uniforms, normals, goes_on, temperatures], axis=-1), 0

    def step(self, event=None, *, component_temperature: float = 1.0, variance_temperature: float = 1.0) -> np.ndarray:
        """The event that comes after `event`.

        Args:
            event: What happened, `(D,)` or `(B, D)`; None goes on from the event that was given last.
            component_temperature, variance_temperature: See `MDNRNN.generate`.

        Returns:
            Shape `(B, D)`, or `(D,)` if B is 1.
        """
        tempered = component_temperature != 1.0 or variance_temperature != 1.0
        if tempered:
            check_temperatures(component_temperature, variance_temperature)
        with self._lock:
            if event is not None:
                event = self._checked(event)
                if self._fresh:  # a network has learnt to begin with nothing before the first event
                    self._take(None)
            given = component_temperature, variance_temperature
            drawn = self._take(event, given if tempered else None)
        return drawn[0] if self.batch_size == 1 else drawn

    def _take(self, event, temperatures=None) -> np.ndarray:
        """The event drawn after `event`, or after the last one; the state is then that after it."""
        if self._next == _AHEAD:
            self._draw()
        given = self._given[self._next]
        if event is None:
            given[:, -3] = 1.0
        else:
            given[:, : self._size] = event
        if temperatures is not None:
            given[:, -2:] = temperatures
        self._next, self._fresh = self._next + 1, False
        self._state = self._step(self._state, given)
        return _read(self._state)[:, : self._size].copy()

    def feed(self, events) -> None:
        """Takes events `(T, D)` or `(B, T, D)` as having happened, one after the other."""
        events = np.asarray(events, "float32")
        if events.ndim not in (2, 3):
            raise ValueError(
                f"`events` must have shape (T, D) or (B, T, D), but {events.shape} came. For one event: step."
            )
        for t in range(events.shape[-2]):
            self.step(events[..., t, :])

    def _checked(self, event) -> np.ndarray:
        event = np.asarray(event, "float32")
        fits = event.shape == (self._size,) or event.shape == (self.batch_size, self._size)
        # for a few numbers in half the time of NumPy's own
        if not fits or not all(map(math.isfinite, event.ravel().tolist())):
            raise ValueError(
                f"`event` must be {self._size} finite numbers, or have shape ({self.batch_size}, {self._size}), but "
                f"{event.tolist()} came."
            )
        return event

    # ---- the state ---------------------------------------------------------------------------------------------------

    @property
    def state(self) -> np.ndarray:
        """The last event and all cells, one array `(B, D + units of all cells)`; may be assigned."""
        return np.array(_read(self._state))

    @state.setter
    def state(self, value) -> None:
        value = np.asarray(value, "float32")
        if value.shape != tuple(self._state.shape):
            raise ValueError(f"a state of this stream has shape {tuple(self._state.shape)}, but {value.shape} came.")
        with self._lock:
            self._state = self._placed(np.array(value))
            self._fresh = bool(np.isnan(value[:, : self._size]).all())

    def save(self, path) -> None:
        """Writes the state to a .npz file, without pickle."""
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, format=1, state=self.state)

    def restore(self, path) -> None:
        """Takes up the state that `save` wrote.

        Raises:
            ValueError: if the file is no such state, or that of another model.
        """
        try:
            with np.load(path, allow_pickle=False) as found:
                state = found["state"]
        except (KeyError, ValueError, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise ValueError(f"{str(path)!r} holds no state of a stream: {error}") from None
        self.state = state

    def _advance(self, state, given):
        """The state (B, D + units) after a step.

        `given` holds the event, uniforms, normals, whether the last event goes on instead, and the two temperatures.
        One array beside the state: each argument of a compiled call costs a microsecond or more.
        """
        noise = self._size + self._rollout.sampler.uniforms
        event, uniforms, normals = given[:, : self._size], given[:, self._size : noise], given[:, noise:-3]
        last, *cells = ops.split(state, self._edges[:-1], axis=-1)
        event = ops.where(given[:, -3:-2] > 0.0, last, event)
        event, cells = self._rollout.step(event, cells, uniforms, normals, given[0, -2:], self._condition)
        return ops.concatenate([ops.cast(event, "float32"), *cells], axis=-1)


# Keras' own way takes 5 µs more
_read = np.asarray if backend.NAME == "jax" else ops.convert_to_numpy


def _frozen(model, function, shape):
    """(`function` of a state and an array of `shape` as one program, what brings a state to where that program runs).

    The weights of `model` are constants in it: as arguments they would cost as much as the arithmetic of a small model.
    """
    if backend.NAME != "jax":
        return compiled(model, function), lambda state: state
    import jax

    weights = [ops.convert_to_numpy(v.value) for v in model.variables]

    @jax.jit
    def program(state, given):
        with keras.StatelessScope(state_mapping=list(zip(model.variables, weights, strict=True))):
            return function(state, given)

    # Where a program runs follows from where its state is. The other array is written into memory that JAX sees as one of
    # its own, where it can be had: to make a new one at each step takes a sixth of it. Whoever calls reads the new state
    # before the next call, so nothing is overwritten that is still being read.
    device, memory = _inline_device(), _aligned(shape)
    seen = jax.device_put(memory, device, may_alias=True)
    if device is None or seen.unsafe_buffer_pointer() != memory.ctypes.data:
        return program, functools.partial(jax.device_put, device=device)

    def run(state, given):
        memory[...] = given
        return program(state, seen)

    return run, functools.partial(jax.device_put, device=device)


def _aligned(shape) -> np.ndarray:
    """Zeros, float32, that begin where JAX's own arrays do."""
    size = int(np.prod(shape))
    room = np.zeros(size + _ALIGNED, "float32")
    first = -room.ctypes.data % (4 * _ALIGNED) // 4
    return room[first : first + size].reshape(shape)


@functools.cache
def _inline_device():
    """A JAX CPU device that computes in the thread that calls; None, the usual device, where it cannot be had.

    JAX's own CPU client hands every program of 1,000 or more operations to another thread. That thread's waking up, and
    the caller's after it, take several times as long as a step of a small model.
    """
    if not backend.on_cpu():
        return None
    try:
        from jaxlib import xla_client

        client: Any = xla_client.make_cpu_client(asynchronous=False)
        return client.devices()[0]
    except (ImportError, AttributeError, TypeError):  # not a part of JAX that is promised to stay
        return None
