"""What a recurrent cell is: its states, the sites where masks act, its parameters, and one timestep.

Shapes: R replicas, T timesteps, B examples, I inputs, H units, G blocks of H columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from zoneout_lab.ops.arithmetic import preserve
from zoneout_lab.ops.matmul import project
from zoneout_lab.parts import Part

States = tuple[Tensor, ...]
#: site → mask of zeros and ones, or its expectation: fractions in [0, 1]
Masks = Mapping[str, Tensor]
#: stem of a parameter's or buffer's name, as ``weight_ih`` → its value with a leading replica axis
Weights = Mapping[str, Tensor]
#: one timestep: what :meth:`Cell.project` made of the input [R, B, ·], states [R, B, H], masks → candidates [R, B, H]
Step = Callable[[Tensor, States, Masks], States]


class Parameter(NamedTuple):
    """A parameter or buffer of one recurrence: its shape without replicas, and the value it starts with.

    ``start`` is one number, a tensor of that shape, or None: drawn from U[−1/√H, 1/√H] as torch draws, or as a study's ``init`` says.
    """

    shape: tuple[int, ...]
    start: float | Tensor | None = None


class Cell(Part, ABC):
    """A recurrent cell: a frozen dataclass whose fields are the cell's options, and which says all there is to know about it.

    To write your own, define ``states``, ``sites`` and :meth:`step`; the other defaults suit a cell with torch's parameters. It runs on
    the reference loop (:mod:`zoneout_lab.ops.reference`). Zoneout acts outside the step: the loop preserves every state whose site has a
    mask.

    Attributes:
        noun: its name in sentences; by default the class's own.
        gates: G, blocks of H columns of the weights.
        states: state → the site whose mask preserves it ('' where nothing does), in the order in which layers take and return them. The first is the output.
        sites: where masks may act: those of the states, and others that :meth:`step` drops at. ``recurrent`` is h_{t−1} on its way
            into the products.
        forget_gate: which block of columns a study's ``forget_bias`` is added to; None where there is no such gate.
        fast_sites: sites that the fast paths support, in the order in which their kernels take them; none: the cell has no fast path.
        held: float32 numbers that a training step keeps for each unit, timestep, example and replica, read off peak memory: on a fast
            path, and on the reference loop. Plans estimate memory with them.
        mixes_examples: True where an example's numbers depend on the others in its batch, which then all need the same length.
        states_suffice: True where a timestep knows the past from the states alone, and different values mean different memories.
            Lyapunov exponents are defined for such states only.

    >>> from dataclasses import dataclass
    >>> import torch
    >>> from zoneout_lab import Recurrent, Zoneout
    >>> @dataclass(frozen=True)
    ... class LeakyIntegrator(Cell):
    ...     leak: float = 0.1
    ...
    ...     def step(self, x, states, weights, masks):
    ...         (h,) = states
    ...         return ((1 - self.leak) * h + self.leak * torch.tanh(x),)
    >>> out, (h,) = Recurrent(LeakyIntegrator(), 3, 4, regularizer=Zoneout(hidden=0.1))(torch.zeros(5, 2, 3))
    >>> out.shape
    torch.Size([5, 2, 4])
    """

    noun: ClassVar[str]
    gates: ClassVar[int] = 1
    states: ClassVar[Mapping[str, str]] = {"hidden": "hidden"}
    sites: ClassVar[tuple[str, ...]] = ("hidden",)
    forget_gate: ClassVar[int | None] = None
    fast_sites: ClassVar[tuple[str, ...]] = ()
    held: ClassVar[tuple[int, int]] = (13, 45)
    mixes_examples: ClassVar[bool] = False
    states_suffice: ClassVar[bool] = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # a subclass is another cell: it does not go by its parent's name
        if "noun" not in cls.__dict__:
            cls.noun = cls.__name__
        # nor do its parent's compiled paths compute it
        if "fast_sites" not in cls.__dict__:
            cls.fast_sites = ()

    def parameters(self, inputs: int, units: int) -> Mapping[str, Parameter]:
        """Stem → parameter of one recurrence, in the order in which they are drawn. Those named ``bias…`` are left out with ``bias=False``.

        Weight noise goes on those named ``weight…``; a study's orthogonal ``init`` on ``weight_hh``.
        """
        columns = self.gates * units
        return {
            "weight_ih": Parameter((columns, inputs)),
            "weight_hh": Parameter((columns, units)),
            "bias_ih": Parameter((columns,)),
            "bias_hh": Parameter((columns,)),
        }

    def buffers(self, units: int) -> Mapping[str, Parameter]:
        """Stem → buffer of one recurrence: what a cell keeps that is not trained."""
        return {}

    def caution(self, steps: int) -> str:
        """What to know before training on sequences of so many timesteps, in a sentence; nothing for most cells."""
        return ""

    def project(self, x: Tensor, weights: Weights) -> Tensor:
        """The part that needs no state, for all timesteps at once: x [R or 1, T, B, I] → [R, T, B, ·]; here W x + b + b'."""
        return project(x, weights["weight_ih"], bias_of(weights))

    def begin(self, weights: Weights, *, training: bool = False, moves: bool = False) -> Step:
        """The step function of one pass over a sequence.

        Args:
            weights: parameters and buffers.
            training: whether the pass is a training pass.
            moves: whether it may write to buffers. A measurement and a pass that is run again may not.
        """
        return lambda x, states, masks: self.step(x, states, weights, masks)

    def preserve(self, states: States, candidates: States, masks: Masks) -> States:
        """The new states: z ⊙ s_{t−1} + (1 − z) ⊙ s̃_t with the mask z of each state's site (Krueger et al. 2017, eq. 3).

        Override it in a cell whose states have a meaning only together.
        """
        pairs = zip(states, candidates, self.states.values(), strict=True)
        return tuple(preserve(old, new, masks.get(site)) for old, new, site in pairs)

    @abstractmethod
    def step(self, x: Tensor, states: States, weights: Weights, masks: Masks) -> States:
        """One timestep, before anything is preserved. A cell with gates shows them (:func:`~zoneout_lab.ops.gates.record_gates`).

        Args:
            x: one timestep of what :meth:`project` returned, [R, B, ·].
            states: [R, B, H] each, in the order of ``states``.
            weights: parameters and buffers with a leading replica axis.
            masks: site → mask [R, B, H] or what broadcasts to it, at the sites where there is one.

        Returns:
            The candidates: new states [R, B, H], in the same order.
        """


def bias_of(weights: Weights) -> Tensor | None:
    """The sum of both biases, [R, G·H]; where one is left out the other, and None without either."""
    added, inner = weights.get("bias_ih"), weights.get("bias_hh")
    if added is None or inner is None:
        return inner if added is None else added
    return added + inner
