"""Trains several members, one by one or side by side, and keeps those that are done in a folder."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed

from mdn import training
from mdn.data.arrays import Damaged, read_arrays, write_arrays
from mdn.data.schema import listed, number, record, whole
from mdn.tabular import member as one_member
from mdn.tabular.member import Member
from mdn.training.checkpoints import digest

_ABOUT = record(
    val_loss=number(), widening=number(above=0.0), best_epoch=whole(), alive=listed(whole()), start=whole(),
    optional=("start",),
)  # fmt: skip


def one_by_one(
    tasks: Sequence[tuple], folder=None, fit: Callable[..., Member] | None = None, **heard_by
) -> list[Member]:
    """Trains the members of `tasks`, which are arguments of `fit` (by default `fit_member`), except those that are in `folder`.

    After Ctrl-C it returns those that are done, and the one that was cut short.
    """
    trained: list[Member] = []
    for task in tasks:
        try:
            trained.append(
                kept_or_trained(folder, task, functools.partial(fit or one_member.fit_member, *task, **heard_by))
            )
        except KeyboardInterrupt:  # before its first epoch
            break
        if trained[-1].history.interrupted:
            break
    return trained


def side_by_side(tasks: Sequence[tuple], n_jobs, folder=None) -> dict[int, Member]:
    """As `one_by_one`, in parallel by joblib: place among the tasks to member. After Ctrl-C any of them may be missing.

    A first Ctrl-C waits for the running trainings, a second one does not.
    """
    found: dict[int, Member] = {}
    with training.ctrl_c_waits() as pressed, pressed.raising(2):

        def asked():
            for place, task in enumerate(tasks):
                if pressed or any(one.history.interrupted for one in found.values()):
                    return
                yield delayed(_placed)(place, task, folder)

        settings = {"n_jobs": n_jobs, "batch_size": 1, "pre_dispatch": "n_jobs"}
        try:
            pressed.begin()
            try:
                run = Parallel(return_as="generator_unordered", **settings)
            except ValueError:  # a backend that returns all results at once
                run = Parallel(**settings)
            for place, member in run(asked()):
                found[place] = member
        except KeyboardInterrupt:
            pass
        except Exception:  # Ctrl-C ends waiting workers, too
            if not pressed:
                raise
    return {place: found[place] for place in sorted(found)}


def kept_or_trained(folder, task: tuple, train: Callable[[], Member]) -> Member:
    """The member of `task`: read from `folder` if it is there, else trained and written there.

    Args:
        folder: The folder of members that are done, or None.
        task: As `learning.Task`; the file is named by a checksum of (architecture, rows, recipe, seed).
        train: Trains the member.

    Raises:
        ValueError: if the file is damaged, or from a newer version.
    """
    if folder is None:
        return train()
    architecture, rows, recipe, seed, *_ = task
    path = Path(folder) / f"{digest(repr((architecture, recipe, seed)), *rows)}.npz"
    if path.exists():
        return _read_member(path, architecture)
    member = train()
    if not member.history.interrupted:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_member(path, member)
    return member


def _write_member(path: Path, member: Member) -> None:
    arrays = {f"weight.{i}": weight for i, weight in enumerate(member.weights)}
    arrays |= {name: np.array(getattr(member.history, name), "float64") for name in ("loss", "val_loss")}
    arrays |= {} if member.judged is None else {"judged": member.judged}
    about = {
        "val_loss": float(member.val_loss),
        "widening": float(member.widening),
        "best_epoch": int(member.history.best_epoch),
        "alive": [int(each) for each in member.alive],
    } | ({} if member.start is None else {"start": int(member.start)})
    write_arrays(path, arrays, about)


def _read_member(path: Path, architecture) -> Member:
    try:
        arrays, about = read_arrays(path, _ABOUT)
    except Damaged as error:
        raise ValueError(f"{error}: delete it, and this network is trained again.") from error
    curves = {name: arrays.pop(name).tolist() for name in ("loss", "val_loss")}
    history = training.History(**curves, best_epoch=about["best_epoch"])
    judged = arrays.pop("judged", None)
    weights = [arrays[f"weight.{i}"] for i in range(len(arrays))]
    kept = (about["val_loss"], history, about["widening"], about["alive"], about.get("start"))
    return Member(architecture, weights, *kept, judged)


def _placed(place: int, task: tuple, folder) -> tuple[int, Member]:
    return place, kept_or_trained(folder, task, functools.partial(one_member.fit_member, *task))
