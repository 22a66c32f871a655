"""`python -m mdn.exporting REQUEST`: runs `export` in a process under JAX; REQUEST holds its arguments as JSON."""

import json
import sys

from mdn.exporting import export
from mdn.models import load

given = json.loads(sys.argv[1])
export(load(given.pop("model")), given.pop("path"), **given)
