"""The controller of ENAS (Pham, Guan, Zoph, Le and Dean, 2018): an LSTM that writes down a network layer by layer.

For each layer it chooses an operation and then, by attention over what it was in before, which earlier layers feed into this one.
It knows no experiment: architectures with their advantages go in, architectures come out. Forward and backward pass are written out,
because a framework that could derive them would be the largest part of the installation by far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Weights = dict[str, Array]

__all__ = ["Architectures", "Controller", "Outline"]

_SPREAD: Final = 0.1
"""Weights begin evenly spread up to here on both sides of 0, so that the first architectures are nearly random."""
_DECAY: Final = (0.9, 0.999)
_TINY: Final = 1e-8
"""The constants of Adam (Kingma and Ba, 2015)."""
_NEVER: Final = 1e-6
"""The least share of skips that can be aimed at; aiming at none or all of them would be an infinite penalty."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What the controller has to decide and how.

    Attributes:
        layers: Of the networks.
        operations: To choose from in each.
        hidden: The width of the LSTM.
        temperature: Logits are divided by it; None leaves them.
        tanh_constant: Logits stay below it on both sides; None leaves them.
        skip_target: The share of skip connections wanted.
    """

    layers: int
    operations: int
    hidden: int
    temperature: float | None
    tanh_constant: float | None
    skip_target: float


@dataclass(frozen=True, slots=True)
class Architectures:
    """Some architectures of one outline.

    Attributes:
        operations: One number for each architecture and layer.
        skips: For each architecture, layer and layer before: whether the one before feeds in.
    """

    operations: Array
    skips: Array


class Controller:
    """A distribution over architectures, and how it learns.

    Args:
        outline: What it decides.
        rng: Where its first weights come from.

    Attributes:
        weights: By name.
    """

    def __init__(self, outline: Outline, rng: np.random.Generator) -> None:
        import numpy as np

        self.outline = outline
        width, kinds = outline.hidden, outline.operations
        shapes = {
            "lstm": (2 * width, 4 * width),
            "first": (1, width),
            "embedding": (kinds, width),
            "operation": (width, kinds),
            "key": (width, width),
            "query": (width, width),
            "attention": (width,),
        }
        self.weights: Weights = {name: rng.uniform(-_SPREAD, _SPREAD, shape) for name, shape in shapes.items()}
        self._moments = {name: (np.zeros(shape), np.zeros(shape)) for name, shape in shapes.items()}
        self._steps = 0

    def sample(self, rng: np.random.Generator, count: int) -> Architectures:
        """Draw architectures."""
        import numpy as np

        layers = self.outline.layers
        drawn = Architectures(np.zeros((count, layers), dtype=int), np.zeros((count, layers, layers)))
        _Unrolled(self.outline, self.weights, drawn, rng)
        return drawn

    def log_probabilities(self, architectures: Architectures) -> Array:
        """Return how likely each is, as a logarithm."""
        return _Unrolled(self.outline, self.weights, architectures).log_probability

    def loss(
        self, architectures: Architectures, advantages: Array, *, entropy: float, skip: float
    ) -> tuple[float, Weights]:
        """Return what is made small, and its gradient by weight.

        It is the mean of: minus the log-probability times the advantage, minus the entropy of the choices, and the divergence of the
        skip connections from their target (Kullback-Leibler, mean of the layers), the last two by their weights.

        Args:
            architectures: What was tried.
            advantages: How much better than expected each was.
            entropy: The weight of the entropy.
            skip: The weight of the divergence.
        """
        unrolled = _Unrolled(self.outline, self.weights, architectures)
        terms = -advantages * unrolled.log_probability - entropy * unrolled.entropy + skip * unrolled.divergence
        return float(terms.mean()), unrolled.gradient(advantages, entropy=entropy, skip=skip)

    def step(
        self,
        architectures: Architectures,
        advantages: Array,
        *,
        rate: float,
        entropy: float,
        skip: float,
        least: float | None = None,
    ) -> None:
        """Learn: one step of Adam.

        Args:
            architectures: What was tried.
            advantages: How much better than expected each was.
            rate: The length of the step.
            entropy: As in ``loss``.
            skip: As in ``loss``.
            least: The log-probability below which none is made less likely still. Without it, bad ones that are learned from
                again and again would take everything that they have in common out of the search for ever.
        """
        import numpy as np

        unrolled = _Unrolled(self.outline, self.weights, architectures)
        if least is not None:
            advantages = np.where((advantages < 0) & (unrolled.log_probability < least), 0.0, advantages)
        gradient = unrolled.gradient(advantages, entropy=entropy, skip=skip)
        self._steps += 1
        for name, slope in gradient.items():
            first, second = self._moments[name]
            first += (1 - _DECAY[0]) * (slope - first)
            second += (1 - _DECAY[1]) * (slope * slope - second)
            mean = first / (1 - _DECAY[0] ** self._steps)
            spread = np.sqrt(second / (1 - _DECAY[1] ** self._steps))
            self.weights[name] -= rate * mean / (spread + _TINY)


class _Unrolled:
    """One pass through all layers, with everything the way back needs.

    Args:
        outline: What is decided.
        weights: Of the controller.
        chosen: The choices; with ``rng`` they are made here and written into it.
        rng: Chance.
    """

    def __init__(
        self, outline: Outline, weights: Weights, chosen: Architectures, rng: np.random.Generator | None = None
    ) -> None:
        import numpy as np

        self._outline, self._weights, self._chosen = outline, weights, chosen
        count, width = len(chosen.operations), outline.hidden
        self.log_probability = np.zeros(count)
        self.entropy = np.zeros(count)
        self.divergence = np.zeros(count)
        self._anchors = np.zeros((count, outline.layers, width))
        self._keys = np.zeros((count, outline.layers, width))
        self._cells: list[tuple[_Cell, _Cell]] = []
        self._heads: list[tuple[Array, Array]] = []
        self._attentions: list[tuple[Array, Array, Array]] = []
        hidden = memory = np.zeros((count, width))
        first = put_in = np.broadcast_to(weights["first"], (count, width))
        for layer in range(outline.layers):
            before = _Cell(weights["lstm"], put_in, hidden, memory)
            self._choose_operation(layer, before.hidden, rng)
            after = _Cell(
                weights["lstm"], weights["embedding"][chosen.operations[:, layer]], before.hidden, before.memory
            )
            hidden, memory = after.hidden, after.memory
            if layer:
                self._choose_skips(layer, hidden, rng)
                put_in = self._shares(layer) @ self._anchors[:, :layer]
                put_in = put_in[:, 0]
            else:
                put_in = first
            self._anchors[:, layer] = hidden
            self._keys[:, layer] = hidden @ weights["key"]
            self._cells.append((before, after))

    def _choose_operation(self, layer: int, hidden: Array, rng: np.random.Generator | None) -> None:
        import numpy as np

        logits, slope = self._bounded(hidden @ self._weights["operation"])
        logs = logits - logits.max(axis=1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
        shares = np.exp(logs)
        operations = self._chosen.operations
        if rng is not None:
            passed = rng.random((len(operations), 1)) >= shares.cumsum(axis=1)
            operations[:, layer] = np.minimum(passed.sum(axis=1), self._outline.operations - 1)
        self.log_probability += np.take_along_axis(logs, operations[:, layer : layer + 1], axis=1)[:, 0]
        self.entropy -= (shares * logs).sum(axis=1)
        self._heads.append((logs, slope))

    def _choose_skips(self, layer: int, hidden: Array, rng: np.random.Generator | None) -> None:
        import numpy as np

        query = np.tanh(self._keys[:, :layer] + (hidden @ self._weights["query"])[:, None])
        logits, slope = self._bounded(query @ self._weights["attention"])
        # The two logits of a skip are the same number with both signs.
        shares = 0.5 * (1 + np.tanh(logits))
        skips = self._chosen.skips
        if rng is not None:
            skips[:, layer, :layer] = rng.random(shares.shape) < shares
        logs = -np.logaddexp(0, -2 * logits)
        none = -np.logaddexp(0, 2 * logits)
        wanted = min(max(self._outline.skip_target, _NEVER), 1 - _NEVER)
        self.log_probability += np.where(skips[:, layer, :layer] > 0, logs, none).sum(axis=1)
        self.entropy -= (shares * logs + (1 - shares) * none).sum(axis=1)
        away = shares * (logs - np.log(wanted)) + (1 - shares) * (none - np.log1p(-wanted))
        self.divergence += away.sum(axis=1) / (self._outline.layers - 1)
        self._attentions.append((query, logits, slope))

    def _bounded(self, raw: Array) -> tuple[Array, Array]:
        """Return logits after temperature and tanh, and how fast they grow with what goes in."""
        import numpy as np

        outline = self._outline
        scale = 1.0 if outline.temperature is None else 1 / outline.temperature
        if outline.tanh_constant is None:
            return raw * scale, np.full_like(raw, scale)
        bent = np.tanh(raw * scale)
        return outline.tanh_constant * bent, outline.tanh_constant * scale * (1 - bent * bent)

    def _shares(self, layer: int) -> Array:
        """Return how much of each earlier layer goes into what comes after this one."""
        skips = self._chosen.skips[:, layer : layer + 1, :layer]
        shares: Array = skips / (1 + skips.sum(axis=2, keepdims=True))
        return shares

    def gradient(self, advantages: Array, *, entropy: float, skip: float) -> Weights:
        """Return the gradient of the mean loss, from the last layer back to the first."""
        import numpy as np

        weights = self._weights
        found = {name: np.zeros_like(weight) for name, weight in weights.items()}
        d_anchors, d_keys = np.zeros_like(self._anchors), np.zeros_like(self._keys)
        d_hidden = d_memory = d_put_in = np.zeros_like(self._anchors[:, 0])
        for layer in reversed(range(self._outline.layers)):
            before, after = self._cells[layer]
            if layer:
                d_anchors[:, :layer] += self._shares(layer).transpose(0, 2, 1) * d_put_in[:, None]
                d_query = self._skip_slopes(layer, advantages, entropy=entropy, skip=skip)
                query = self._attentions[layer - 1][0]
                found["attention"] += np.einsum("blh,bl->h", query, d_query)
                d_sum = d_query[:, :, None] * weights["attention"] * (1 - query * query)
                d_keys[:, :layer] += d_sum
                d_asked = d_sum.sum(axis=1)
                found["query"] += after.hidden.T @ d_asked
                d_hidden = d_hidden + d_asked @ weights["query"].T
            else:
                found["first"] += d_put_in.sum(axis=0)
            found["key"] += after.hidden.T @ d_keys[:, layer]
            d_hidden = d_hidden + d_anchors[:, layer] + d_keys[:, layer] @ weights["key"].T
            d_embedded, d_hidden, d_memory = after.back(d_hidden, d_memory, found["lstm"])
            np.add.at(found["embedding"], self._chosen.operations[:, layer], d_embedded)
            d_raw = self._operation_slopes(layer, advantages, entropy=entropy)
            found["operation"] += before.hidden.T @ d_raw
            d_hidden = d_hidden + d_raw @ weights["operation"].T
            d_put_in, d_hidden, d_memory = before.back(d_hidden, d_memory, found["lstm"])
        found["first"] += d_put_in.sum(axis=0)
        return {name: slope / len(advantages) for name, slope in found.items()}

    def _operation_slopes(self, layer: int, advantages: Array, *, entropy: float) -> Array:
        import numpy as np

        logs, slope = self._heads[layer]
        shares = np.exp(logs)
        chosen = np.zeros_like(shares)
        np.put_along_axis(chosen, self._chosen.operations[:, layer : layer + 1], 1.0, axis=1)
        uncertain = -(shares * logs).sum(axis=1, keepdims=True)
        d_logits = advantages[:, None] * (shares - chosen) + entropy * shares * (logs + uncertain)
        bounded: Array = d_logits * slope
        return bounded

    def _skip_slopes(self, layer: int, advantages: Array, *, entropy: float, skip: float) -> Array:
        import numpy as np

        _, logits, slope = self._attentions[layer - 1]
        shares = 0.5 * (1 + np.tanh(logits))
        wanted = min(max(self._outline.skip_target, _NEVER), 1 - _NEVER)
        change = 2 * shares * (1 - shares)
        d_logits = 2 * advantages[:, None] * (shares - self._chosen.skips[:, layer, :layer])
        d_logits += entropy * 2 * logits * change
        d_logits += skip / (self._outline.layers - 1) * (2 * logits - np.log(wanted / (1 - wanted))) * change
        bounded: Array = d_logits * slope
        return bounded


class _Cell:
    """One step of the LSTM, and the way back through it.

    Attributes:
        hidden: What it says.
        memory: What it keeps.
    """

    def __init__(self, weight: Array, put_in: Array, hidden: Array, memory: Array) -> None:
        import numpy as np

        self._weight = weight
        self._given = np.concatenate([put_in, hidden], axis=1)
        self._old = memory
        width = hidden.shape[1]
        gates = self._given @ weight
        # A sigmoid by tanh: no exponential that could overflow.
        self._open = 0.5 * (1 + np.tanh(0.5 * gates[:, : 3 * width]))
        self._new = np.tanh(gates[:, 3 * width :])
        take, keep, say = self._gates()
        self.memory = keep * memory + take * self._new
        self._told = np.tanh(self.memory)
        self.hidden = say * self._told

    def _gates(self) -> tuple[Array, Array, Array]:
        width = self._new.shape[1]
        return self._open[:, :width], self._open[:, width : 2 * width], self._open[:, 2 * width :]

    def back(self, d_hidden: Array, d_memory: Array, d_weight: Array) -> tuple[Array, Array, Array]:
        """Return the slopes of what was put in, of the hidden state and of the memory; adds to that of the weight."""
        import numpy as np

        take, keep, say = self._gates()
        d_memory = d_memory + d_hidden * say * (1 - self._told * self._told)
        d_open = np.concatenate([d_memory * self._new, d_memory * self._old, d_hidden * self._told], axis=1)
        d_gates = np.concatenate(
            [d_open * self._open * (1 - self._open), d_memory * take * (1 - self._new * self._new)], axis=1
        )
        d_weight += self._given.T @ d_gates
        d_given = d_gates @ self._weight.T
        width = self._new.shape[1]
        return d_given[:, :width], d_given[:, width:], d_memory * keep
