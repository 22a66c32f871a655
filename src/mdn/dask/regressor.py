"""MDNRegressor on a cluster of Dask: fitted where the rows lie, and asked partition by partition."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mdn import tabular
from mdn.dask.cluster import Cluster
from mdn.dask.training import client_of
from mdn.data.arrow import pyarrow_there
from mdn.data.sources import ROWS, arrow_tables
from mdn.tabular import seen, streamed
from mdn.tabular.member import Member, listeners
from mdn.tabular.selection import Selected
from mdn.tabular.streamed import How
from mdn.tabular.trainings import one_by_one


class MDNRegressor(tabular.MDNRegressor):
    """`mdn.MDNRegressor` whose networks are trained by all workers of a cluster, each on the partitions that it has.

    The result depends on the rows, their partitions and `random_state`, and not on the number of workers, up to rounding. Rows
    that are set aside to say when to stop are chosen by a hash of the row. As with any table larger than memory, there is no
    second training on all rows (`refit`).

    Args:
        client: A `distributed.Client`; by default the one that was made last.
        params: The parameters of `mdn.MDNRegressor`, by name; `batch_size` is that of all workers together.
    """

    def __init__(self, client=None, **params: Any):
        super().__init__(**params)
        self.client = client

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return sorted([*tabular.MDNRegressor._get_param_names(), "client"])

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "client": None}  # a client belongs to its process

    def here(self) -> tabular.MDNRegressor:
        """The same regressor as a `mdn.MDNRegressor`, which knows no cluster."""
        plain = tabular.MDNRegressor()
        plain.__dict__.update({name: value for name, value in vars(self).items() if name not in ("client", "example_")})
        return plain

    def save(self, path) -> None:
        """As `mdn.MDNRegressor.save`; `mdn.load` returns a `mdn.MDNRegressor`."""
        self.here().save(path)

    def fit(
        self,
        X,
        y=None,
        sample_weight: str | None = None,
        *,
        target: str | Sequence[str] | None = None,
        validation_data: tuple | None = None,
        callbacks: Sequence[Any] = (),
        checkpoint=None,
        memory: float = 1.0,
    ) -> MDNRegressor:
        """Learns from a Dask DataFrame.

        Two passes read the partitions, each where Dask computes it: keep the frame with `frame.persist()` if that is costly.
        Then each worker holds its rows as float32 on its disk, and one process beside each worker trains. If a worker dies, its
        partitions are computed on others, and the training goes on from its last epoch, with the same result up to rounding.

        Args:
            X: The frame; columns that are no targets are features.
            y: The name of the column to predict, or names; the same as `target`.
            sample_weight: The name of a column of weights.
            target: The name of the column to predict, or names.
            validation_data: As in `mdn.MDNRegressor.fit`.
            callbacks: Objects with `on_epoch_end(epoch, logs)`; Keras callbacks are refused.
            checkpoint: A folder of this machine in which networks that are done are kept.
            memory: GB that the pass over the frame may take on each machine to choose columns, outcome and components.

        Raises:
            ValueError: if there is no cluster, a worker has another version of mdn, or a partition cannot be used; the message
                names it.
            TypeError: if X is no Dask DataFrame.
            mdn.training.processes.Died: if workers die again and again.
            KeyboardInterrupt: if Ctrl-C was pressed before any network was done.
        """
        if not (hasattr(X, "to_delayed") and hasattr(X, "dtypes")):
            raise TypeError(
                f"`X` must be a Dask DataFrame, but {type(X).__name__} came: take dask.dataframe.from_pandas(frame, "
                "npartitions=8), or fit mdn.MDNRegressor."
            )
        if y is not None and target is not None:
            raise ValueError("`y` and `target` are the same: pass one of them.")
        self._check_parameters()
        how = How(y if target is None else target, sample_weight, validation_data, {}, checkpoint, memory)
        how = how._replace(heard_by=listeners(callbacks, self.verbose))
        _check_names(X, how)
        streamed.check(self, None, how)
        wanted = streamed.wanted_of(self, how)
        cluster = Cluster(client_of(self.client), X)
        try:
            survey = cluster.survey(wanted, 1e9 * memory)
            streamed.check_enough(survey, "the Dask frame")
            streamed.say_index(survey)
            streamed.learn(self, survey, how, functools.partial(self._train, cluster, how))
        finally:
            cluster.forget()
        self.example_ = survey.sample().table.take(np.arange(1))
        return self

    def _train(self, cluster: Cluster, how: How, tasks, selected: Selected) -> list[Member]:
        plain = self.here()
        cluster.deal(plain, selected)
        self.seen_, self.n_samples_seen_ = seen.smallest(np.array(cluster.checksums, "int64")), cluster.rows
        fit_it = functools.partial(cluster.fit_member, regressor=plain, selected=selected)
        return one_by_one(tasks, how.checkpoint, fit_it, **how.heard_by)

    # ---- answers for Dask frames -------------------------------------------------------------------------------------

    def predict(self, X):
        """As `mdn.MDNRegressor.predict`; of a Dask frame a lazy Dask array."""
        return self._asked("predict", X)

    def predict_quantile(self, X, q, groups=None):
        """As `mdn.MDNRegressor.predict_quantile`; of a Dask frame a lazy Dask array."""
        return self._asked("predict_quantile", X, q, groups=groups)

    def predict_interval(self, X, coverage=0.9, groups=None):
        """As `mdn.MDNRegressor.predict_interval`; of a Dask frame a lazy Dask array."""
        return self._asked("predict_interval", X, coverage, groups=groups)

    def predict_probability(self, X, *, above=None, below=None):
        """As `mdn.MDNRegressor.predict_probability`; of a Dask frame a lazy Dask array."""
        return self._asked("predict_probability", X, above=above, below=below)

    def _asked(self, method: str, X, *args, **options):
        if not hasattr(X, "to_delayed"):
            return getattr(super(), method)(X, *args, **options)
        check_is_fitted(self)
        import dask
        from dask import array

        plain, names = self.here(), self.columns_.table_names
        example = getattr(plain, method)(self.example_.select(names), *args, **options)
        shape = (np.nan, *example.shape[1:])
        ask = dask.delayed(functools.partial(answer, method, args, options, example[:0]))
        regressor = dask.delayed(plain)
        parts = [
            array.from_delayed(ask(regressor, part, number), shape, example.dtype)
            for number, part in enumerate(X.to_delayed())
        ]
        return array.concatenate(parts, allow_unknown_chunksizes=True)


def answer(
    method: str,
    args: tuple,
    options: dict[str, Any],
    nothing: np.ndarray,
    regressor: tabular.MDNRegressor,
    part,
    number: int,
) -> np.ndarray:
    """What `regressor.method(...)` says of a partition.

    Args:
        method: The name of the method.
        args: Its arguments after X.
        options: Its arguments by name.
        nothing: The answer for no rows.
        regressor: The regressor.
        part: The partition, a pandas frame.
        number: Its number, for messages.
    """
    if not len(part):
        return nothing
    arrow, _ = pyarrow_there()
    batches = arrow.Table.from_pandas(part, preserve_index=False).to_batches(max_chunksize=ROWS)
    text = frozenset(regressor.columns_.text_names)
    tables = arrow_tables(batches, f"partition {number}", text=text)
    ask = getattr(regressor, method)
    return np.concatenate([ask(table.select(regressor.columns_.table_names), *args, **options) for table in tables])


def _check_names(frame, how: How) -> None:
    columns = [str(name) for name in frame.columns]
    for name in (*how.names, *([how.weight] if isinstance(how.weight, str) else [])):
        if name not in columns:
            raise ValueError(f"the Dask frame has no column {name!r}; it has {', '.join(map(repr, columns[:20]))}.")
