"""MDNRNN on a cluster of Dask: each worker deals the batches of all, and takes its rows of each."""

from __future__ import annotations

import keras
from distributed.protocol.pickle import dumps

from mdn.dask.training import Training, addresses, client_of
from mdn.sequences.processes import Call, fit_packed

_ROWS = 32  # that `MDNRNN.fit` takes in a step if `batch_size` is None, at most


def fit(model, sequences, client=None, **how) -> keras.callbacks.History:
    """`model.fit(sequences, **how)` by all workers of a cluster, and the model ends with the weights of that training.

    In a process beside each worker, Keras takes the gradient of the worker's rows of each batch. The result is that of one
    process, up to rounding, whatever the number of workers. As many workers take part as divide `batch_size`. If a worker dies,
    the training goes on from its last epoch on those that are left: after each epoch, every worker keeps the state on its disk.

    Args:
        model: A `mdn.MDNRNN`, adapted or not. A model that you compiled yourself keeps its optimizer.
        sequences: As in `MDNRNN.fit`. Arrays are sent to the workers once; a folder, path or pattern, `Shards` or a function is
            read by every worker, so each needs the same files under the same names.
        client: A `distributed.Client`; by default the one that was made last.
        how: Arguments of `MDNRNN.fit`. `batch_size` is that of all workers together. `checkpoint` is a folder that all workers
            share, such as on a network drive, and the training goes on from it with any number of workers. `callbacks` are
            objects with `on_epoch_end(epoch, logs)`, and no Keras callbacks. With `verbose`, each epoch prints a line.

    Returns:
        The history.

    Raises:
        TypeError: if `model` or `client` is something else, or `how` has a name that `MDNRNN.fit` does not know.
        ValueError: as in `MDNRNN.fit`; if there is no cluster, a worker has another version of mdn, or the workers read other
            sequences. The message names the worker.
        mdn.training.processes.Died: if workers die again and again.
        KeyboardInterrupt: if Ctrl-C was pressed: the model is as before, and with `checkpoint` the training goes on later.
    """
    call = Call(model, sequences, how)
    client = client_of(client)
    training = Training(client)

    def shares() -> list[tuple[str, tuple]]:
        found, rows = addresses(client), how.get("batch_size") or _ROWS
        count = max(number for number in range(1, len(found) + 1) if rows % number == 0)
        return [(address, (call.checkpoint,)) for address in found[:count]]

    try:
        return call.end(training.run_together(fit_packed, dumps(call.travels), shares, call.heard))
    finally:
        training.forget()
