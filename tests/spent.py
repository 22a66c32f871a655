"""Where a run of the tests spends its time: JAX's own counters and the processors', summed over the workers of xdist."""

from __future__ import annotations

import collections
import os
import sys
import threading

import pytest

TRACE, LOWER, COMPILE = (
    f"/jax/core/compile/{name}_duration" for name in ("jaxpr_trace", "jaxpr_to_mlir_module", "backend_compile")
)
READ = "/jax/compilation_cache/cache_retrieval_time_sec"
# of a worker: seconds by event, the numbers of programs and of those read from the disk, seconds of processors
SPENT = pytest.StashKey[collections.Counter]()


class Stopwatch:
    """Listens to JAX. A function is traced, or compiled, within the tracing of another: each second counts for one event."""

    def __init__(self, spent):
        self.spent, self.closed = spent, threading.local()

    def span(self, event, start, end, **_):
        closed = self.closed.__dict__.setdefault("spans", [])  # (start, seconds), the latest last
        within = 0.0
        while closed and closed[-1][0] >= start:
            within += closed.pop()[1]
        closed.append((start, end - start))
        self.spent[event] += end - start - within
        self.spent["programs"] += event == COMPILE

    def duration(self, event, seconds, **_):
        if event == READ:
            self.spent[READ] += seconds
            self.spent["read"] += 1


def pytest_collection_finish(session):
    spent = session.config.stash[SPENT] = collections.Counter()
    if "jax" in sys.modules:
        from jax import monitoring

        watch = Stopwatch(spent)
        monitoring.register_event_time_span_listener(watch.span)
        monitoring.register_event_duration_secs_listener(watch.duration)


def pytest_sessionfinish(session):
    """Of a process that ran tests: the one that prints, or a worker, which sends its figures to that one."""
    config = session.config
    if config.pluginmanager.hasplugin("dsession") or SPENT not in config.stash:  # its children are the workers
        return
    user, system, of_children, system_of_children, _ = os.times()
    config.stash[SPENT].update(tests=user + system, children=of_children + system_of_children)
    if hasattr(config, "workeroutput"):
        config.workeroutput["spent"] = dict(config.stash[SPENT])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    node.config.stash.setdefault(SPENT, collections.Counter()).update(
        getattr(node, "workeroutput", {}).get("spent", {})
    )


def pytest_terminal_summary(terminalreporter, config):
    spent = config.stash.get(SPENT, None)
    if not spent:
        return
    write = terminalreporter.write_line
    if spent["programs"]:
        write(
            f"JAX: {spent['programs']:,.0f} programs: {spent[TRACE]:,.0f} s tracing, {spent[LOWER]:,.0f} s lowering, "
            f"{spent[COMPILE]:,.0f} s compiling ({spent['read']:,.0f} of them read from the disk, in {spent[READ]:,.0f} s)"
        )
    total, children = spent["tests"] + spent["children"], spent["children"]
    write(f"processors: {total:,.0f} s, of which {children:,.0f} s in processes that tests started")
