"""Formulas as MathML, written when the site is built: a browser needs no script, no font and no network to show them."""

import re

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.errors import ExtensionError

# What docutils does not know, by what it knows: the parentheses grow with what they hold.
_SPELLINGS = ((r"\\[bB]ig([(\[])", r"\\left\1"), (r"\\[bB]ig([)\]])", r"\\right\1"), (r"\\dots\b", r"\\ldots"))


def _formula(node: nodes.Element, **options) -> str:
    formula = node.astext()
    for known_elsewhere, known_here in _SPELLINGS:
        formula = re.sub(known_elsewhere, known_here, formula)
    try:
        return latex2mathml.tex2mathml(formula, **options)
    except MathError as error:
        raise ExtensionError(f"`{formula}` is no formula that docutils can write as MathML: {error}") from error


def _inline(self, node: nodes.math) -> None:
    self.body.append(_formula(node))
    raise nodes.SkipNode


def _block(self, node: nodes.math_block) -> None:
    self.body.append(f'<div class="formula">{_formula(node, as_block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app):
    """Registers the renderer; Sphinx takes the only one that there is."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
