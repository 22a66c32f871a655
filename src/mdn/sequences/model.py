"""MDNRNN: a recurrent network that predicts the distribution of the next event, given all events before it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np

from mdn import backend
from mdn.distributions.spec import serializable
from mdn.few_shapes import blocks, fitting, in_blocks, powers_of_two
from mdn.losses import NegativeLogLikelihood
from mdn.sequences.network import Network
from mdn.sequences.ragged import Batches, Windows, as_sequences, bucket_lengths, check_given, padded, shifted
from mdn.sequences.rollout import Rollout
from mdn.sequences.sampler import check_temperatures
from mdn.sequences.training import BestWeights, Kept, adam, schedule
from mdn.training.checkpoints import Checkpoints, digest, digest_of_description
from mdn.training.interrupt import ctrl_c_waits

_ROWS_AT_ONCE = 32_768  # steps of a prediction
_SCORED_AT_ONCE = (256, 2048, 16_384)  # steps whose densities are found by one program: each size is compiled once


@serializable
class MDNRNN(Network):
    r"""The distribution of each event of a sequence given those before it, :math:`p(x_t \mid x_1, \dots, x_{t-1})`.

    Inputs `(B, T, D)` are the events *before* each step, NaN where there is none (before the first); outputs are packed
    parameters `(B, T, spec.params_size)` of the events at these steps, in data units. `fit`, `log_prob` and `generate` take
    and give events and do the rest.

    Args:
        spec: Of an event, such as `MixtureSpec(NormalSpec(2), 10)`, or a JointSpec of offsets and a pen.
        units: Of each recurrent layer.
        cell: "lstm", "gru" or "layer_norm_lstm".
        dropout: Share of each layer's outputs left out in training.
        skip: Whether each layer also reads the event, and the head reads all layers (Graves 2013).
        positions: Columns of an event that are offsets, such as (0, 1): the network also reads where they have led so far.
        condition_size: C, if each sequence comes with a vector `(C,)` that holds for all of its steps.
        condition_starts: Whether that vector also decides what the network remembers before the first step.
        context_size: S, if each sequence comes with an array `(U, S)`, such as a text of U letters, over which the first layer
            moves a soft window; see `Window`.
        window_components: Parts of that window.
        recurrent_dropout: See `Recurrent`.

    Example:
        >>> import numpy as np, mdn
        >>> model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(1), 2), units=(16,))
        >>> walks = [np.cumsum(np.random.default_rng(i).normal(size=(20 + i, 1)), axis=0) for i in range(8)]
        >>> history = model.fit(walks, epochs=1, verbose=0)
        >>> model.generate(steps=5, batch_size=3, seed=0).shape
        (3, 5, 1)

    Reference:
        Graves (2013), Generating sequences with recurrent neural networks, arXiv 1308.0850.
    """

    # ---- learning --------------------------------------------------------------------------------------------------

    def adapt(self, sequences) -> MDNRNN:
        """Sets how events are scaled on their way in and out, and the mixture that training starts from."""
        rows = as_sequences(sequences, self.spec.target_size)
        events = np.concatenate(rows)
        self.encoding.adapt(events)
        if self.place is not None:
            self.place.adapt(np.concatenate([np.cumsum(np.nan_to_num(one[:, self.positions]), axis=0) for one in rows]))
        self.head.adapt(events)
        self.adapted = True
        return self

    def fit(
        self,
        sequences,
        validation_data=None,
        *,
        condition=None,
        context=None,
        epochs: int = 50,
        batch_size: int = 32,
        given: int = 0,
        window: int | None = None,
        buckets: int = 4,
        augment=None,
        learning_rate: float = 3e-3,
        optimizer=adam,
        patience: int | None = None,
        seed: int = 0,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose="auto",
        checkpoint=None,
    ) -> keras.callbacks.History:
        """Learns from whole sequences; ends with the weights that were best on `validation_data`, if there are any.

        A model that you did not compile is compiled with `optimizer` and a rate that falls along a cosine, each time anew; one
        that was not adapted is adapted first. Ctrl-C ends training after the step that runs and keeps the best weights; a
        second one also leaves out scoring them. Meanwhile `generate`, `log_prob` and `stream` may be called in other threads:
        they wait for the end of a step, and the next step waits for them.

        Args:
            sequences: A list of arrays `(T_i, D)`, an array `(N, T, D)` with NaN behind the ends, or `(points, offsets)`.
            validation_data: Sequences in the same form, or `(sequences, condition)`, `(sequences, context)` or
                `(sequences, condition, context)`, as the model has them.
            condition: Shape `(N, C)`.
            context: A list of N arrays `(U_i, S)`.
            epochs: At most.
            batch_size: Sequences a step.
            given: How many events at the start of each sequence are read but neither learned nor scored.
            window: If set, sequences are cut into windows of so many steps, and the state goes on from window to window
                (truncated backpropagation): for recordings too long to be learned whole.
            buckets: How many lengths batches may have; each is compiled once.
            augment: A function `(sequence, generator) -> sequence` that changes sequences anew each epoch.
            learning_rate: At the start; not used where the model is compiled already, nor is `optimizer`.
            optimizer: A function of the rate: `mdn.sequences.adam`, or `muon`, or your own.
            patience: Epochs without a better validation NLL before it stops.
            seed: Of the order.
            callbacks: As in Keras; logs hold "val_nll", mean nats a step.
            verbose: As in Keras.
            checkpoint: A folder, if the training is to survive its process: after each epoch all of it is written there, and a
                training of the same data and settings goes on where one was killed, to the same bits.

        Raises:
            KeyboardInterrupt: if Ctrl-C was pressed before the first step.
            ValueError: if `checkpoint` holds a training of other data or settings, or is damaged.
        """
        for name, value in (("epochs", epochs), ("batch_size", batch_size), ("buckets", buckets), ("window", window)):
            if value is not None and value < 1:
                raise ValueError(f"`{name}` must be at least 1, but {value} came.")
        rows = as_sequences(sequences, self.spec.target_size)
        conditions = self._conditions(condition, context, len(rows))
        held_out = self._held_out(validation_data)
        check_given(rows, given)
        if held_out is not None:
            check_given(held_out[0], given, "validation_data")
        if not self.adapted:
            self.adapt(rows)
        if window is None:
            batches = Batches(
                rows, conditions, batch_size=batch_size, given=given, buckets=buckets, augment=augment, seed=seed
            )
        else:
            batches = Windows(
                rows, conditions, batch_size=batch_size, given=given, window=window, augment=augment, seed=seed
            )
        if not self.compiled or self._compiled_by_fit:
            self.compile(
                optimizer=optimizer(schedule(learning_rate, len(batches) * epochs)),
                loss=NegativeLogLikelihood(self.spec),
            )
            self._compiled_by_fit = True
        keras.utils.set_random_seed(seed)
        with ctrl_c_waits() as pressed, self._turns.training():
            pressed.begin()
            best = BestWeights(held_out, given, patience, pressed)
            self._carry(None if window is None else batch_size)
            try:
                every, done, kept = [best, self._turns, *callbacks], 0, None
                if checkpoint is not None:
                    settings = {
                        "network": digest_of_description(self), "optimizer": digest_of_description(self.optimizer),
                        "loss": digest_of_description(self.loss), "weights at the start": digest(self.get_weights()),
                        "data": digest(rows, conditions, *(() if held_out is None else (held_out[0], *held_out[1].values()))),
                        "epochs": epochs, "batch_size": batch_size, "given": given, "window": window, "buckets": buckets,
                        "patience": patience, "seed": seed, "augment": getattr(augment, "__qualname__", None),
                    }  # fmt: skip
                    kept = Kept(Checkpoints(checkpoint, settings), batches, best)
                    done = kept.resume(self)
                    every.insert(1, kept)
                ends = done if best.is_over else epochs
                history = super().fit(
                    batches, initial_epoch=done, epochs=ends, shuffle=False, callbacks=every, verbose=verbose
                )
                return history if kept is None else kept.whole(history)
            except KeyboardInterrupt:  # of a callback or a handler of the caller's, or the third
                if not best.repair(self):
                    raise
                return self.history
            finally:
                self._carry(None)
                best.restore(self)

    def _carry(self, batch_size: int | None) -> None:
        if (self._carried is None) != (batch_size is None):
            self.make_train_function(force=True)
        for variable in self._carried or ():
            self._untrack_variable(variable)  # what only training carries is no part of the model, or of its file
        self._tracker.unlock()
        self._carried = None
        if batch_size is not None:
            self._carried = [
                keras.Variable(np.zeros((batch_size, width), "float32"), trainable=False, name="carried")
                for width in self.state_widths
            ]
        self._tracker.lock()

    def _held_out(self, data):
        if data is None:
            return None
        named = [name for name in ("condition", "context") if self._asks_for(name)]
        sequences, *beside = data if named else (data,)
        if len(beside) != len(named):
            raise ValueError(
                f"`validation_data` must be (sequences, {', '.join(named)}), but {1 + len(beside)} parts came."
            )
        return as_sequences(sequences, self.spec.target_size, "validation_data"), dict(zip(named, beside, strict=True))

    @property
    def given_size(self) -> int:
        """The width of the condition that comes with each sequence in `fit` and `log_prob`."""
        return self.condition_size

    def _asks_for(self, name: str) -> bool:
        return (self.given_size if name == "condition" else self.context_size) > 0

    def _conditions(self, condition, context, rows: int) -> tuple:
        """Arrays of what comes with each sequence, `(rows, C)` and `(rows, U, S)`, those that the model asks for."""
        found = []
        if condition is not None or self.given_size:
            if condition is None or np.shape(condition) not in ((rows, self.given_size), (rows, self.condition_size)):
                came = "none came" if condition is None else f"{np.shape(condition)} came"
                raise ValueError(f"`condition` must have shape ({rows}, {self.given_size}), but {came}.")
            found.append(np.asarray(condition, "float32"))
        if context is not None or self.context_size:
            found.append(self._contexts(context, rows))
        return tuple(found)

    def _contexts(self, context, rows: int) -> np.ndarray:
        wanted = f"`context` must be a list of {rows} arrays (U, {self.context_size}), U at least 1"
        if not self.context_size:
            raise ValueError("a context came, but this model was made with context_size=0.")
        if context is None or len(context) != rows:
            raise ValueError(f"{wanted}, but {'none' if context is None else len(context)} came.")
        shapes = [np.shape(one) for one in context]
        bad = next((s for s in shapes if len(s) != 2 or s[1] != self.context_size or s[0] == 0), None)
        if bad is not None:
            raise ValueError(f"{wanted}, but one has shape {bad}.")
        # zeros show nothing, so all contexts may be as long as the longest; few lengths, since each is compiled
        longest = 16 * math.ceil(max(s[0] for s in shapes) / 16)
        filled = np.zeros((rows, longest, self.context_size), "float32")
        for row, one in zip(filled, context, strict=True):
            row[: len(one)] = one
        return filled

    # ---- judging ---------------------------------------------------------------------------------------------------

    def log_prob(self, sequences, condition=None, context=None) -> list[np.ndarray]:
        """Log density of each event given those before it, in nats and data units: a list of arrays `(T_i,)`."""
        rows = as_sequences(sequences, self.spec.target_size)
        conditions = self._conditions(condition, context, len(rows))
        lengths = bucket_lengths([len(one) for one in rows], 8)
        found: list = [None] * len(rows)
        for length in np.unique(lengths):
            group = np.flatnonzero(lengths == length)
            most = 2 ** max(0, int(math.log2(max(1, _ROWS_AT_ONCE // length))))
            for filled, new in blocks(group, (fitting(len(group), powers_of_two(most)),)):
                batch = padded([rows[i] for i in filled], length)
                before = shifted(batch)
                inputs = [before, *(part[filled] for part in conditions)] if conditions else before
                values = self._scores(inputs, batch)
                for i, value in zip(filled[:new], values, strict=False):
                    found[i] = value[: len(rows[i])]
        return found

    def _scores(self, inputs, batch) -> np.ndarray:
        with self._turns.turn():
            params = np.asarray(keras.ops.convert_to_numpy(self.predict_on_batch(inputs)))
        there = ~np.isnan(batch).all(axis=-1)  # what lies behind an end is no step
        found = np.zeros(there.shape)
        found[there] = _log_prob_of_steps(self.spec, params[there], batch[there])
        return found

    def nll(self, sequences, condition=None, context=None, given: int = 0) -> float:
        """Mean nats a step over all steps of all sequences but the first `given` of each, in data units."""
        scores = self.log_prob(sequences, condition, context)
        check_given(scores, given)
        return -float(np.mean(np.concatenate([one[given:] for one in scores])))

    # ---- going on --------------------------------------------------------------------------------------------------

    def generate(
        self,
        steps: int,
        batch_size: int = 1,
        prime=None,
        *,
        condition=None,
        context=None,
        component_temperature: float = 1.0,
        variance_temperature: float = 1.0,
        guidance: float = 0.0,
        stop=None,
        constrain=None,
        seed: int | None = None,
    ):
        """New sequences, in one compiled loop.

        Args:
            steps: How many events each, at most.
            batch_size: How many sequences.
            prime: What came before: one array `(T, D)` for all, or a list of `batch_size` arrays; they may differ in length,
                and be of any: they are read step by step, and only the state goes on.
            condition: Shape `(batch_size, C)`, or `(C,)` for all.
            context: A list of `batch_size` arrays `(U, S)`, or one for all.
            component_temperature: Above 1 the weights of the mixture are more alike, below 1 the likeliest win.
            variance_temperature: What variances are multiplied by: 0.1 is neat, 1 is honest.
            guidance: How much more than in training the context counts: at g about p(event | context)^(1 + g) / p(event)^g is
                drawn from; 0: p(event | context) itself. For a model that was trained with some contexts all zeros: that is how
                it is asked for p(event). A step then takes about twice as long.
            stop: A function of events `(B, D)`, in keras.ops, that says `(B,)` which are the last of their sequence.
            constrain: A function `(event, place) -> event` of tensors, in keras.ops: clamps, say. `place` is where the
                offsets of `positions` had led before the event; None in a model without. In a model with a context this
                function and `stop` are also given what each place of it weighs at the step, `(B, U)`, and the context, zeros
                behind its end.
            seed: An int for the same sequences each time, on each backend.

        Returns:
            An array `(batch_size, steps, D)`; with `stop` a list of arrays, the last event of each included.
        """
        if int(steps) < 1:
            raise ValueError(f"`steps` must be at least 1, but {steps} came.")
        temperatures = component_temperature, variance_temperature, guidance
        check_temperatures(*temperatures)
        hooks = stop, constrain, self._is_guided(guidance)
        if hooks not in self._rollouts:
            self._rollouts[hooks] = Rollout(self, *hooks)
        primes, beside = self._primes(prime, batch_size), self._broadcast(condition, context, batch_size)
        with self._turns.turn():
            return self._rollouts[hooks](primes, int(steps), beside, temperatures, seed)

    def stream(
        self,
        batch_size: int = 1,
        *,
        condition=None,
        context=None,
        guidance: float = 0.0,
        constrain=None,
        seed: int | None = None,
    ):
        """One event in, one out: a `Stream` with the weights as they are now, safe to use while training goes on."""
        from mdn.sequences.stream import Stream

        check_temperatures(1.0, 1.0, guidance)
        self._is_guided(guidance)  # which refuses what can't be
        beside = self._broadcast(condition, context, batch_size)
        with self._turns.turn():
            return Stream(self, batch_size, beside, guidance, constrain, seed)

    def _is_guided(self, guidance: float) -> bool:
        if guidance > 0.0 and not self.context_size:
            raise ValueError("`guidance` is by a context, but this model was made with context_size=0.")
        return guidance > 0.0

    def _primes(self, prime, batch_size: int) -> list[np.ndarray]:
        if prime is None:
            return [np.empty((0, self.spec.target_size), "float32")] * batch_size
        if hasattr(prime, "ndim") and prime.ndim == 2:
            prime = [prime] * batch_size
        found = as_sequences(prime, self.spec.target_size, "prime")
        if len(found) != batch_size:
            raise ValueError(f"`prime` must be one sequence or batch_size={batch_size} of them, but {len(found)} came.")
        return found

    def _broadcast(self, condition, context, batch_size: int) -> tuple:
        if condition is not None and np.ndim(condition) == 1:
            condition = np.tile(condition, (batch_size, 1))
        if context is not None and hasattr(context, "ndim") and context.ndim == 2:
            context = [context] * batch_size
        return self._conditions(condition, context, batch_size)


def _log_prob_of_steps(spec, params, y) -> np.ndarray:
    """Log densities `(N,)` of events `(N, D)`, found for a few numbers of steps at once only.

    The program of a mixture of correlated normals takes seconds to compile, minutes on a busy machine; lengths of sequences, of
    which there are many, must make no programs of their own.
    """
    if not len(y):
        return np.zeros(0)
    return in_blocks(lambda params, y: _log_prob_observed(params, y, spec=spec), params, y, sizes=_SCORED_AT_ONCE)


@backend.compiled(static=("spec",))
def _log_prob_observed(params, y, spec):
    return spec(params).log_prob_observed(y)


def reads_only(model, size: int, positions: list[int]) -> bool:
    """Whether a model is an MDNRNN of events of `size` numbers, offsets at `positions`, and reads nothing beside them.

    Models of other kinds, which know classes, texts or hands, may have events of the same size.
    """
    plain = type(model) is MDNRNN and not model.condition_size and not model.context_size
    return plain and model.spec.target_size == size and model.positions == positions
