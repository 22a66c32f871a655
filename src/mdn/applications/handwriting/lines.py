"""Lines to learn from: read from a file or the chapter's data set, or made in fonts of single strokes; and their parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from mdn.applications.handwriting.faults import usable
from mdn.applications.handwriting.text import Alphabet
from mdn.data import Handwriting, find, read_handwriting
from mdn.drawing.hershey import hershey_lines, random_texts
from mdn.wording import agreed, counted

FEWEST = 30
_SOURCE = "lex"  # the source of UNIPEN with whole, finely recorded lines, by 13 writers
_SHARES = (("valid", 0.05), ("test", 0.1))


def read(source=None, *, count: int = 3000, seed: int = 0, alphabet: Alphabet | None = None) -> Handwriting:
    """Lines that can be learnt from, with their parts if the source says them; `skipped` says what was left out.

    Args:
        source: A .json or .npz of lines, a folder of IAM-OnDB, or "hershey": texts in fonts of single strokes. None or "unipen":
            the data set "handwriting".
        count: How many lines of "hershey" are made.
        seed: The seed for these.
        alphabet: The characters that a model knows; lines of a file with others are left out.

    Raises:
        ValueError: if the file is not of lines.
    """
    if source == "hershey":
        letters = "".join(map(chr, range(32, 127)))
        texts = random_texts(count, letters, np.random.default_rng([seed, 1]))  # hands are drawn by the seed itself
        return hershey_lines(texts, seed, hands=20)
    if source is None or (source == "unipen" and not Path(source).exists()):
        path = find("handwriting", "unipen_lines.npz")
        lines = read_handwriting(path).with_split(path.with_name("split.json"))
        lines = lines[lines.sources == _SOURCE]
        judged = lines[lines.parts == "test"]  # the whole part, faulty lines too
        return replace(usable(lines[lines.parts != "test"]) + judged, skipped=())
    lines = usable(read_handwriting(source))
    if alphabet is not None:
        known = np.array([not alphabet.unknown(text) for text in lines.texts.tolist()], bool)
        lost = int(np.sum(~known))
        complaint = (f"{counted(lost, 'line')} with characters that the model does not know.",) if lost else ()
        lines = replace(lines[known], skipped=complaint + lines.skipped)
    return lines


def split(lines: Handwriting, seed: int = 0) -> dict[str, Handwriting]:
    """Lines by part, "train", "valid" and "test": as the lines say, else by chance, so that no text is in two parts.

    Raises:
        ValueError: if there are fewer than `FEWEST` lines, or too few different texts.
    """
    if len(lines) < FEWEST:
        raise ValueError(
            f"at least {FEWEST} lines that can be learnt from are needed, but there "
            f"{agreed(len(lines), 'is', 'are')} {len(lines)}."
        )
    shares = {name: share for name, share in _SHARES if name not in set(lines.parts.tolist())}
    found = lines.divided(seed, **shares) if shares else lines
    parts = {name: found.part(name) for name in ("train", "valid", "test")}
    if not all(map(len, parts.values())):
        texts = len(set(lines.texts.tolist()))
        raise ValueError(
            "lines are dealt to what is learnt from and what is judged by so that no text is in both, but there "
            f"{agreed(texts, 'is', 'are')} only {counted(texts, 'different text')}: write more of them."
        )
    return parts
