"""One way to train: compiled epochs, a decaying rate, the best weights kept, and Ctrl-C loses nothing."""

from mdn.training.compiled_loop import keep_compiled_programs
from mdn.training.fit import History, fit

__all__ = ["History", "fit", "keep_compiled_programs"]
