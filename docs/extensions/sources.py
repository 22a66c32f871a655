"""Links between an entry of the reference and its source, in both directions, beyond what `sphinx.ext.viewcode` makes.

viewcode finds a name only in the module that the entry's object names as its own, under the name of the entry. It finds neither
a function that a chapter offers under another name, nor a method that a class inherits. On a page of source it links all names
back into one module: the one whose entry was read first, even if that entry was not found there (`sketch.save` is `save_plain` of
`mdn.models`). A build with one process forgets such a module when it reads the next page, a build with several does not, and then
all links back are dead. Here each name gets its own way back.
"""

from __future__ import annotations

import importlib
import inspect
import posixpath
import re

from sphinx import addnodes
from sphinx.ext.viewcode import OUTPUT_DIRNAME, viewcode_anchor
from sphinx.pycode import ModuleAnalyzer

_BACK = re.compile(r'(<div class="viewcode-block" id="([\w.]+)">\n<a class="viewcode-back" href=")[^"]*(")')


def written(module: str, name: str) -> tuple[str, str] | None:
    """(module, name) under which an object stands in the source; None if it has no source of its own, such as a constant.

    Args:
        module: The module that offers it.
        name: The name under which it does, such as `Mixture.mean`.
    """
    value = importlib.import_module(module)
    for part in name.split("."):
        value = inspect.getattr_static(value, part, None) if inspect.isclass(value) else getattr(value, part, None)
    value = getattr(value, "fget", None) or getattr(value, "func", None) or getattr(value, "__func__", value)
    value = inspect.unwrap(value) if callable(value) else value
    place = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    return place if all(isinstance(part, str) for part in place) else None


def _read(app, doctree) -> None:
    env = app.env
    sources, ways_back = env.__dict__.setdefault("_viewcode_modules", {}), env.__dict__.setdefault("ways_back", {})
    for signature in doctree.findall(addnodes.desc_signature):
        if not signature.get("module") or not signature.get("ids"):
            continue
        place = written(signature["module"], signature["fullname"])
        if place is None or not place[0].startswith("mdn"):
            continue
        module, name = place
        try:
            analyzer = ModuleAnalyzer.for_module(module)
        except Exception:  # as viewcode does: no source to show
            continue
        analyzer.find_tags()
        if name not in analyzer.tags:
            continue
        docname = env.current_document.docname
        ways_back.setdefault(place, (docname, signature["ids"][0]))
        if not any(isinstance(child, viewcode_anchor) for child in signature):
            page = posixpath.join(OUTPUT_DIRNAME, module.replace(".", "/"))
            signature += viewcode_anchor(reftarget=page, refid=name, refdoc=docname)
        entry = sources.get(module) or (analyzer.code, analyzer.tags, {}, module)
        entry[2].setdefault(name, docname)
        sources[module] = entry


def _merge(app, env, docnames, other) -> None:
    ours = env.__dict__.setdefault("ways_back", {})
    for place, way in sorted(getattr(other, "ways_back", {}).items()):
        ours[place] = min(way, ours.get(place, way))


def _purge(app, env, docname: str) -> None:
    ways = getattr(env, "ways_back", {})
    for place in [place for place, way in ways.items() if way[0] == docname]:
        del ways[place]


def _show(app, pagename: str, template: str, context: dict, doctree) -> None:
    """Gives each name on a page of source its own way back."""
    if not pagename.startswith(f"{OUTPUT_DIRNAME}/") or "body" not in context:
        return
    ways, module = app.env.ways_back, pagename.removeprefix(f"{OUTPUT_DIRNAME}/").replace("/", ".")

    def back(found: re.Match) -> str:
        docname, place = ways[module, found[2]]
        return f"{found[1]}{app.builder.get_relative_uri(pagename, docname)}#{place}{found[3]}"

    context["body"] = _BACK.sub(back, context["body"])


def setup(app):
    """Connects to Sphinx, after viewcode."""
    app.setup_extension("sphinx.ext.viewcode")
    app.connect("doctree-read", _read, priority=600)
    app.connect("env-merge-info", _merge, priority=600)
    app.connect("env-purge-doc", _purge)
    app.connect("html-page-context", _show)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}
