"""Every family of the package as data: float32 numbers from which both `mdn` and the truth are built.

An entry is a `Node`, a tree of arrays. `build(node)` gives the distribution of `mdn`, `truth(node)` the one of
`references.py` in float64, from the very same numbers. A new family needs one line in `ENTRIES`, a truth in
`references.py`, and gets every test of `test_contract_matrix.py`.

The numbers are meant to be hard: overlapping and far modes, scales from 1e-3 to 1e3, degrees of freedom from 0.7 to
200, concentrations from 0.01 to 500, a component that is all but dead, components on top of one another.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np

import references as ref


@dataclass(frozen=True)
class Node:
    """A distribution as data: `kind` is the name of its class, `fields` its arrays, `children` what it is made of.

    `plain` are numbers that are the same for the whole batch: `(name of a bijection, its numbers)`, atoms,
    the step and the least outcome of a Rounded, or the period of a Circular and where its range begins.
    """

    kind: str
    fields: dict = field(default_factory=dict)
    children: object = ()
    plain: tuple = ()

    # ---- the tree as a flat list of arrays -------------------------------------------------------------------

    def leaves(self):
        """[(name, array), ...] in a fixed order."""
        own = [(f"{self.kind}.{name}", array) for name, array in self.fields.items()]
        return own + [leaf for child in self._children() for leaf in child.leaves()]

    def with_leaves(self, arrays):
        """The same tree with other arrays (or tensors), in the order of `leaves`."""
        node, rest = self._take(list(arrays))
        assert not rest
        return node

    def map(self, function):
        return self.with_leaves([function(array) for _, array in self.leaves()])

    def _children(self):
        return self.children.values() if isinstance(self.children, dict) else self.children

    def _take(self, arrays):
        fields = {name: arrays.pop(0) for name in self.fields}
        children = []
        for child in self._children():
            node, arrays = child._take(arrays)
            children.append(node)
        if isinstance(self.children, dict):
            children = dict(zip(self.children, children, strict=True))
        children = children if isinstance(children, dict) else tuple(children)
        return dataclasses.replace(self, fields=fields, children=children), arrays

    # ---- shapes ----------------------------------------------------------------------------------------------

    @property
    def batch_shape(self):
        if self.kind == "Joint":
            return next(iter(self._children())).batch_shape
        if self.kind == "Factorised":
            return self.children[0].batch_shape[:-1]
        if self.kind in ("Transformed", "Rounded", "Circular"):
            return self.children[0].batch_shape
        if self.kind == "Mixture":
            return self.fields["logits"].shape[:-1]
        return next(iter(self.fields.values())).shape[:-1]

    def at(self, index):
        """One part of the batch, as `distribution[index]` would give."""
        return self.map(lambda array: array[index])

    def tiled(self, count):
        """`count` copies along a new leading axis of the batch."""
        return self.map(lambda array: np.broadcast_to(array, (count, *array.shape)).copy())

    # ---- temperature, from the words of the contract ---------------------------------------------------------

    def heated(self, component, variance):
        """Logits of whatever is discrete divided by `component`; every variance multiplied by `variance`."""
        change = {
            "logits": lambda a: a / component,
            "scale": lambda a: a * np.sqrt(variance),
            "scale_tril": lambda a: a * np.sqrt(variance),
            "factor": lambda a: a * np.sqrt(variance),
            "concentration": lambda a: a / variance,
            "rate": lambda a: a / variance,
            "concentration1": lambda a: a / variance,
            "concentration0": lambda a: a / variance,
        }
        if self.kind in ("Poisson", "NegativeBinomial"):  # the mean stays
            change.pop("rate")
        if self.kind == "Weibull":  # the standard deviation of log y is in proportion to 1 / concentration
            change = {"concentration": lambda a: a / np.sqrt(variance)}
        fields = {name: change.get(name, lambda a: a)(np.asarray(a, np.float64)) for name, a in self.fields.items()}
        if isinstance(self.children, dict):
            children = {name: child.heated(component, variance) for name, child in self.children.items()}
        else:
            children = tuple(child.heated(component, variance) for child in self.children)
        return dataclasses.replace(self, fields=fields, children=children)


def node(kind, *children, **fields):
    return Node(kind, {name: np.asarray(value, np.float32) for name, value in fields.items()}, tuple(children))


def mixture(logits, *components):
    return Node("Mixture", {"logits": np.asarray(logits, np.float32)}, tuple(components))


def factorised(each):
    return Node("Factorised", {}, (each,))


def transformed(base, bijection, *numbers):
    return Node("Transformed", {}, (base,), (bijection, numbers))


def spiked(logits, atoms, base):
    return Node("Spiked", {"logits": np.asarray(logits, np.float32)}, (base,), atoms)


def rounded(base, step, lowest):
    return Node("Rounded", {}, (base,), (step, lowest))


def circular(base, period, low):
    return Node("Circular", {}, (base,), (period, low))


def joint(**parts):
    return Node("Joint", {}, parts)


def build(tree):
    """The distribution of `mdn`; arrays become tensors of the backend, tensors pass as they are."""
    import keras

    import mdn

    if tree.kind == "Joint":
        return mdn.Joint({name: build(child) for name, child in tree.children.items()})
    if tree.kind == "Factorised":
        return mdn.Factorised(build(tree.children[0]))
    if tree.kind == "Transformed":
        return mdn.Transformed(build(tree.children[0]), bijection_of(tree))
    if tree.kind == "Rounded":
        return mdn.Rounded(build(tree.children[0]), *tree.plain)
    if tree.kind == "Circular":
        return mdn.Circular(build(tree.children[0]), *tree.plain)
    fields = {
        name: keras.ops.convert_to_tensor(value) if isinstance(value, np.ndarray) else value
        for name, value in tree.fields.items()
    }
    if tree.kind == "Mixture":
        components = [build(child) for child in tree.children]
        return mdn.Mixture(fields["logits"], components[0] if len(components) == 1 else tuple(components))
    if tree.kind == "Spiked":
        return mdn.Spiked(fields["logits"], tree.plain, build(tree.children[0]))
    return getattr(mdn, tree.kind)(**fields)


def bijection_of(tree):
    """The bijection of `mdn` of a Transformed."""
    import mdn

    name, numbers = tree.plain
    return getattr(mdn.bijections, name)(*numbers)


def truth(tree):
    """The truth of `references.py`, in float64."""
    if tree.kind == "Joint":
        return ref.Joint({name: truth(child) for name, child in tree.children.items()})
    if tree.kind == "Factorised":
        return ref.Factorised(truth(tree.children[0]))
    if tree.kind == "Transformed":
        return ref.Transformed(truth(tree.children[0]), *tree.plain)
    if tree.kind == "Rounded":
        return ref.Rounded(truth(tree.children[0]), *tree.plain)
    if tree.kind == "Circular":
        return ref.Circular(truth(tree.children[0]), *tree.plain)
    fields = {name: np.asarray(value, np.float64) for name, value in tree.fields.items()}
    if tree.kind == "Mixture":
        return ref.Mixture(fields["logits"], [truth(child) for child in tree.children])
    if tree.kind == "Spiked":
        return ref.Spiked(fields["logits"], tree.plain, truth(tree.children[0]))
    if tree.kind == "MultivariateNormal":
        return ref.Gaussian.from_tril(fields["loc"], fields["scale_tril"])
    if tree.kind == "LowRankNormal":
        return ref.Gaussian.low_rank(fields["loc"], fields["scale"], fields["factor"])
    if tree.kind in ("Categorical", "Bernoulli"):
        return getattr(ref, tree.kind)(fields["logits"])
    return ref.Independent(tree.kind, **fields)


def spots(tree, z):
    """Points `z` widths from the centre of each leaf component: (*batch, number of them, D)."""
    if tree.kind == "Mixture":
        parts = [spots(child, z) for child in tree.children]
        return np.concatenate([p.reshape(*tree.batch_shape, -1, p.shape[-1]) for p in parts], axis=-2)
    if tree.kind == "Factorised":
        return np.moveaxis(spots(tree.children[0], z)[..., 0], -2, -1)
    if tree.kind == "Transformed":
        name, numbers = tree.plain
        with np.errstate(over="ignore"):
            y = ref.BIJECTIONS[name](*numbers).forward(np.float64(spots(tree.children[0], z)))
        # the outermost numbers of float32 within the support, and no number that leaves float32
        low, high = (np.float32(np.clip(end, -1e30, 1e30)) for end in truth(tree).support)
        return np.clip(y, np.nextafter(low, high), np.nextafter(high, low))
    if tree.kind == "Spiked":
        atoms = np.broadcast_to(np.float32(tree.plain), (*tree.batch_shape, len(tree.plain)))[..., None]
        return np.concatenate([atoms, spots(tree.children[0], z)], axis=-2)
    if tree.kind == "Rounded":
        return truth(tree).nearest(np.float64(spots(tree.children[0], z)))
    if tree.kind == "Circular":
        return spots(tree.children[0], z) / np.float32(truth(tree).unit)
    fields = tree.fields
    if tree.kind == "MultivariateNormal":
        fields = {"loc": fields["loc"], "scale": np.sqrt((fields["scale_tril"] ** 2).sum(-1))}
    where = ref.COORDINATES.get(tree.kind, ref.Coordinate).spot(z, **fields)
    return where[..., None, :]


@dataclass(frozen=True)
class Entry:
    """One row of the matrix: `tree` with batch (2, 3); `variants` has its parts with batch (3,) and ()."""

    name: str
    tree: Node

    @cached_property
    def event_size(self):
        return self.truth.event_size

    @cached_property
    def truth(self):
        return truth(self.tree)

    @property
    def discrete(self):
        return not self.is_joint and self.truth.discrete

    @property
    def circular(self):
        return not self.is_joint and self.truth.circular

    @property
    def is_joint(self):
        return self.tree.kind == "Joint"

    @property
    def is_mixture(self):
        return self.tree.kind == "Mixture"

    @property
    def has_components(self):
        return self.is_mixture or (
            self.tree.kind in ("Transformed", "Circular") and self.tree.children[0].kind == "Mixture"
        )

    @property
    def is_line(self):
        """Has a distribution function."""
        return not self.is_joint and not self.discrete and self.event_size == 1

    @property
    def is_categorical(self):
        return self.tree.kind == "Categorical" or (self.is_mixture and self.tree.children[0].kind == "Categorical")

    def variants(self):
        """The same numbers with batch shapes (2, 3), (3,) and ()."""
        return {(2, 3): self.tree, (3,): self.tree.at(0), (): self.tree.at((1, 2))}

    def points(self, offsets=(0.37, -0.8, 1.9, -4.3), draws=3):
        """Targets (n, *batch, D), float32: around and beyond every component, and draws."""
        if self.is_joint:
            return {name: Entry(name, child).points(offsets, draws) for name, child in self.tree.children.items()}
        rng = np.random.default_rng(11)
        if self.discrete:
            return _sixteen(self.truth.sample(rng, 16))
        near = np.concatenate([np.moveaxis(spots(self.tree, z), -2, 0) for z in offsets])
        drawn = self.truth.sample(rng, draws)
        return _sixteen(np.clip(np.concatenate([near, drawn]), -3e38, 3e38))

    def tails(self):
        """Targets whose log probability reaches about -500 on either side."""
        if self.circular:
            around = np.float32([-3.1415, -3.1, -2.0, -0.3, 1.2, 3.0, 3.1, 3.1415]).reshape(-1, 1, 1, 1)
            around = around / np.float32(getattr(self.truth, "unit", 1.0))
            return _sixteen(np.broadcast_to(around, (8, *self.tree.batch_shape, 1)))
        leaves = {name.split(".")[0] for name, _ in self.tree.leaves()} - {"Mixture", "Spiked"}
        near, far = 8.0, 31.0
        counts = {"Poisson", "NegativeBinomial"}
        reals = {"Normal", "MultivariateNormal", "LowRankNormal", "LogNormal", "Gamma", "Weibull", "Beta"}
        if not leaves <= reals | counts:
            near, far = 40.0, 500.0
        where = [np.moveaxis(spots(self.tree, z), -2, 0) for z in (-far, -near, -2.0, 0.1, 2.0, near, far)]
        return _sixteen(np.concatenate(where))


def _sixteen(points):
    """Always 16 targets: JAX compiles every operation anew for every shape."""
    count = len(points)
    index = np.arange(16) % count if count < 16 else np.linspace(0, count - 1, 16).round().astype(int)
    return points[index].astype(np.float32)


# ---- the numbers ---------------------------------------------------------------------------------------------------


def _columns(*rows):
    """Six rows of numbers as (2, 3, n)."""
    return np.float32(rows).reshape(2, 3, -1)


# One component: six of them.
LOC = _columns([0.0], [1.5], [-1000.0], [0.001], [50.0], [-0.25])
SCALE = _columns([1.0], [0.3], [1000.0], [0.001], [0.02], [7.0])
DF = _columns([0.7], [1.5], [200.0], [2.5], [4.0], [30.0])
LOG_LOC = _columns([0.0], [1.5], [-3.0], [0.001], [6.0], [-0.25])
LOG_SCALE = _columns([1.0], [0.3], [2.0], [0.001], [0.02], [1.7])
ANGLE = _columns([0.0], [1.5], [-3.1], [3.1], [-0.7], [2.0])
CONCENTRATION = _columns([1.0], [0.01], [500.0], [30.0], [4.0], [120.0])

SHAPE = _columns([1.0], [0.4], [500.0], [2.5], [30.0], [7.0])
RATE = _columns([1.0], [0.3], [1000.0], [0.001], [50.0], [0.25])

HAZARD = _columns([1.0], [0.4], [200.0], [2.5], [30.0], [7.0])
HAZARD_SCALE = _columns([1.0], [0.3], [1000.0], [0.001], [50.0], [0.25])
ONES = _columns([1.0], [0.4], [500.0], [0.2], [30.0], [2.0])
ZEROS = _columns([1.0], [0.7], [200.0], [3.0], [0.9], [5.0])
ENDS = {"low": -0.5, "high": 2.0}
END_LOC = _columns([1.0], [-3.5], [0.5], [30.0], [1.5], [0.0])  # inside, and 30 scales and more outside
END_SCALE = _columns([0.5], [0.1], [0.02], [0.7], [0.3], [1000.0])

# Three components, (2, 3, K, 1): overlapping, far apart, scales from 1e-3 to 1e3, one all but dead, one on top of
# another, nested.
MIX_LOGITS = _columns(
    [0, 0, 0], [0.3, -0.5, 1.0], [0.2, 0.1, -0.4], [0.0, 1.0, -20.0], [1.0, 2.0, 0.5], [-3.0, 0.2, 2.0]
)
MIX_LOC = _columns([0, 0.5, 1], [-50, 0, 60], [0, 0.1, -5], [-1, 2, 30], [1, 1, 1], [0.3, 0.3, 0.3])[..., None]
MIX_SCALE = _columns([1, 0.8, 1.2], [0.1, 1, 2], [1e-3, 1, 1e3], [0.5, 0.4, 2], [2, 2, 2], [0.01, 0.1, 10])[..., None]
MIX_DF = _columns([200, 3, 2.2], [5, 1.5, 40], [2.5, 8, 200], [3, 10, 0.7], [4, 4, 4], [30, 3, 2.6])[..., None]
MIX_LOG_LOC = _columns([0, 0.5, 1], [-5, 0, 3], [0, 0.1, -2], [-1, 1, 4], [1, 1, 1], [0.3, 0.3, 0.3])[..., None]
MIX_LOG_SCALE = _columns([0.5, 0.4, 0.6], [0.1, 0.5, 0.2], [1e-3, 1, 1.8], [0.5, 0.4, 1], [0.7] * 3, [0.01, 0.1, 1.5])[
    ..., None
]
MIX_ANGLE = _columns([0, 0.5, 1], [-2.5, 0, 2.8], [0, 0.1, -3.1], [-1, 2, 3.1], [1, 1, 1], [3.1, -3.1, 3.0])[..., None]
MIX_CONCENTRATION = _columns([1, 2, 0.8], [90, 5, 500], [500, 4, 0.01], [6, 9, 2], [3, 3, 3], [500, 20, 0.3])[..., None]

MIX_SHAPE = _columns([1, 2, 3], [0.5, 5, 60], [900, 2.5, 0.7], [3, 10, 2], [4, 4, 4], [0.3, 30, 3])[..., None]
MIX_RATE = _columns([1, 0.8, 1.2], [0.1, 1, 2], [1e3, 1, 0.1], [0.5, 0.4, 2], [2, 2, 2], [0.02, 0.1, 10])[..., None]

# Three components of a number z that becomes a share between two ends.
MIX_LOGIT_LOC = _columns([0, 0.5, 1], [-3, 0, 2.5], [0, 0.1, -2], [-1, 1, 4], [1, 1, 1], [0.3, 0.3, 0.3])[..., None]
MIX_LOGIT_SCALE = _columns([0.5, 0.4, 0.6], [0.3, 0.5, 0.2], [0.1, 1, 3], [0.5, 0.4, 1], [0.7] * 3, [0.05, 0.1, 1.5])[
    ..., None
]
COUNT_RATE = _columns([1.0], [0.3], [1000.0], [2.5], [50.0], [7.0])
COUNT_MEAN = _columns([1.0], [0.3], [200.0], [2.5], [50.0], [7.0])
COUNT_SHAPE = _columns([1.0], [0.4], [500.0], [2.5], [30.0], [0.7])
MIX_COUNT_RATE = _columns([1, 2, 9], [0.5, 5, 60], [900, 2.5, 0.7], [3, 10, 2], [4, 4, 4], [0.3, 30, 3])[..., None]
MIX_COUNT_SHAPE = _columns([1, 0.8, 9], [3, 1, 20], [60, 1, 0.6], [0.5, 0.4, 2], [2, 2, 2], [2, 90, 10])[..., None]


MIX_HAZARD = _columns([1, 2, 3], [0.5, 5, 60], [200, 2.5, 0.7], [3, 10, 2], [4, 4, 4], [0.6, 30, 3])[..., None]
MIX_HAZARD_SCALE = _columns([1, 0.8, 1.2], [0.1, 1, 2], [2, 1, 9], [0.5, 4, 30], [2, 2, 2], [0.02, 0.1, 10])[..., None]
MIX_ONES = _columns([1, 2, 3], [0.5, 5, 60], [400, 2.5, 0.7], [3, 10, 2], [4, 4, 4], [0.3, 30, 3])[..., None]
MIX_ZEROS = _columns([1, 1.8, 9], [2, 5, 3], [600, 1, 1.6], [1.5, 40, 2], [2, 2, 2], [3, 3, 1.9])[..., None]
MIX_END_LOC = _columns([0, 0.5, 1], [-3.5, 0, 3], [0, 0.1, -5], [-1, 2, 30], [1, 1, 1], [0.3, 0.3, 0.3])[..., None]
MIX_END_SCALE = _columns([1, 0.8, 1.2], [0.1, 1, 0.2], [0.02, 1, 1e3], [0.5, 0.4, 2], [2, 2, 2], [0.02, 0.1, 10])[
    ..., None
]


def _wide(array, *, shift=0.0, factor=1.0, size=2):
    """(..., 1) -> (..., size): the other coordinates are permuted, shifted and scaled copies."""
    parts = [array[..., 0]]
    for d in range(1, size):
        parts.append(np.roll(array[..., 0], d, axis=-1) * factor**d + shift * d)
    return np.stack(parts, axis=-1).astype(np.float32)


def _tril(scale, size, rng):
    """Lower factors with the given diagonal and strong correlations: (..., D) -> (..., D, D)."""
    mixing = np.tril(rng.uniform(-1.5, 1.5, (*scale.shape[:-1], size, size)), -1)
    return (scale[..., :, None] * (mixing + np.eye(size))).astype(np.float32)


def _entries():
    rng = np.random.default_rng(5)
    three = rng.uniform(-1, 1, (2, 3, 3))
    loc3, scale3 = LOC + SCALE * three, SCALE * np.float32([1.0, 0.1, 3.0])
    log_loc3 = (LOG_LOC + LOG_SCALE * three) * 0.5
    angle3 = ref.wrap(ANGLE + three).astype(np.float32)
    flat3 = np.broadcast_to(np.float32([1.0, 0.01, 4.0]), (2, 3, 3))

    yield "Normal D=1", node("Normal", loc=LOC, scale=SCALE)
    yield "Laplace D=1", node("Laplace", loc=LOC, scale=SCALE)
    yield "Logistic D=1", node("Logistic", loc=LOC, scale=SCALE)
    yield "StudentT D=1", node("StudentT", loc=LOC, scale=SCALE, df=DF)
    yield "LogNormal D=1", node("LogNormal", loc=LOG_LOC, scale=LOG_SCALE)
    yield "Gamma D=1", node("Gamma", concentration=SHAPE, rate=RATE)
    yield "Weibull D=1", node("Weibull", concentration=HAZARD, scale=HAZARD_SCALE)
    yield "Beta D=1", node("Beta", concentration1=ONES, concentration0=ZEROS)
    yield "TruncatedNormal D=1", node("TruncatedNormal", loc=END_LOC, scale=END_SCALE, **_ends(END_LOC))
    yield "VonMises D=1", node("VonMises", loc=ANGLE, concentration=CONCENTRATION)
    yield "MultivariateNormal D=1", node("MultivariateNormal", loc=LOC, scale_tril=SCALE[..., None])
    yield "LowRankNormal D=1", node("LowRankNormal", loc=LOC, scale=SCALE, factor=SCALE[..., None] * 0.5)

    yield "Normal D=3", node("Normal", loc=loc3, scale=scale3)
    yield "Normal isotropic D=3", node("Normal", loc=loc3, scale=SCALE)
    yield "Laplace D=3", node("Laplace", loc=loc3, scale=scale3)
    yield "Logistic D=3", node("Logistic", loc=loc3, scale=scale3)
    yield "StudentT D=3", node("StudentT", loc=loc3, scale=scale3, df=DF + 2 * flat3)
    yield (
        "LogNormal D=3",
        node("LogNormal", loc=log_loc3, scale=LOG_SCALE * np.float32([1.0, 10.0, 1.0]).clip(None, 2.0 / LOG_SCALE)),
    )
    yield "Gamma D=3", node("Gamma", concentration=SHAPE * (2 + three), rate=RATE * np.float32([1.0, 10.0, 0.5]))
    yield "VonMises D=3", node("VonMises", loc=angle3, concentration=CONCENTRATION * flat3)
    yield "MultivariateNormal D=3", node("MultivariateNormal", loc=loc3, scale_tril=_tril(scale3, 3, rng))
    factor = (0.7 * SCALE[..., None] * rng.uniform(-1, 1, (2, 3, 3, 2))).astype(np.float32)
    yield "LowRankNormal D=3", node("LowRankNormal", loc=loc3, scale=scale3, factor=factor)

    yield (
        "Categorical",
        node(
            "Categorical",
            logits=[[[0, 1, -2, 0.5], [3, 3, 3, 3], [-8, 5, 0, 0]], [[1, 2, 3, 4], [0, 0, 20, 0], [-0.5, 0.1, 0.2, 1]]],
        ),
    )
    yield (
        "Bernoulli D=3",
        node("Bernoulli", logits=[[[0, 1, -2], [3, -3, 0.1], [-8, 5, 0]], [[1, 2, -3], [0, 20, -20], [0.5, 0.1, -1]]]),
    )

    for kind, fields in {
        "Normal": dict(loc=MIX_LOC, scale=MIX_SCALE),
        "Laplace": dict(loc=MIX_LOC, scale=MIX_SCALE),
        "Logistic": dict(loc=MIX_LOC, scale=MIX_SCALE),
        "StudentT": dict(loc=MIX_LOC, scale=MIX_SCALE, df=MIX_DF),
        "LogNormal": dict(loc=MIX_LOG_LOC, scale=MIX_LOG_SCALE),
        "Gamma": dict(concentration=MIX_SHAPE, rate=MIX_RATE),
        "Weibull": dict(concentration=MIX_HAZARD, scale=MIX_HAZARD_SCALE),
        "Beta": dict(concentration1=MIX_ONES, concentration0=MIX_ZEROS),
        "TruncatedNormal": dict(loc=MIX_END_LOC, scale=MIX_END_SCALE, **_ends(MIX_END_LOC)),
        "VonMises": dict(loc=MIX_ANGLE, concentration=MIX_CONCENTRATION),
    }.items():
        yield f"Mixture[{kind}] D=1", mixture(MIX_LOGITS, node(kind, **fields))
    yield "Mixture[Normal+StudentT+Laplace] D=1", mixture(MIX_LOGITS, *_mixed(MIX_LOC, MIX_SCALE, MIX_DF))
    gammas = node("Gamma", concentration=MIX_SHAPE[..., :2, :], rate=MIX_RATE[..., :2, :])
    log_normal = node("LogNormal", loc=MIX_LOG_LOC[..., 2:, :], scale=MIX_LOG_SCALE[..., 2:, :])
    yield "Mixture[Gamma+LogNormal] D=1", mixture(MIX_LOGITS, gammas, log_normal)

    loc2, scale2 = _wide(MIX_LOC, shift=0.3), _wide(MIX_SCALE, factor=0.5)
    log_loc2, log_scale2 = _wide(MIX_LOG_LOC, factor=0.5), _wide(MIX_LOG_SCALE, factor=0.5)
    for kind, fields in {
        "Normal": dict(loc=loc2, scale=scale2),
        "Normal isotropic": dict(loc=loc2, scale=scale2[..., :1]),
        "Laplace": dict(loc=loc2, scale=scale2),
        "Logistic": dict(loc=loc2, scale=scale2),
        "StudentT": dict(loc=loc2, scale=scale2, df=_wide(MIX_DF, shift=0.5)),
        "LogNormal": dict(loc=log_loc2, scale=log_scale2),
        "Gamma": dict(concentration=_wide(MIX_SHAPE, shift=0.3), rate=_wide(MIX_RATE, factor=0.5)),
        "VonMises": dict(loc=ref.wrap(_wide(MIX_ANGLE, shift=0.3)), concentration=_wide(MIX_CONCENTRATION, factor=0.5)),
        "MultivariateNormal": dict(loc=loc2, scale_tril=_tril(scale2, 2, rng)),
        "LowRankNormal": dict(loc=loc2, scale=scale2, factor=(scale2[..., None] * rng.uniform(-2, 2, (2, 3, 3, 2, 1)))),
    }.items():
        yield f"Mixture[{kind}] D=2", mixture(MIX_LOGITS, node(kind.split()[0], **fields))
    yield "Mixture[Normal+StudentT+Laplace] D=2", mixture(MIX_LOGITS, *_mixed(loc2, scale2, _wide(MIX_DF, shift=0.5)))

    loc_full = _wide(MIX_LOC, shift=0.3, size=3)
    tril_full = _tril(_wide(MIX_SCALE, factor=0.5, size=3), 3, rng)
    yield (
        "Mixture[MultivariateNormal] D=3",
        mixture(MIX_LOGITS, node("MultivariateNormal", loc=loc_full, scale_tril=tril_full)),
    )

    loc_each, scale_each = (np.moveaxis(part, -1, -2)[..., None] for part in (loc2, scale2))
    logits_each = np.stack([MIX_LOGITS, MIX_LOGITS[:, :, ::-1]], axis=2)
    yield "Factorised D=2", factorised(mixture(logits_each, node("Normal", loc=loc_each, scale=scale_each)))
    yield (
        "Factorised D=1",
        factorised(mixture(MIX_LOGITS[:, :, None], node("Normal", loc=loc_each[:, :, :1], scale=scale_each[:, :, :1]))),
    )

    yield "Transformed[Normal, Exp]", transformed(node("Normal", loc=LOG_LOC, scale=LOG_SCALE), "Exp", 0.5)
    shares = mixture(MIX_LOGITS, node("Normal", loc=MIX_LOGIT_LOC, scale=MIX_LOGIT_SCALE))
    yield "Transformed[Mixture, Sigmoid]", transformed(shares, "Sigmoid", -2.0, 3.0)
    beside = mixture(MIX_LOGITS, node("Normal", loc=MIX_LOC, scale=MIX_SCALE))
    yield "Spiked[Mixture]", spiked(MIX_LOGITS[:, ::-1] * 0.5, (0.0, 3.0), beside)
    yield "Poisson D=1", node("Poisson", rate=COUNT_RATE)
    yield "NegativeBinomial D=1", node("NegativeBinomial", rate=COUNT_MEAN, concentration=COUNT_SHAPE)
    yield "Mixture[Poisson] D=1", mixture(MIX_LOGITS, node("Poisson", rate=MIX_COUNT_RATE))
    many = node("NegativeBinomial", rate=MIX_COUNT_RATE[..., 1:, :], concentration=MIX_COUNT_SHAPE[..., 1:, :])
    few = node("Poisson", rate=MIX_COUNT_RATE[..., :1, :])
    yield "Mixture[Poisson+NegativeBinomial] D=1", mixture(MIX_LOGITS, few, many)
    normals = mixture(MIX_LOGITS, node("Normal", loc=MIX_LOC, scale=np.minimum(MIX_SCALE, 50.0)))
    yield "Rounded[Mixture]", rounded(normals, 0.5, None)
    angles = mixture(MIX_LOGITS, node("VonMises", loc=MIX_ANGLE, concentration=MIX_CONCENTRATION))
    yield "Circular[Mixture]", circular(angles, 24.0, -6.0)

    logits = rng.normal(size=(2, 3, 3, 4)) * 3
    yield "Mixture[Categorical]", mixture(MIX_LOGITS, node("Categorical", logits=logits))
    yield "Mixture[Bernoulli] D=3", mixture(MIX_LOGITS, node("Bernoulli", logits=logits[..., :3]))

    offset = mixture(MIX_LOGITS, node("MultivariateNormal", loc=loc2, scale_tril=_tril(scale2, 2, rng)))
    yield "Joint[Mixture, Categorical]", joint(offset=offset, pen=node("Categorical", logits=logits[:, :, 0]))
    yield "Joint[Mixture, Bernoulli]", joint(offset=offset, end=node("Bernoulli", logits=logits[:, :, 0, :1]))


def _ends(loc):
    return {name: np.full_like(loc, end) for name, end in ENDS.items()}


def _mixed(loc, scale, df):
    """Three families, one component each."""
    one, two, three = slice(0, 1), slice(1, 2), slice(2, 3)
    return (
        node("Normal", loc=loc[..., one, :], scale=scale[..., one, :]),
        node("StudentT", loc=loc[..., two, :], scale=scale[..., two, :], df=df[..., two, :]),
        node("Laplace", loc=loc[..., three, :], scale=scale[..., three, :]),
    )


ENTRIES = {name: Entry(name, tree) for name, tree in _entries()}


@cache
def built(name, batch_shape=(2, 3)):
    """The distribution of an entry, built once a session."""
    return build(ENTRIES[name].variants()[batch_shape])


__all__ = ["ENTRIES", "Entry", "Node", "build", "built", "joint", "mixture", "node", "spots", "truth", "dataclasses"]
