"""The lecture: from one bell curve to a network that draws its own, each idea a panel to play with."""

from __future__ import annotations

import functools
import threading
import time

import numpy as np

from mdn.data.schema import flag, listed, maybe, number, one_of, whole
from mdn_studio import limits
from mdn_studio.messages import message
from mdn_studio.page import Page
from mdn_studio.pages.lecture_runs import Bench, Run
from mdn_studio.refused import Refused

MOST_COMPONENTS = 10  # of a network
EPOCHS = 200  # of the networks that are trained without settings
_PLACE = number(-20.0, 20.0)
_WEIGHTS = listed(number(1e-4, 1.0), least=1)
_LOCS, _SCALES = listed(_PLACE, least=1), listed(number(0.05, 20.0), least=1)
_POINT = listed(_PLACE, 2)
_SEED = whole()
_PAUSE = 0.05  # seconds an epoch, for a training to be watched
_PATH_POINTS = 5000
_IDLE = 3.0  # seconds without a new training before another number of components is compiled


class Lecture(Page):
    """Answers at once what a hand drags; networks learn in threads of their own, and their frames go to the tab that asked."""

    name = "lecture"

    def __init__(self, studio):
        super().__init__(studio)
        self._warmed = threading.Event()
        self._warmed.set()
        self._ahead = threading.Event()  # whether the other numbers of components were prepared, or are being prepared
        self._closed = False
        self._started = time.monotonic()  # the newest training
        self._numbers = 0
        self._runs: set[Run] = set()

    @functools.cached_property
    def _shelf(self):
        from mdn_studio.pages.lecture_nets import Shelf

        return Shelf()

    # ---- densities ---------------------------------------------------------------------------------------------------

    @message("normal", loc=number(-10.0, 10.0), scale=number(0.05, 10.0))
    async def normal(self, session, loc: float, scale: float) -> dict:
        """The density of one normal."""

        def work():
            from mdn_studio.pages import lecture_bells, lecture_code

            return {**lecture_bells.normal(loc, scale), "code": lecture_code.normal(loc, scale)}

        return await self.quickly(work)

    @message("mixture", weights=_WEIGHTS, locs=_LOCS, scales=_SCALES)
    async def mixture(self, session, weights, locs, scales) -> dict:
        """The density of a mixture, and its parts."""

        def work():
            from mdn_studio.pages import lecture_bells, lecture_code

            found = lecture_bells.mixture(weights, locs, scales)
            return {**found, "code": lecture_code.mixture(found["weights"], locs, scales)}

        return await self.quickly(work)

    @message("draws", weights=_WEIGHTS, locs=_LOCS, scales=_SCALES, count=whole(1, 2000), seed=_SEED)
    async def draws(self, session, weights, locs, scales, count: int, seed: int) -> dict:
        """Draws of a mixture."""

        def work():
            from mdn_studio.pages import lecture_bells

            return {"draws": lecture_bells.draws(weights, locs, scales, count, seed)}

        return await self.quickly(work)

    @message("hills", components=whole(1, 4))
    async def hills(self, session, components: int) -> dict:
        """The data with two hills, and a mixture that was fitted to them."""

        def work():
            from mdn_studio.pages import lecture_bells, lecture_code

            return {**lecture_bells.hills(components), "code": lecture_code.hills(components)}

        return await self.quickly(work)

    # ---- two networks, side by side ----------------------------------------------------------------------------------

    @message("about")
    async def about(self, session) -> dict:
        """What the page shows before anything is trained: the points, the best possible NLL, limits, and code."""

        def work():
            from mdn.applications.slides import data
            from mdn_studio.pages import lecture_code, lecture_nets, lecture_walk

            x, y = data.inverse_sine(lecture_nets.ROWS, 0)
            return {
                "points": lecture_nets.rounded(np.concatenate([x, y], axis=1), 2),
                "best": data.best_possible_nll(),
                "across": [float(lecture_nets.ACROSS[0]), float(lecture_nets.ACROSS[-1])],
                "up": [float(lecture_nets.UP[0]), float(lecture_nets.UP[-1])],
                "columns": len(lecture_nets.ACROSS),
                "cells": len(lecture_nets.SHOULDER),
                "reach": sum(data.ARM),
                "forks": lecture_nets.rounded(np.concatenate(list(lecture_walk.demonstrations(None).values())), 2),
                "steps": lecture_walk.data.STEPS,
                "most": limits.PAINTED,
                "hand": lecture_code.hand(),
            }

        return await self.quickly(work)

    @message(
        "train", points=maybe(listed(_POINT)), components=whole(1, MOST_COMPONENTS), units=whole(2, 64), epochs=whole(1, 2000),
        rate=number(1e-5, 0.3), seed=_SEED, slowly=flag,
    )  # fmt: skip
    async def train(self, session, points, components, units, epochs, rate, seed, slowly) -> dict:
        """Trains least squares and a mixture density network on the same points, from the start.

        `points` are those that a person painted, or null for the data of the slides.
        """
        if points is not None and len(points) > limits.PAINTED:
            raise Refused(f"{len(points):,} points are too many to watch; paint at most {limits.PAINTED:,}.")

        def prepare():
            from mdn.metrics import Baseline
            from mdn_studio.pages import lecture_code, lecture_nets

            rows, test = lecture_nets.slides() if points is None else lecture_nets.painted(points)
            code = lecture_code.train(points is not None, components, units, epochs, rate, seed)
            return rows, test, Baseline(rows[1]).gaussian_nll(test[1]), code

        rows, test, blind, code = await self.quickly(prepare)
        settings = dict(epochs=epochs, rate=rate, seed=seed)
        pause = _PAUSE if slowly else 0.0
        works = {
            "squares": self._one(session, "squares", (0, units), rows, test, settings, pause),
            "mixture": self._one(session, "mixture", (components, units), rows, test, settings, pause),
        }
        return {"run": self._start(session, "train", works), "code": code, "blind": blind}

    @message("hand")
    async def hand(self, session) -> dict:
        """Trains the network that is written by hand, as the slides do."""
        from mdn.applications.slides import nets
        from mdn_studio.pages import lecture_nets

        rows, test = await self.quickly(lecture_nets.slides)
        settings = dict(epochs=EPOCHS, rate=0.01, seed=0)
        work = self._one(session, "hand", (nets.COMPONENTS, nets.UNITS), rows, test, settings)
        return {"run": self._start(session, "hand", {"hand": work})}

    def _one(self, session, kind, shape, rows, test, settings, pause=0.0):
        """The work of one network for one target."""

        def work(run, say):
            from mdn.plots.canvas import as_numpy
            from mdn_studio.pages.lecture_nets import Frames, picture

            net = self._begin(session, kind, shape, rows, settings["seed"])

            def see():
                spread = None
                if net.squares:
                    spread = float(np.std(rows[1] - as_numpy(net.params(rows[0])), dtype="float64"))
                return {**picture(net), "spread": spread, "nll": net.nll(*test, spread=spread)}

            say(epoch=0, loss=[], **see())
            net.learn(*rows, **settings, callbacks=[Frames(run, say, see, pause)])
            if kind == "mixture" and not self._ahead.is_set():
                self._ahead.set()
                threading.Thread(target=self._prepare, args=(shape[0],), daemon=True, name="lecture-ahead").start()

        return work

    def _prepare(self, components: int) -> None:
        """Compiles the networks with other numbers of components, the nearest first, while nobody trains."""
        for other in sorted(range(1, MOST_COMPONENTS + 1), key=lambda other: abs(other - components)):
            while time.monotonic() - self._started < _IDLE or any(run.running for run in list(self._runs)):
                time.sleep(0.2)
            if self._closed:
                return
            self._shelf.prepare(other)

    def _begin(self, session, kind, shape, rows, seed):
        """A network for the tab, with fresh weights; the one that it replaces goes back to the shelf."""
        self._warmed.wait()
        shown = session.state[self.name].shown
        old = shown.get(kind)
        if old is None or old.key != (kind, *shape):
            net = self._shelf.take(kind, *shape)
            if old is not None:
                self._shelf.give(old)
        else:
            net = old
        net.begin(*rows, seed)
        shown[kind] = net
        return net

    @message("stop", panel=one_of("train", "hand", "arm", "walk"))
    async def stop(self, session, panel: str) -> dict:
        """Ends the training of a panel of this tab; what it has learnt stays on the page, and other panels go on."""
        run = self._bench(session).runs.get(panel)
        if run is not None:
            run.stop()
        return {}

    @message("cut", x=number(-20.0, 20.0), seed=_SEED)
    async def cut(self, session, x: float, seed: int) -> dict:
        """The answers for one x."""
        shown = self._bench(session).shown
        if "mixture" not in shown:
            raise Refused("nothing is trained yet; press Train first.")

        def work():
            from mdn_studio.pages import lecture_code, lecture_nets

            return {**lecture_nets.cut(shown["mixture"], shown.get("squares"), x, seed), "code": lecture_code.cut(x)}

        return await self.quickly(work)

    # ---- two targets -------------------------------------------------------------------------------------------------

    @message("arm.train")
    async def train_arm(self, session) -> dict:
        """Trains both networks for the two angles of an arm."""
        from mdn.applications.slides import data, nets

        rows, bench = await self.quickly(data.arm, 3000, 0), self._bench(session)
        settings = dict(epochs=EPOCHS, rate=0.01, seed=0)

        def work(run, say):
            from mdn_studio.pages.lecture_nets import Frames, arms

            squares = self._begin(session, "arm squares", (0, nets.UNITS), rows, 0)
            net = self._begin(session, "arm", (nets.COMPONENTS, nets.UNITS), rows, 0)
            say(epoch=0, loss=[], of="squares")
            squares.learn(*rows, **settings, callbacks=[Frames(run, say, lambda: {"of": "squares"})])
            see = lambda: {"of": "mixture", **arms(net, squares, bench.goal)}  # noqa: E731
            if not run.stopped.is_set():
                net.learn(*rows, **settings, callbacks=[Frames(run, say, see)])

        return {"run": self._start(session, "arm", {"arm": work})}

    @message("arm", goal=listed(number(-2.0, 2.0), 2))
    async def arm(self, session, goal) -> dict:
        """The answers for one place of the hand."""
        bench = self._bench(session)
        bench.goal = goal

        def work():
            from mdn_studio.pages import lecture_code, lecture_nets

            code = lecture_code.arm(goal)
            if "arm" not in bench.shown:
                return {"code": code}
            return {**lecture_nets.arms(bench.shown["arm"], bench.shown["arm squares"], goal), "code": code}

        return await self.quickly(work)

    # ---- a path, step by step ----------------------------------------------------------------------------------------

    @message("walk.train", paths=maybe(listed(listed(_POINT, least=2))))
    async def train_walk(self, session, paths) -> dict:
        """Trains a network that moves a hand, on paths of a person or on made-up ones."""
        if len(paths or ()) > limits.PATHS or any(len(one) > _PATH_POINTS for one in paths or ()):
            raise Refused(
                f"that is too much; lead the hand along at most {limits.PATHS} paths of {_PATH_POINTS:,} points."
            )

        def prepare():
            from mdn_studio.pages import lecture_code, lecture_nets, lecture_walk

            shown = lecture_walk.demonstrations(paths)
            code = lecture_code.walk(bool(paths), lecture_walk.epochs_for(shown))
            return shown, code, lecture_nets.rounded(np.concatenate(list(shown.values())), 2)

        shown, code, drawn = await self.quickly(prepare)
        bench = self._bench(session)

        def work(run, say):
            from mdn_studio.pages import lecture_walk

            self._warmed.wait()
            bench.walker = lecture_walk.learn(shown, run.stopped, say)
            lecture_walk.step(bench.walker, [[0.0, 0.0]], 0)  # compiles

        return {"run": self._start(session, "walk", {"walk": work}), "code": code, "paths": drawn}

    @message("walk.step", path=listed(listed(number(-100.0, 100.0), 2), least=1), seed=_SEED)
    async def step(self, session, path, seed: int) -> dict:
        """What the network expects next, and a draw from it."""
        bench = self._bench(session)
        if bench.walker is None:
            raise Refused("the network has not learnt to move yet; press Train first.")

        def work():
            from mdn_studio.pages import lecture_walk

            if len(path) > lecture_walk.data.STEPS:
                raise Refused(f"a path has {lecture_walk.data.STEPS} steps; begin a new one.")
            return lecture_walk.step(bench.walker, path, seed)

        return await self.quickly(work)

    # ---- trainings and their end -------------------------------------------------------------------------------------

    def _bench(self, session) -> Bench:
        return session.state.setdefault(self.name, Bench())

    def _start(self, session, panel: str, works) -> int:
        """Starts a training in the place of the panel's last one; returns its number."""
        bench = self._bench(session)
        before = bench.runs.get(panel)
        self._runs = {run for run in self._runs if run.running}
        if len(self._runs - {before}) >= limits.LIVE:
            raise Refused(f"{limits.LIVE} networks learn in other tabs or panels just now; try again in a few seconds.")
        self._numbers, self._started = self._numbers + 1, time.monotonic()
        run = bench.runs[panel] = Run(session, self._numbers, works, before)
        self._runs.add(run)
        run.start()
        return self._numbers

    async def left(self, session) -> None:
        """Ends the trainings of a closed tab, and takes its networks back."""
        bench = session.state.get(self.name)
        if bench is None:
            return
        for run in bench.runs.values():
            run.stop()

        def tidy():
            for run in bench.runs.values():
                run.wait()
            for net in bench.shown.values():
                self._shelf.give(net)

        if bench.runs:
            threading.Thread(target=tidy, daemon=True, name="lecture-tidy").start()

    def warm(self) -> None:
        """Compiles what the panels ask for, in this order: densities, the two networks, two hills."""
        from mdn import training
        from mdn_studio.pages import lecture_bells

        training.keep_compiled_programs()
        self._warmed.clear()
        three = [0.5, 0.3, 0.2], [-4.0, 0.0, 4.0], [1.0, 1.0, 1.0]
        self.in_pieces(
            lambda function, *arguments: function(*arguments),
            [
                (lecture_bells.normal, 0.0, 1.0),
                (lecture_bells.mixture, *three),
                (lecture_bells.draws, *three, 200, 0),
                (self._warm_nets,),
                *((lecture_bells.hills, components) for components in (2, 1, 3, 4)),
            ],
        )

    def _warm_nets(self) -> None:
        try:
            self._shelf.warm()
        finally:
            self._warmed.set()

    def close(self) -> None:
        """Ends all trainings."""
        self._closed = True
        self._warmed.set()  # nobody warms up any more
        for run in self._runs:
            run.stop()
        super().close()


page = Lecture
