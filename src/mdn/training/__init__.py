"""One way to train: compiled epochs, a decaying rate, the best weights kept, and Ctrl-C loses nothing."""

from mdn.training.callbacks import check_callbacks
from mdn.training.fit import History, fit, fit_feed
from mdn.training.interrupt import ctrl_c_waits
from mdn.training.process import keep_compiled_programs, keep_memory

__all__ = ["History", "check_callbacks", "ctrl_c_waits", "fit", "fit_feed", "keep_compiled_programs", "keep_memory"]
