"""A table to begin with, for those who have none at hand: flats that nobody ever built, drawn from rules that stand here."""

from __future__ import annotations

NAME = "example flats.csv"
_ROWS = 900


def text() -> str:
    """The table as CSV; the same each time.

    The rent of an old flat depends on whether it was renovated, which no column says: then the density has two humps.
    """
    import numpy as np

    rng = np.random.default_rng(3)
    area = np.round(rng.gamma(6.0, 12.0, _ROWS) + 18.0)
    built = rng.integers(1890, 2024, _ROWS)
    district = rng.choice(["harbour", "old town", "north", "south"], _ROWS, p=[0.15, 0.2, 0.35, 0.3])
    minutes = np.round(rng.exponential(6.0, _ROWS) + 1.0)
    floor = rng.integers(0, 9, _ROWS)
    since = np.datetime64("2019-01-01") + rng.integers(0, 2000, _ROWS).astype("timedelta64[D]")
    renovated = rng.uniform(size=_ROWS) < 0.5
    metre = 11.0 + 5.0 * (district == "harbour") + 2.5 * (district == "old town") - 0.12 * minutes + 0.1 * floor
    metre = (
        metre * np.where((built < 1975) & ~renovated, 0.62, 1.0) * (1.0 + 0.00009 * (since - since.min()).astype(float))
    )
    rent = np.round(area * metre * np.exp(0.09 * rng.normal(size=_ROWS)))
    floors = np.where(rng.uniform(size=_ROWS) < 0.07, "", floor.astype(str))
    lines = ["flat,area,built,district,minutes to centre,floor,let since,rent"]
    columns = (area, built, district, minutes, floors, since, rent)
    for number, (size, year, place, walk, level, day, price) in enumerate(zip(*columns, strict=True)):
        lines.append(f"F{number:04d}x,{size:.0f},{year},{place},{walk:.0f},{level},{day},{price:.0f}")
    return "\n".join(lines) + "\n"
