"""MDNRNN: a recurrent network that predicts the distribution of the next event from all events before it."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from mdn.distributions.spec import serializable
from mdn.losses import NegativeLogLikelihood
from mdn.random import seeded
from mdn.sequences import plan, together, trial
from mdn.sequences.conditions import as_conditions, for_all
from mdn.sequences.inputs import as_primes, as_sequences, check_given
from mdn.sequences.material import material
from mdn.sequences.network import Network
from mdn.sequences.program import program_of
from mdn.sequences.ragged import lengths_of
from mdn.sequences.rollout import Rollout
from mdn.sequences.sampler import check_temperatures
from mdn.sequences.scores import log_prob_of_steps, params_of_steps
from mdn.sequences.training import BestWeights, Kept, adam, schedule
from mdn.training.checkpoints import Checkpoints, OwnFolder, digest, digest_of_description
from mdn.training.interrupt import ctrl_c_waits


@serializable
class MDNRNN(Network):
    r"""The distribution of each event of a sequence given the events before it, p(xₜ | x₁, …, xₜ₋₁).

    Inputs `(B, T, D)` are the events *before* each step, NaN before the first; outputs are the packed params
    `(B, T, spec.params_size)` of the events at these steps, in data units. `fit`, `log_prob` and `generate` take and return
    the events themselves, and shift and pad them.

    Args:
        spec: The spec of an event, such as `MixtureSpec(NormalSpec(2), 10)`, or a JointSpec of offsets and a pen.
        units: The units of each recurrent layer.
        cell: "lstm", "gru" or "layer_norm_lstm".
        dropout: Share of each layer's outputs left out in training.
        skip: Whether each layer also reads the event, and the head reads all layers (Graves 2013).
        positions: Columns of an event that are offsets, such as (0, 1): the network also reads their sums up to each step.
        condition_size: C, if each sequence has a condition: a vector `(C,)` that holds for all of its steps.
        condition_starts: Whether the condition also sets the state before the first step.
        context_size: S, if each sequence has a context `(U, S)`, such as U letters; the first layer moves a `Window` over it.
        window_components: How many parts that window has.
        recurrent_dropout: See `Recurrent`.
        lags: How many events back a linear autoregression looks, from which the model starts: it moves each distribution, and
            the network adds what is not linear. 0: none; None: 60, or fewer if events have more than five numbers.
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
        """Learns from `sequences` how to scale events in and out, and which mixture training starts from."""
        rows = as_sequences(sequences, self.spec.target_size)
        self.encoding.adapt(np.concatenate(rows))
        if self.place is not None:
            self.place.adapt(np.concatenate([np.cumsum(np.nan_to_num(one[:, self.positions]), axis=0) for one in rows]))
        self.head.adapt(np.concatenate(rows if self.linear is None else self.linear.adapt(rows)))
        self.adapted, self._told = True, False
        return self

    def fit(
        self,
        sequences,
        validation_data=None,
        *,
        condition=None,
        context=None,
        epochs: int | None = None,
        batch_size: int | None = None,
        given: int = 0,
        window: int | str | None = "auto",
        buckets: int = 4,
        encode=None,
        learning_rate: float = 3e-3,
        optimizer=adam,
        patience: int | None = None,
        seed: int = 0,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose="auto",
        checkpoint=None,
    ) -> keras.callbacks.History:
        """Learns from whole sequences. With `validation_data`, the model ends with the weights that scored best on them.

        `fit` compiles a model that you did not compile yourself, with `optimizer` and a rate that falls along a cosine, and
        adapts one that was not adapted. If you say nothing, it trains for at least 50 epochs and 2,000 steps, and holds a tenth
        of the sequences out (of fewer than ten: the end of each), which says which epoch was best. Of up to 6,000 events, short
        trainings say whether it starts from a line, and whether a quarter of the epochs is enough (docs/sequences.md). Ctrl-C
        ends training after the running step and keeps the best weights; a second press skips their scoring. Other threads
        may call `generate`, `log_prob` and `stream`: they take turns with the steps.

        Args:
            sequences: A list of arrays `(T_i, D)`, an array `(N, T, D)` with NaN behind the ends, or `(points, offsets)`; with
                `encode` a list of items. Or a source that need not fit into memory: `Shards`, a folder, a path, a pattern such as
                "walks/*.npz", a list of paths, or a function that returns an iterator of arrays (see `Shards`).
            validation_data: Events in these forms, or `(events, condition)`, `(events, context)`, `(events, condition, context)`.
            condition: Shape `(N, C)`.
            context: A list of N arrays `(U_i, S)`.
            epochs: How many epochs at most. None leaves it to `fit`, which then also holds events out if there is no
                `validation_data`.
            batch_size: Sequences a step; None: 32, or fewer if there are few and `epochs` is None.
            given: How many events at the start of each sequence are read but neither learned nor scored.
            window: Sequences are cut into windows of this many steps, and each window starts from the state that the one
                before it left (truncated backpropagation): for recordings too long to be learned whole. "auto": 100 if a
                sequence is longer than 400 steps, and a few long sequences are cut so that all rows of a step are filled.
                None: whole sequences.
            buckets: How many lengths batches may have; each is compiled once.
            encode: A function `(item, generator) -> (T, D)` that turns an item of `sequences` into events, anew each epoch:
                it may change a recording a little each time, or spread rounded values over their cells.
            learning_rate: The rate at its peak. A model that you compiled yourself uses neither this nor `optimizer`.
            optimizer: A function of the rate: `mdn.sequences.adam`, or `muon`, or your own.
            patience: Stop after this many epochs without a better validation NLL.
            seed: Seeds the order of the batches, and what `encode` and dropout draw.
            callbacks, verbose: As in Keras; logs hold "val_nll", mean nats a step; after trials it is that of a
                mean of the weights, which is kept. The last line says what training was worth: the held-out NLL, and that of the
                model before, which is linear.
            checkpoint: A folder, for a training that must survive a kill: after each epoch its state is written there, and
                `fit` with the same data and settings goes on from the last epoch, to the same bits.
        Raises:
            KeyboardInterrupt: if Ctrl-C was pressed before the first step.
            ValueError: if `checkpoint` holds a training of other data or settings, is damaged, or is not the same for all
                processes that learn together; if a function yields other numbers at each call and there is a `checkpoint`; if a
                file of a source is damaged, holds other sequences than it did, or its events have another width.
        """
        for name, value in {"epochs": epochs, "batch_size": batch_size, "buckets": buckets, "window": window}.items():
            if value is not None and value != "auto" and (isinstance(value, str) or value < 1):
                raise ValueError(f"`{name}` must be at least 1, but {value!r} came.")
        self.adapted = self.adapted and (not self._told or self._has_begun())  # a clone has the weights of a new model
        data = material(
            self, self._asked_for, sequences, validation_data, condition, context,
            given=given, encode=encode, open_end=epochs is None, seed=seed, same=checkpoint is not None,
        )  # fmt: skip
        # not the adapted weights: those of another machine differ by rounding
        start = "" if checkpoint is None else digest(self.get_weights(), np.array(self.adapted))
        together.check_same(data)
        before = trial.adapt(self, data, optimizer) if (fresh := not self.adapted) else None
        adapted_start = "" if checkpoint is None else digest(self.get_weights())
        how = plan.plan_of(lengths_of(data.rows), epochs, batch_size, window)
        together.check(how.batch_size)
        if before is not None:
            how, ended = trial.chosen(
                self, data, how, before, checkpoint, batch_size=how.batch_size, given=given, window=window, buckets=buckets,
                learning_rate=learning_rate, optimizer=optimizer, seed=seed,
            )  # fmt: skip
            if ended is not None:
                return ended
        batches = data.batches(how, given=given, buckets=buckets, cut=window == "auto", seed=seed)
        if not self.compiled or self._compiled_by_fit:
            self.compile(
                optimizer=optimizer(schedule(learning_rate, len(batches) * how.epochs)),
                loss=NegativeLogLikelihood(self.spec),
            )
            self._compiled_by_fit = True
        with seeded(seed):  # of layers of the user's own that draw without a seed
            pass
        with ctrl_c_waits() as pressed, self._turns.training():
            pressed.begin()
            sure = plan.SURE if data.by_itself else 0.0
            best = BestWeights(data.held_out, data.judged_after, patience, pressed, sure, before is not None)
            self._carry(None if how.window is None else how.batch_size)
            try:
                every, done, kept = [best, self._turns, *callbacks], 0, None
                if checkpoint is not None:
                    settings = {
                        "network": digest_of_description(self), "optimizer": digest_of_description(self.optimizer),
                        "loss": digest_of_description(self.loss), "weights at the start": start,
                        "data": data.digest,
                        "epochs": how.epochs, "batch_size": how.batch_size, "given": given, "window": how.window,
                        "buckets": buckets, "patience": patience, "seed": seed,
                        "encode": getattr(getattr(encode, "func", encode), "__qualname__", None),
                    }  # fmt: skip
                    checkpoints = Checkpoints(checkpoint, settings)
                    earlier = {}  # as earlier versions wrote
                    if checkpoints.begun_with("weights at the start") == adapted_start:
                        earlier["weights at the start"] = adapted_start
                    if hasattr(encode, "func") and "<locals>" in (begun := checkpoints.begun_with("encode") or ""):
                        earlier["encode"] = begun
                    if earlier:
                        checkpoints = Checkpoints(checkpoint, settings | earlier)
                    kept = Kept(checkpoints, batches, best, isinstance(checkpoint, OwnFolder))
                    done = kept.resume(self)
                    every.insert(1, kept)
                ends = done if best.is_over else how.epochs
                history = super().fit(
                    batches, initial_epoch=done, epochs=ends, shuffle=False, callbacks=every, verbose=verbose
                )
                return history if kept is None else kept.whole(history)
            except KeyboardInterrupt:  # a callback or the caller's handler raised it, or a third press
                if not best.repair(self):
                    raise
                return self.history
            finally:
                self._carry(None)
                best.restore(self)
                best.say(verbose, self.starts_as if fresh else "the model as it came")

    def _carry(self, batch_size: int | None) -> None:
        if (self._carried is None) != (batch_size is None):
            self.train_function = None  # Keras makes it anew, with other variables
        for variable in self._carried or ():
            self._untrack_variable(variable)  # the carried state belongs neither to the model nor to its file
        self._tracker.unlock()
        self._carried = None
        if batch_size is not None:
            self._carried = [
                keras.Variable(np.zeros((batch_size, width), "float32"), trainable=False, name="carried")
                for width in self.state_widths
            ]
        self._tracker.lock()

    @property
    def _asked_for(self) -> list[str]:
        """The names of what comes with each sequence."""
        return ["condition"] * (self.label_size > 0) + ["context"] * (self.context_size > 0)

    def conditions(self, condition, context, rows: int, size: int | None = None) -> tuple:
        """The condition and the context of `rows` sequences as arrays; one that the model does not have is left out.

        Args:
            condition: Shape `(rows, size)`, or None.
            context: A list of arrays `(U, S)`, one a sequence, or None.
            rows: How many sequences.
            size: The width of the condition; by default `label_size`, as in `fit` and `log_prob`.
        Returns:
            A tuple of `(rows, size)` and `(rows, U, S)`, or of one of them, or an empty one.
        Raises:
            ValueError: if one is missing, the model does not take it, or it has another shape.
        """
        size = self.label_size if size is None else size
        return as_conditions(condition, context, rows, size, self.context_size)

    # ---- judging ---------------------------------------------------------------------------------------------------

    def log_prob(self, sequences, condition=None, context=None) -> list[np.ndarray]:
        """Log density of each event given the events before it, in nats and data units: a list of arrays `(T_i,)`.

        Args:
            sequences, condition, context: As in `fit` without `encode`.
        """
        rows = as_sequences(sequences, self.spec.target_size)
        return self._scored(rows, self.conditions(condition, context, len(rows)), self._predictor())

    def _predictor(self):
        """Maps inputs to params, on this process alone, and waits for the end of a step of a training in another thread."""
        with self._turns.turn():
            predict = together.predictor(self)
        return self._in_turn(predict)

    def _in_turn(self, run):
        def in_turn(*arguments):
            with self._turns.turn():
                return run(*arguments)

        return in_turn

    def _scored(self, rows, conditions, predict) -> list[np.ndarray]:
        """`log_prob` of checked sequences; `predict(inputs)` returns their params."""
        found: list = [None] * len(rows)
        for places, params in params_of_steps(rows, conditions, predict):
            events = [rows[place] for place in places]
            values = log_prob_of_steps(self.spec, np.concatenate(params), np.concatenate(events)).astype("float64")
            ends = np.cumsum([len(one) for one in events])
            for place, value in zip(places, np.split(values, ends[:-1]), strict=True):
                found[place] = value
        return found

    def nll(self, sequences, condition=None, context=None, given: int = 0) -> float:
        """Mean nats a step over all steps of all sequences but the first `given` of each, in data units.

        Args:
            sequences, condition, context, given: As in `fit` without `encode`.
        """
        scores = self.log_prob(sequences, condition, context)
        check_given(lengths_of(scores), given)
        return -float(np.mean(np.concatenate([one[given:] for one in scores])))

    # ---- programs --------------------------------------------------------------------------------------------------

    def program(self, name: str, function):
        """Compiles `function` at its first call; each call uses the weights that the model has then.

        While the model learns in another thread, each call waits for the end of a step.

        Args:
            name: The program is kept with the model under this name; a second `function` of the same name is ignored.
            function: Takes and returns arrays, in keras.ops; it may call the model's layers.
        Example:
            >>> import numpy as np, mdn
            >>> model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(1), 2), units=(16,))
            >>> scaled = model.program("scaled", lambda events: model.encoding(events))
            >>> scaled(np.zeros((2, 5, 1), "float32")).shape[:2]
            (2, 5)
        """
        if name not in self._programs:
            self._programs[name] = program_of(self, function)
        return self._in_turn(self._programs[name])

    # ---- generating ------------------------------------------------------------------------------------------------

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
            steps: How many new events each sequence gets, at most.
            batch_size: How many sequences.
            prime: Events that came before: one array `(T, D)` for all, or a list of `batch_size` arrays of any lengths. They
                are read step by step and are not returned.
            condition: Shape `(batch_size, C)`, or `(C,)` for all.
            context: A list of `batch_size` arrays `(U, S)`, or one for all.
            component_temperature: Above 1 the weights of the mixture become more alike, below 1 the likeliest components win.
            variance_temperature: Multiplies all variances: below 1 events stray less, 1 is the learnt distribution.
            guidance: Above 0 the context counts more than in training, and a step takes about twice as long: with g, events come
                from about p(event | context)^(1 + g) / p(event)^g. Train with some contexts all zeros: they teach p(event).
            stop: A function, in keras.ops, of events `(B, D)`; returns `(B,)`, true where the event ends its sequence.
            constrain: A function `(event, place) -> event` of tensors, in keras.ops, such as a clamp. `place` is the sum of the
                offsets of `positions` before the event, None in a model without. With a context, `constrain` and `stop` also
                take the weights of its places at the step, `(B, U)`, and the context, padded with zeros. A NaN stays one.
            seed: An int for the same sequences each time, on each backend.
        Returns:
            An array `(batch_size, steps, D)`; with `stop` a list of arrays, the last event of each included.
        Raises:
            ValueError: if `steps` is below 1, a temperature or `guidance` is negative or not finite, `guidance` is above 0 in a
                model without a context, or `prime`, `condition` or `context` has another shape.
        """
        if int(steps) < 1:
            raise ValueError(f"`steps` must be at least 1, but {steps} came.")
        temperatures = component_temperature, variance_temperature, guidance
        check_temperatures(*temperatures)
        hooks = stop, constrain, self._is_guided(guidance)
        if hooks not in self._rollouts:
            self._rollouts[hooks] = Rollout(self, *hooks)
        primes = as_primes(prime, batch_size, self.spec.target_size)
        beside = self.conditions(*for_all(condition, context, batch_size), batch_size, self.condition_size)
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
        """One event in, one out: a `Stream` with the weights as they are now, safe to use while training goes on.

        Args:
            batch_size, condition, context, guidance, constrain, seed: As in `generate`.
        """
        from mdn.sequences.stream import Stream

        check_temperatures(1.0, 1.0, guidance)
        self._is_guided(guidance)  # raises if the model has no context
        beside = self.conditions(*for_all(condition, context, batch_size), batch_size, self.condition_size)
        with self._turns.turn():
            return Stream(self, batch_size, beside, guidance, constrain, seed)

    def _is_guided(self, guidance: float) -> bool:
        if guidance > 0.0 and not self.context_size:
            raise ValueError("`guidance` is by a context, but this model was made with context_size=0.")
        return guidance > 0.0


def reads_only(model, size: int, positions: list[int]) -> bool:
    """Whether a model is a plain MDNRNN for events of `size` numbers with offsets at `positions`: no condition, no context.

    Models of other kinds, which read classes, texts or hands, may have events of the same size.
    """
    plain = type(model) is MDNRNN and not model.condition_size and not model.context_size
    return plain and model.spec.target_size == size and model.positions == positions
