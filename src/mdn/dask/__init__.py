"""One network on a cluster of Dask: each worker keeps the rows that it has, and they train together (`pip install "mdn[dask]"`).

import mdn.dask
from distributed import Client

client = Client("tcp://scheduler:8786")
regressor = mdn.dask.MDNRegressor(client).fit(frame, "y")
history = mdn.dask.fit(model, sequences, client)  # an mdn.MDNRNN
"""

from mdn.dask.regressor import MDNRegressor
from mdn.dask.sequences import fit

__all__ = ["MDNRegressor", "fit"]
