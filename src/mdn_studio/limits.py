"""How much the studio takes from outside: each limit in one place."""

from __future__ import annotations

MESSAGE_BYTES = 2**20  # of one message of a page
MESSAGES = 400  # a second, of one socket
WAITING = 100  # messages of one socket that are not answered yet
SOCKETS = 128
SEND_SECONDS = 30.0  # in which a tab must read a message
UNSENT = 64 * 2**20  # characters that wait for one tab
UNSENT_FRAMES = 2**18  # characters above which no further frame is sent
UPLOAD_BYTES = 200 * 2**20
UPLOAD_PAUSE = 10.0  # seconds without a byte
UPLOAD_SECONDS = 600.0
HEAD_SECONDS = 10.0  # for the head of a request
FOLDER_BYTES = 4 * 2**30  # all of its folder
JOBS = 1  # trainings at once
JOBS_WAITING = 20
POINTS = 20_000  # of one drawing
SHEET_POINTS = 1_000_000  # of one sheet that several people draw on
PIECE = 20_000  # points of a sheet in one message
INK = 2_000  # points of a stroke in one message
SHEETS = 500
DRAWINGS = 5_000  # that are kept to learn from
DRAWINGS_BYTES = 8 * 2**20  # of a file of drawings that is brought
BROUGHT_POINTS = 2_000  # of one drawing in it, once needless points are left out
LINES = 2_000  # of handwriting in one recording
TEXT = 400  # characters
LIVE = 4  # trainings at once that a page shows while they run
PAINTED = 3000  # points that a network of the lecture learns from
PATHS = 60  # paths along which a person leads the hand
DREAMERS = 12  # tabs that dream at once
PLAYERS = 64  # tabs that play at once
PERFORMANCES = 2_000  # kept in the folder
TOUCHES = 20_000  # of a performance that is replayed
TABLE_ROWS = 200_000  # of a table that the page of tables learns from or predicts
TABLE_COLUMNS = 300
TABLE_CELLS = 5_000_000  # rows times columns, so that a look takes some seconds at most
MODELS = 4  # from the folder that a page keeps in memory


def megabytes(count: int) -> str:
    """A number of bytes as text for a sentence, such as "200 MB"."""
    return f"{count / 2**20:.0f} MB"
