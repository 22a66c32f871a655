"""What `diagnose` returns: findings, each a sentence, its figures, and what to do."""

from __future__ import annotations

import dataclasses
import json
import math
import textwrap
from collections.abc import Iterator, Mapping

import numpy as np

from mdn.tabular.wording import plain
from mdn.wording import counted

_WIDTH = 110


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Attributes:
        name: What it is, such as "dead components"; the same words each time.
        sentence: What was found, with its figures.
        figures: The figures by name, for a program.
        advice: What to do.
        weight: By about how many nats a row it costs, or could cost; findings are in the order of it.

    Example:
        >>> from mdn.doctor import Finding
        >>> print(Finding("too few rows", "The model has learnt from 12 rows.", {"rows": 12.0}, "Collect more."))
        too few rows: The model has learnt from 12 rows. Collect more.
    """

    name: str
    sentence: str
    figures: Mapping[str, float]
    advice: str
    weight: float = 0.0

    def __str__(self) -> str:
        return f"{self.name}: {self.sentence} {self.advice}"

    def as_json(self) -> dict:
        """The finding as JSON holds it; a figure that is not finite is null."""
        figures = {name: _finite(value) for name, value in self.figures.items()}
        return {**dataclasses.asdict(self), "figures": figures, "weight": _finite(self.weight)}


@dataclasses.dataclass(frozen=True, eq=False)
class Diagnosis:
    """The findings of `mdn.diagnose`. It prints as text, is true if there is a finding, and is a sequence of them.

    Attributes:
        findings: What is wrong, the most costly first.
        notes: What is worth knowing and not wrong: features that matter, rounding that the model knows.
        rows: What is known of the rows that it was judged by, as a sentence.
        pit: The probability below each target, `(N, D)`, NaN where there is none, for a picture.
        target_names: The names of the targets.

    Example:
        >>> import keras, mdn, numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(500, 2)); y = x[:, :1] + rng.normal(size=(500, 1))
        >>> model = keras.Sequential([keras.Input((2,)), mdn.MDN(1, 1)])  # untrained, so that it knows nothing of x
        >>> model.set_weights([np.zeros(weight.shape) for weight in model.get_weights()])
        >>> "ignores the features" in mdn.diagnose(model, x, y).names
        True
    """

    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    rows: str
    pit: np.ndarray
    target_names: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __getitem__(self, place: int) -> Finding:
        return self.findings[place]

    @property
    def healthy(self) -> bool:
        """Whether there is no finding."""
        return not self.findings

    @property
    def names(self) -> list[str]:
        """The names of the findings, in their order."""
        return [finding.name for finding in self.findings]

    def __str__(self) -> str:
        count = len(self.findings)
        head = f"{counted(count, 'finding')}, the most costly first." if count else "Nothing was found."
        lines = [_wrapped(f"{self.rows} {head}")]
        for number, finding in enumerate(self.findings, 1):
            cost = f" ({plain(finding.weight)} nats a row)" if 0.005 <= finding.weight < math.inf else ""
            lines += ["", f"{number}. {finding.name}{cost}", _wrapped(finding.sentence, 3), _wrapped(finding.advice, 3)]
        for note in self.notes:
            lines += ["", _wrapped(f"Note, {note.name}: {note.sentence} {note.advice}".rstrip())]
        return "\n".join(lines)

    def as_json(self) -> str:
        """Findings and notes as a JSON text."""
        found = {
            "rows": self.rows,
            "healthy": self.healthy,
            "findings": [finding.as_json() for finding in self.findings],
            "notes": [note.as_json() for note in self.notes],
        }
        return json.dumps(found, indent=2, ensure_ascii=False)

    def to_html(self, path) -> None:
        """Writes one self-contained page with all findings and a histogram of the PIT of each target.

        Args:
            path: Where to write it; an earlier file there stays until the new one is complete.
        """
        from mdn import plots
        from mdn.page import Page, figure

        page = Page("What is wrong with this model?" if self.findings else "Nothing wrong was found in this model")
        page.add("In short", f"{self.rows} " + (", ".join(self.names) or "Nothing was found") + ".")
        for finding in (*self.findings, *self.notes):
            table = [("figure", "value"), *((name, plain(value)) for name, value in finding.figures.items())]
            text = f"{finding.sentence}\n\n{finding.advice}".rstrip()
            page.add(finding.name.capitalize(), text, table=table if len(table) > 1 else ())
        for name, pit in zip(self.target_names, self.pit.T, strict=True):
            if not np.isnan(pit).all():
                picture = figure(8.0, 3.0)
                plots.pit(pit[~np.isnan(pit)], picture.subplots())
                page.add(f"PIT of {name}", "Flat if the predicted distributions are right.", picture, f"PIT of {name}")
        page.write(path, "mdn.diagnose. Each finding passed a test at a stated level, and is large enough to matter.")


def _wrapped(text: str, indent: int = 0) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
