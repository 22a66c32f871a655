"""Fetches one published file: whole or not at all, with the right checksum, and with a sentence if it cannot."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

from mdn.files import replacing

_SECONDS = 30  # a connection that sends no byte for so long counts as lost


def downloaded(path: Path, url: str, sha256: str | None, on_share: Callable[[float], None] | None = None) -> Path:
    """`path`, after its file was fetched from `url`, unless it lies there already with the right checksum.

    Args:
        path: Where the file belongs.
        url: Where it is published.
        sha256: Its checksum; if None, that of the first download is kept beside it, and later ones are held to it.
        on_share: Called now and then with the share of the file that has been fetched.

    Raises:
        ValueError: if the fetched file has another checksum.
        OSError: if the origin can't be reached, does not have the file or breaks off; no part of the file is kept.
    """
    recorded = path.with_name(path.name + ".sha256")
    expected = sha256
    if expected is None and recorded.is_file():
        expected = recorded.read_text(encoding="ascii").strip()
    if path.is_file() and expected is not None and _sha256(path) == expected:
        return path
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    bar = _Share(on_share) if on_share is not None else False
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(path) as temporary:
            pooch.HTTPDownloader(progressbar=bar, timeout=_SECONDS)(url, str(temporary), None)
            came = _sha256(temporary)
            if expected not in (None, came):
                raise ValueError(
                    f"what {url} sent is not {path.name}: its SHA-256 does not begin with {str(expected)[:12]}. Nothing "
                    "was kept; try again, and if it stays so, the origin has changed."
                )
    except requests.RequestException as error:
        raise OSError(_unreachable(path, url, error)) from None
    finally:
        with contextlib.suppress(OSError):  # the folder is not empty, as it should be
            path.parent.rmdir()
    if sha256 is None and not recorded.is_file():
        with replacing(recorded) as temporary:
            temporary.write_text(came + "\n", encoding="ascii")
    return path


def _unreachable(path: Path, url: str, error) -> str:
    import requests

    if isinstance(error, requests.HTTPError):
        why = f"the origin answers {error.response.status_code} {error.response.reason}".rstrip()
    elif isinstance(error, requests.Timeout):
        why = f"the origin was silent for {_SECONDS} s"
    elif isinstance(error, requests.exceptions.ChunkedEncodingError):
        why = "the download broke off"
    else:
        why = "the origin can't be reached from here"
    return (
        f"cannot fetch {url}: {why}. A copy of yours does as well: as {path.parent.name}/{path.name} in the folder that "
        "MDN_DATA names."
    )


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Share:
    """A progress bar for pooch that calls `on_share`."""

    def __init__(self, on_share: Callable[[float], None]):
        self.total, self._done, self._on_share = 0, 0, on_share

    def update(self, count: int) -> None:
        """`count` more bytes have come."""
        self._done += count
        self._on_share(min(1.0, self._done / self.total) if self.total else 0.0)

    def reset(self) -> None:
        """Starts again from 0."""
        self._done = 0

    def close(self) -> None:
        """Does nothing."""
