"""What a measure is: its name, dimensions and quantities, how it is taken of a model on a batch, and its scalars."""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
from torch import Tensor

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.measures.unmoved import unmoved
from zoneout_lab.metrics import Metric
from zoneout_lab.ops.recurrence import Recurrence
from zoneout_lab.parts import Part
from zoneout_lab.profiles import WITHOUT_NOISE

if TYPE_CHECKING:
    import xarray as xr


class Subject(Protocol):
    """What is measured: R models in one, as studies train them (:class:`~zoneout_lab.training.model.SequenceModel`).

    It is in training mode where noise is wanted, and otherwise every mask is replaced by its expectation. ``rnn`` are its recurrent
    layers.
    """

    rnn: Any
    training: bool

    def __call__(self, x: Tensor, state: Any = None, reads: int | None = None, /) -> Tensor:
        """Logits [R, B, C] of the last timestep, or [R, reads, B, C] of the last ``reads``."""
        ...

    def forward_with_states(
        self, x: Tensor, state: Any = None, reads: int | None = None, /
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Logits, and the final states [R, layers, B, H] each."""
        ...

    def train(self, mode: bool = True) -> Any: ...


@dataclass(frozen=True)
class Batch:
    """The examples that a measure is taken on.

    Attributes:
        inputs: [1, T, B, I], or symbols [1, T, B].
        targets: [1, B], or [1, K, B] where the last K timesteps are read.
        of_logits: the loss [R], a mean over predictions, from logits and targets.
    """

    inputs: Tensor
    targets: Tensor
    of_logits: Callable[[Tensor, Tensor], Tensor]

    @property
    def examples(self) -> int:
        """B."""
        return int(self.targets.shape[-1])

    @property
    def reads(self) -> int | None:
        """How many of the last timesteps are read; None for the last alone."""
        return int(self.targets.shape[1]) if self.targets.dim() == 3 else None

    def loss(self, model: Subject) -> Tensor:
        """Each replica's mean loss over the predictions of the batch, [R], with its graph."""
        return self.of_logits(model(self.inputs, None, self.reads), self.targets)

    def states(self, model: Subject) -> dict[tuple[str, str, str], Tensor]:
        """Every state of the recurrence, (layer, state, point) → [R, T, B, H]: ``("l0", "hidden", "state")`` is h_t of the first layer.

        Called again, it draws the same masks.
        """
        with unmoved() as probe:
            model(self.inputs, None, self.reads)
        return {key: torch.stack([_replicated(each) for each in series], 1) for key, series in probe.tensors.items()}

    def recurrences(self, model: Subject) -> dict[str, Recurrence]:
        """What ran in each layer, by its label ``l0``: gates, masks, inputs and weights of the cell, without a graph.

        Called again, it draws the same masks.

        Raises:
            InputRefusedError: the model runs a layer several times in one pass, and it is not one sequence.
        """
        with torch.no_grad(), unmoved(recurrences=True) as probe:
            model(self.inputs, None, self.reads)
        found = probe.recurrences or {}
        for label, passes in found.items():
            if len(passes) > 1:
                raise InputRefusedError(
                    f"The model runs layer {label!r} {len(passes)} times in one pass; give it the whole sequence in one call."
                )
        return {label: passes[0] for label, passes in found.items()}


def _replicated(state: Tensor) -> Tensor:
    return state if state.dim() > 2 else state[None]


class Measure(Part, ABC):
    """What is measured of models in training: a frozen dataclass whose fields JSON can hold.

    Class attributes:
        kind: its name, and that of its group in result files; by default the class's, ``StateLength`` as ``state_length``.
        title: the heading of its section in a report; by default its kind.
        dims: the dimensions that its quantities have, all or some of them in this order; figures are drawn over the last one.
        quantities: name → what it is and its unit (:class:`~zoneout_lab.metrics.Metric`).
        scalars: the same for the numbers that :meth:`reduce` makes: metrics of a study, which hypotheses may name.
        without_noise: measure again with every mask replaced by its expectation; names then end in ``_without_noise``.

    When it is taken, and on how many validation examples, the study says (``gradient_epochs``, ``gradient_examples``). It may draw random
    numbers and run the model as often as it likes: generators, counters and buffers are put back. It must not change the weights. It is
    tried before training; where it fails later, the run is kept without this measurement, and the report says why.

    >>> import torch, xarray as xr
    >>> from zoneout_lab import Metric
    >>> @dataclass(frozen=True)
    ... class StateLength(Measure):
    ...     kind = "state_length"
    ...     dims = ("time",)
    ...     quantities = {"length": Metric("mean length of the hidden state", "")}
    ...     scalars = {"last_length": Metric("length of the last hidden state", "")}
    ...
    ...     def measure(self, model, batch):
    ...         with torch.no_grad():
    ...             hidden = batch.states(model)["l0", "hidden", "state"]
    ...         return [xr.Dataset({"length": ("time", row)}) for row in hidden.norm(dim=-1).mean(-1).cpu().numpy()]
    ...
    ...     def reduce(self, measured):
    ...         return {"last_length": measured.length[-1]}
    >>> StateLength().names()
    ['last_length', 'last_length_without_noise']
    """

    title: ClassVar[str] = ""
    group: ClassVar[str] = ""
    dims: ClassVar[tuple[str, ...]]
    quantities: ClassVar[Mapping[str, Metric]]
    scalars: ClassVar[Mapping[str, Metric]] = {}
    without_noise: ClassVar[bool] = True
    reduced_when_read: ClassVar[bool] = False  # of published files, which hold no scalars

    def __init_subclass__(cls, **options: Any) -> None:
        own = "kind" in cls.__dict__
        super().__init_subclass__(**options)
        if not own:  # a group's name, and part of a file: lower-case letters
            cls.kind = re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    @abstractmethod
    def measure(self, model: Subject, batch: Batch) -> Sequence[xr.Dataset]:
        """What is measured of each replica, as R datasets; an empty list where the model has nothing to measure.

        Lengths and labels of the dimensions have to be the same after every epoch. NaN means not measured.
        """

    def reduce(self, measured: xr.Dataset) -> Mapping[str, Any]:
        """One number for each of ``scalars``, from what was measured of one replica after one epoch."""
        return {}

    def names(self) -> list[str]:
        """Every metric that it gives a run, those without noise included."""
        silent = [f"{name}{WITHOUT_NOISE}" for name in self.scalars]
        return [*self.scalars, *(silent if self.without_noise and not self.reduced_when_read else ())]


def about(measure: Measure) -> str:
    """The first sentence of a measure's docstring, or nothing."""
    text = inspect.getdoc(type(measure)) or ""
    first = " ".join(text.split("\n\n")[0].split())
    # a dataclass without a docstring is given its signature
    return "" if first.startswith(f"{type(measure).__name__}(") else first


def group_of(measure: Measure) -> str:
    """The measure's group in a result file."""
    return measure.group or measure.kind
