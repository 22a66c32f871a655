"""The site: `make docs` builds it from docs/ into site/. ARCHITECTURE.md says why Sphinx, MyST-NB and Furo."""

import os
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent / "src")]

# What cells of pages see: the backend of a newcomer, pictures of one size, and no accelerator that a reader may lack.
os.environ |= {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "MATPLOTLIBRC": str(HERE / "matplotlibrc")}

project = "mdn"
author = "The mdn authors"
copyright = "the mdn authors, MIT licence"
release = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "elsewhere",
    "mathml",
    "docstrings",
    "not_run",
    "sources",
    "command_line",
]
exclude_patterns = ["extensions", "static"]

# ---- pages -----------------------------------------------------------------------------------------------------------

myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "force"  # a figure on a page is one of this build
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300  # seconds a cell
nb_merge_streams = True
nb_output_stderr = "remove-warn"

# ---- the reference ---------------------------------------------------------------------------------------------------

default_role = "py:obj"  # `name` in a docstring: a link where it is a public name, else code
autodoc_default_options = {
    "members": True,
    "exclude-members": "get_config, from_config, build, call, compute_output_shape",
}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_inherit_docstrings = False
autosummary_generate = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
python_use_unqualified_type_names = True
add_module_names = False
viewcode_line_numbers = True

# ---- how it looks ----------------------------------------------------------------------------------------------------

html_theme = "furo"
html_title = f"mdn {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "monokai"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5fa8", "color-brand-content": "#1f5fa8"},
    "dark_css_variables": {"color-brand-primary": "#8ab8f0", "color-brand-content": "#8ab8f0"},
}
