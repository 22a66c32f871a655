"""MixtureSpec and JointSpec: specs that consist of other specs."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from mdn import kernels, numerics
from mdn.distributions.arguments import check_count
from mdn.distributions.joint import Joint, join_parts, split_parts
from mdn.distributions.mixture import Mixture
from mdn.distributions.normal_spec import NormalSpec
from mdn.distributions.spec import ComponentSpec, Spec, serializable
from mdn.kernels.flat_mixture import flat_mixture


@serializable
class MixtureSpec(Spec):
    """Parameters of a `Mixture`, component-major: `[loc K·D | scale block of each component | logits K]`.

    With several families, the blocks of the first come first, then those of the next, and the logits of all at the end.

    Args:
        component_spec: A spec of one family, or a list of them.
        num_components: K, or a list with one count for each family.

    Example:
        >>> import mdn
        >>> mdn.MixtureSpec(mdn.NormalSpec(2), 5).params_size
        25
        >>> mdn.MixtureSpec([mdn.NormalSpec(1), mdn.StudentTSpec(1)], [3, 2]).params_size
        17
    """

    def __init__(self, component_spec, num_components):
        self._several = isinstance(component_spec, list | tuple)
        specs = list(component_spec) if self._several else [component_spec]
        counts = list(num_components) if isinstance(num_components, list | tuple) else [num_components]
        for spec in specs:
            if not isinstance(spec, ComponentSpec):
                raise TypeError(
                    f"`component_spec` must be the spec of one family, such as NormalSpec(2), but {spec!r} came."
                )
        if len(specs) != len(counts) or not specs:
            raise ValueError(
                f"MixtureSpec needs one count for each family, but {len(specs)} specs and {len(counts)} counts came."
            )
        if len({spec.event_size for spec in specs}) > 1:
            raise ValueError(
                f"families of a MixtureSpec must have one event size, but {[s.event_size for s in specs]} came."
            )
        self.specs = specs
        self.counts = [check_count("num_components", count) for count in counts]

    @property
    def event_size(self):  # type: ignore[override]
        return self.specs[0].event_size

    @property
    def num_components(self) -> int:
        """K, over all families."""
        return sum(self.counts)

    def flat_mixture(self):
        component = self.specs[0]
        if len(self.specs) > 1 or type(component) is not NormalSpec:  # a subclass may have another layout
            return None
        if component.covariance not in ("diagonal", "isotropic"):
            return None
        return flat_mixture(component.event_size, self.num_components, component.covariance == "isotropic")

    def nll(self, params, y, observed):
        self._check_size(params)
        flat = self.flat_mixture() if kernels.on() and y.shape[-1] == self.target_size else None
        return super().nll(params, y, observed) if flat is None else flat.negative_log_likelihood(params, y, observed)

    def shift_matrix(self):
        found, slices = np.zeros((self.event_size, self.params_size), "float32"), iter(self.slices.values())
        for spec, count in zip(self.specs, self.counts, strict=True):
            inner = spec.shift_matrix()
            for name, size in spec.heads:
                found[:, next(slices)] = np.tile(inner[:, spec.slices[name]], (1, count)).reshape(-1, size * count)
        return found

    @property
    def heads(self):
        heads = []
        for i, (spec, count) in enumerate(zip(self.specs, self.counts, strict=True)):
            suffix = f"_{i}" if i else ""
            heads += [(name + suffix, size * count) for name, size in spec.heads]
        return (*heads, ("mdn_pi", self.num_components))

    def _grouped(self, blocks):
        """Yields (spec, count, blocks of that spec with shape (*batch, count, size)) for each family."""
        first = 0
        for spec, count in zip(self.specs, self.counts, strict=True):
            mine = blocks[first : first + len(spec.heads)]
            first += len(mine)
            shaped = [
                ops.reshape(block, (*ops.shape(block)[:-1], count, size))
                for block, (_, size) in zip(mine, spec.heads, strict=True)
            ]
            yield spec, count, shaped

    @staticmethod
    def _flat(block):
        shape = ops.shape(block)
        return ops.reshape(block, (*shape[:-2], block.shape[-2] * block.shape[-1]))

    def _from_blocks(self, blocks):
        groups = tuple(spec._from_blocks(shaped) for spec, _, shaped in self._grouped(blocks))
        return Mixture._new(blocks[-1], groups if len(groups) > 1 else groups[0])

    def _to_blocks(self, distribution):
        blocks = []
        for spec, group in zip(self.specs, distribution._groups, strict=True):
            blocks += [self._flat(block) for block in spec._to_blocks(group)]
        return [*blocks, distribution.logits]

    @property
    def scaling_size(self):
        return sum(spec.scaling_size for spec in self.specs)

    def constrain(self, raw, shift, spread):
        blocks, first = [], 0
        for spec, _, shaped in self._grouped(raw):
            last = first + spec.scaling_size
            parts = (None, None) if shift is None else (shift[first:last], spread[first:last])
            blocks += [self._flat(block) for block in spec.constrain(shaped, *parts)]
            first = last
        return [*blocks, raw[-1]]

    def scaling(self, y):
        return tuple(np.concatenate(parts) for parts in zip(*(spec.scaling(y) for spec in self.specs), strict=True))

    def starting_biases(self, y=None, seed=0):
        biases, logits = [], []
        for i, (spec, count) in enumerate(zip(self.specs, self.counts, strict=True)):
            blocks, log_weights = spec.starting_blocks(y, count, seed + i)
            biases += [block.ravel() for block in blocks]
            logits.append(log_weights + np.log(count / self.num_components))
        start = np.concatenate(logits)
        return [*biases, start - start.mean()]

    def get_config(self):
        specs = [keras.saving.serialize_keras_object(spec) for spec in self.specs]
        if self._several:
            return {"component_spec": specs, "num_components": self.counts}
        return {"component_spec": specs[0], "num_components": self.counts[0]}

    @classmethod
    def from_config(cls, config):
        inner = config["component_spec"]
        restore = keras.saving.deserialize_keras_object
        specs = [restore(spec) for spec in inner] if isinstance(inner, list) else restore(inner)
        return cls(specs, config["num_components"])

    def __repr__(self):
        inside = (repr(self.specs), repr(self.counts)) if self._several else (repr(self.specs[0]), repr(self.counts[0]))
        return f"MixtureSpec({', '.join(inside)})"


@serializable
class JointSpec(Spec):
    """Parameters of a `Joint`: the parameters of its parts, side by side in keyword order.

    Example:
        >>> import mdn
        >>> stroke = mdn.JointSpec(offset=mdn.MixtureSpec(mdn.NormalSpec(2, "full"), 20), pen=mdn.CategoricalSpec(3))
        >>> stroke.params_size, stroke.target_size
        (123, 3)
    """

    def __init__(self, **parts):
        if not parts:
            raise ValueError("JointSpec needs at least one part, such as JointSpec(pen=CategoricalSpec(3)).")
        for name, part in parts.items():
            if not isinstance(part, Spec) or isinstance(part, JointSpec):
                raise TypeError(
                    f"part {name!r} of JointSpec must be a spec such as CategoricalSpec(3), but {part!r} came."
                )
        self.parts = parts

    @property
    def event_size(self):  # type: ignore[override]
        return sum(self._sizes().values())

    def _sizes(self):
        return {name: part.target_size for name, part in self.parts.items()}

    def split(self, y) -> dict:
        """Splits a target array, parts side by side, into a dict; a dict is checked and returned."""
        return split_parts(self._sizes(), y)

    def join(self, y):
        """Turns a target, a dict or one array, into one array."""
        return join_parts(self._sizes(), y)

    @property
    def named_parts(self):
        return self.parts

    def nll(self, params, y, observed):
        self._check_size(params)
        total = 0.0
        for name, part in self.parts.items():
            mine = self._columns(name)
            total = total + part.nll(params[..., self.part_slice(name)], y[..., mine], observed[..., mine])
        return numerics.finite_loss(total)

    def _columns(self, name: str) -> slice:
        """The columns of a part in a target array."""
        sizes = self._sizes()
        first = sum(list(sizes.values())[: list(sizes).index(name)])
        return slice(first, first + sizes[name])

    @property
    def encoded_size(self):
        return sum(part.encoded_size for part in self.parts.values())

    def encode(self, y, scaled):
        encoded = [
            part.encode(y[..., self._columns(name)], {"event": scaled[name]} if name in scaled else {})
            for name, part in self.parts.items()
        ]
        return ops.concatenate(encoded, axis=-1)

    def part_slice(self, name: str) -> slice:
        """The slice of the packed parameters that belongs to a part."""
        sizes = [part.params_size for part in self.parts.values()]
        first = sum(sizes[: list(self.parts).index(name)])
        return slice(first, first + self.parts[name].params_size)

    @property
    def heads(self):
        return tuple((f"{name}_{head}", size) for name, part in self.parts.items() for head, size in part.heads)

    def _parted(self, blocks):
        first = 0
        for name, part in self.parts.items():
            yield name, part, blocks[first : first + len(part.heads)]
            first += len(part.heads)

    def _from_blocks(self, blocks):
        return Joint._new({name: part._from_blocks(mine) for name, part, mine in self._parted(blocks)})

    def _to_blocks(self, distribution):
        return [block for name, part in self.parts.items() for block in part._to_blocks(distribution.parts[name])]

    @property
    def scaling_size(self):
        return sum(part.scaling_size for part in self.parts.values())

    def constrain(self, raw, shift, spread):
        blocks, first = [], 0
        for _, part, mine in self._parted(raw):
            last = first + part.scaling_size
            scaling = (None, None) if shift is None else (shift[first:last], spread[first:last])
            blocks += part.constrain(mine, *scaling)
            first = last
        return blocks

    def _arrays(self, y) -> dict:
        return {name: np.asarray(keras.ops.convert_to_numpy(part), "float64") for name, part in self.split(y).items()}

    def scaling(self, y):
        arrays = self._arrays(y)
        parts = [part.scaling(arrays[name]) for name, part in self.parts.items()]
        return tuple(np.concatenate(side) for side in zip(*parts, strict=True))

    def starting_biases(self, y=None, seed=0):
        arrays = dict.fromkeys(self.parts) if y is None else self._arrays(y)
        return [
            b for i, (name, part) in enumerate(self.parts.items()) for b in part.starting_biases(arrays[name], seed + i)
        ]

    def get_config(self):
        # a list of pairs, because JSON objects promise no order, and the order fixes the layout
        return {"parts": [[name, keras.saving.serialize_keras_object(part)] for name, part in self.parts.items()]}

    @classmethod
    def from_config(cls, config):
        return cls(**{name: keras.saving.deserialize_keras_object(part) for name, part in config["parts"]})

    def __repr__(self):
        return f"JointSpec({', '.join(f'{name}={part!r}' for name, part in self.parts.items())})"
