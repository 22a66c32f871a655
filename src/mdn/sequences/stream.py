"""Stream: one event in, one event out, with a state that can be read, saved and restored."""

from __future__ import annotations

import math
import threading

import numpy as np
from keras import ops

from mdn.data import reading, replacing
from mdn.data.archives import plain_arrays
from mdn.data.schema import array
from mdn.masks import unmasked
from mdn.sequences.frozen import Frozen
from mdn.sequences.rollout import Rollout
from mdn.sequences.sampler import Noise, check_temperatures
from mdn.wording import counted

_AHEAD = 256  # steps whose noise is drawn at once
_FORMAT = 2  # in format 1 the state of a linear start may lack the count of known events
_FLOAT = np.dtype("float32")


class Stream:
    """A live sequence: `step` takes the event that happened and returns the next one.

    It keeps a copy of the weights, so that training may go on in another thread, and one lock, so that several threads may
    use it. With the same seed and no events from outside it draws what `MDNRNN.generate` draws.

    Args:
        model: An MDNRNN.
        batch_size: B, how many sequences run side by side.
        condition: `conditions` as `Network` explains them: a tuple of the condition and the context, if the model has them.
        guidance: See `MDNRNN.generate`.
        constrain: See `MDNRNN.generate`.
        seed: An int, or None.
    """

    def __init__(
        self,
        model,
        batch_size: int = 1,
        condition=(),
        guidance: float = 0.0,
        constrain=None,
        seed: int | None = None,
    ):
        self.batch_size = batch_size
        self._model = type(model).from_config(model.get_config())
        for own, theirs in zip(self._model.variables, model.without_carried(model.variables), strict=True):
            own.assign(theirs.value)
        self._size, self._lock = model.spec.target_size, threading.Lock()
        self._rollout = Rollout(self._model, None, constrain, guidance > 0.0)
        self._condition, self._seed = condition, seed
        self._edges = np.cumsum([self._size, *self._rollout.state_widths]).tolist()
        # Row 0 of `inputs`: the event, the settings, the index of the next noise; the rows below: noise for many steps
        sampler = self._rollout.sampler
        self._numbers = sampler.uniforms + sampler.normals
        shape = 1 + _AHEAD, batch_size, max(self._size + 5, self._numbers)
        frozen = Frozen(self._model, self._advance, shape, self._rollout.is_one_row(batch_size))
        self._frozen, inputs = frozen, frozen.inputs
        # Views are made once: making them anew would take a good part of a step's time
        self._first = 0 if batch_size == 1 else slice(None)
        self._event = inputs[0, self._first, : self._size]
        self._shape = self._event.shape
        self._settings, self._used_up = inputs[0, :, self._size : -1], inputs[0, 0, -1:].reshape(())
        self._ahead = inputs[1:, :, : self._numbers]
        self._set = False, 1.0, 1.0
        self._noise = Noise(seed, batch_size, sampler)
        self._settings[:, :4] = *self._set, guidance
        self.reset()

    def reset(self) -> None:
        """Goes back to before the first event. With a seed the noise begins anew, without one it goes on."""
        with self._lock:
            nothing = np.full((self.batch_size, self._size), np.nan, "float32")
            first = self._rollout.first_state(self.batch_size, self._condition)
            self._place(np.concatenate([nothing, *map(ops.convert_to_numpy, first)], axis=-1))
            if self._seed is not None:
                self._noise = Noise(self._seed, self.batch_size, self._rollout.sampler)
            self._draw()

    def _place(self, state: np.ndarray) -> None:
        self._state = self._frozen.place(state)
        self._step = self._frozen.step
        self._fresh = bool(np.isnan(state[:, : self._size]).all())
        view = self._frozen.view
        self._drawn = None if view is None else view[self._first, : self._size]

    def _draw(self) -> None:
        """Draws noise for the next steps."""
        self._ahead[...], self._next = self._noise.steps(_AHEAD), 0

    def step(self, event=None, *, component_temperature: float = 1.0, variance_temperature: float = 1.0) -> np.ndarray:
        """The event that comes after `event`.

        Args:
            event: The event that happened, `(D,)` or `(B, D)`; None continues from the event that `step` returned last.
            component_temperature, variance_temperature: See `MDNRNN.generate`.

        Returns:
            Shape `(B, D)`, or `(D,)` if B is 1.
        """
        settings = event is None, component_temperature, variance_temperature
        with self._lock:
            if settings != self._set:
                check_temperatures(component_temperature, variance_temperature)
            if event is not None:
                event = self._checked(event)
                if self._fresh:  # in training, NaN came before the first event
                    self._set_to((True, 1.0, 1.0))
                    self._go_on()
                self._event[...] = event
            if settings != self._set:
                self._set_to(settings)
            return self._go_on()

    def _set_to(self, settings) -> None:
        """`settings`: whether to continue from the last drawn event instead of one from outside; the two temperatures."""
        self._settings[:, :3] = self._set = settings

    def _go_on(self) -> np.ndarray:
        """Draws the event after the last drawn one, or after the one in `inputs`, as the settings say."""
        at = self._next
        if at == _AHEAD:
            self._draw()
            at = 0
        self._used_up[()] = at
        self._state = self._step(self._state)
        self._next, self._fresh = at + 1, False
        if self._drawn is not None and self._frozen.shows(self._state):
            return self._drawn.copy()
        return self._frozen.read(self._state)[self._first, : self._size].copy()

    def feed(self, events) -> None:
        """Takes events `(T, D)` or `(B, T, D)` as having happened, one after the other.

        Raises:
            ValueError: if they have another shape, or hold a number that is not finite.
        """
        events = np.asarray(unmasked(events), "float32")
        if events.ndim not in (2, 3):
            raise ValueError(
                f"`events` must have shape (T, D) or (B, T, D), but {events.shape} came. For one event: step."
            )
        for t in range(events.shape[-2]):
            self.step(events[..., t, :])

    def _checked(self, event) -> np.ndarray:
        event = np.asarray(unmasked(event), _FLOAT)
        if event.shape != self._shape and event.shape in ((self._size,), (self.batch_size, self._size)):
            event = np.broadcast_to(event, (self.batch_size, self._size))[self._first]
        # For a few numbers this takes a quarter of NumPy's time; in float64 no sum of finite float32 is infinite
        if event.shape != self._shape or not math.isfinite(sum(event.ravel().tolist())):
            raise ValueError(
                f"`event` must be {counted(self._size, 'finite number')}, or have shape ({self.batch_size}, {self._size}), but "
                f"{event.tolist()} came."
            )
        return event

    # ---- the state ---------------------------------------------------------------------------------------------------

    @property
    def state(self) -> np.ndarray:
        """The last event and the network's state, one array `(B, D + all widths of the state)`; it may be assigned."""
        with self._lock:
            return np.array(self._frozen.read(self._state))

    @state.setter
    def state(self, value) -> None:
        value = np.asarray(value, "float32")
        if value.shape != tuple(self._state.shape):
            raise ValueError(f"a state of this stream has shape {tuple(self._state.shape)}, but {value.shape} came.")
        finite = np.isfinite(value)
        nothing = np.isnan(value[:, : self._size]).all()  # before the first event it is NaN
        if not finite[:, self._size :].all() or not (nothing or finite[:, : self._size].all()):
            raise ValueError("a state of a stream must be finite, but NaN or infinity came.")
        with self._lock:
            self._place(np.array(value))

    def save(self, path) -> None:
        """Writes the state to a .npz file, without pickle."""
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, format=_FORMAT, state=self.state)

    def restore(self, path) -> None:
        """Continues from the state that `save` wrote.

        Raises:
            ValueError: if the file holds no such state, or the state of another model.
        """
        try:
            with reading(path, "arrays"):
                found = plain_arrays(path)
                if array(kinds="iu")(found["format"], "format") > _FORMAT:
                    raise ValueError("it was written by a newer version of mdn: upgrade mdn to restore it.")
                self.state = found["state"] if found["format"] > 1 else self._as_now(found["state"])
        except ValueError as error:
            raise ValueError(f"{str(path)!r} holds no state of a stream: {error}") from None

    def _as_now(self, state):
        """The state of a file of format 1."""
        network, widths = self._model, self._rollout.state_widths
        counts = len(widths) // len(network.state_widths) if network.linear else 0
        if not counts or np.ndim(state) != 2 or state.shape[1] + counts != self._edges[-1]:
            return state
        read = 0.0 if np.isnan(state[:, : self._size]).all() else float(network.linear.lags)
        for place in range(counts):
            end = self._edges[place * len(network.state_widths) + len(network.positions[:1]) + 1] - 1
            state = np.insert(state, end, read, axis=1)
        return state

    def _advance(self, inputs, state):
        """The state (B, D + widths) after a step. `inputs` holds everything else, since each argument costs a microsecond.

        Its first row holds the event, whether to continue from the last drawn event instead, the two temperatures and
        guidance, and, as its last number, the index of the row below that holds the noise of this step.
        """
        event, settings = inputs[0, :, : self._size], inputs[0, 0, self._size : self._size + 4]
        noise = inputs[1:, :, : self._numbers][ops.cast(inputs[0, 0, -1], "int32")]
        last, *cells = ops.split(state, self._edges[:-1], axis=-1)
        event = ops.where(settings[0] > 0.0, last, event)
        uniforms, normals = self._rollout.sampler.parted(noise)
        event, cells = self._rollout.step(event, cells, uniforms, normals, settings[1:], self._condition)
        return ops.concatenate([ops.cast(event, "float32"), *cells], axis=-1)
