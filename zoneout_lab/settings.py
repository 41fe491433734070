"""What a run is made of besides its regularizer: the model's shape and how it is trained. Plain frozen values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from zoneout_lab.frozen import AnyRun, Frozen, Value, check_value
from zoneout_lab.ops.cells import as_cell, to_json


def _cell_as_json(value: Any) -> Any:
    """What :func:`~zoneout_lab.ops.cells.to_json` makes of a cell. The name of a cell from elsewhere is kept, and the cell imported where it is used."""
    kind = value.get("kind") if isinstance(value, Mapping) else value
    if isinstance(kind, str) and ":" in kind:
        return value
    return to_json(as_cell(value))


def _checked(options: Any) -> Any:
    for name, value in options.items() if isinstance(options, Mapping) else ():
        check_value(f"options.{name}", value)
    return options


class Model(Frozen):
    """The recurrent network under study: symbols encoded where inputs are symbols, a stack of one cell type, a linear readout.

    Args:
        cell: name of a cell, or its name and options; a cell or its class is turned into that.
        hidden: units per layer.
        layers: layers on top of each other.
        forget_bias: what is added to the forget gate's bias at initialisation, whatever ``init`` is, of cells that have one.
        learned_state: whether h0 and c0 are parameters; otherwise they are zero.
        embedding: features of each symbol's learned embedding; 0: symbols go in one-hot.
        init: how parameters are drawn. ``torch``: weights U[−1/√H, 1/√H], an embedding N(0, 1), biases and learned states 0.
            ``block_orthogonal``: each gate's H × H recurrent matrix orthogonal, the rest as ``torch``. ``semi_orthogonal``: the whole G·H × H
            recurrent matrix with orthonormal columns, the rest as ``torch``. ``uniform``: every parameter U[−``init_range``, ``init_range``],
            biases and learned states too (Zaremba et al. 2014). A cell's own parameters, such as gains, start as it says.
        init_range: the largest absolute initial value where ``init`` is ``uniform``.

    >>> Model(hidden=100).cell
    'lstm'
    >>> from zoneout_lab.ops.cells import LayerNormLSTM
    >>> Model(cell=LayerNormLSTM(gamma=0.5)).cell
    {'kind': 'layer_norm_lstm', 'gamma': 0.5, 'epsilon': 1e-05}
    """

    cell: Annotated[str | dict[str, Value], BeforeValidator(_cell_as_json)] = "lstm"
    hidden: int = Field(32, ge=1)
    layers: int = Field(1, ge=1)
    forget_bias: float = Field(1.0)
    learned_state: bool = Field(False)
    embedding: int = Field(0, ge=0)
    init: Literal["torch", "block_orthogonal", "semi_orthogonal", "uniform"] = "torch"
    init_range: float = Field(0.04, gt=0)


class Training(Frozen):
    """How a model is trained. Equal settings are needed for runs to train together as replicas.

    Args:
        optimizer: ``adam``, ``sgd``, ``rmsprop``, which adds 1e-5 to √v, or ``rmsprop_floored``, which divides by max(√v, 1e-5), as the paper's
            code does.
        lr: the learning rate.
        decay: epoch e trains with lr / decay^(e − decay_after), epochs to ``decay_after`` with lr.
        decay_after: epochs before the learning rate begins to fall.
        epochs: how many there are at most.
        batch: examples (or chunks, or streams) per update.
        loss: what is differentiated: the ``mean`` over predictions, or ``sum_over_time``, their sum over time, mean over the batch.
        clip: the largest L2 norm of what is clipped of one replica; None: no clipping.
        clip_what: whose norm is clipped: the ``gradient``'s, or the optimizer's ``step``'s.
        patience: epochs without a better validation value before training stops; None: it does not.
        select: which checkpoint is tested: the ``best`` validation score's, or the ``last`` epoch's.
        evaluation: what takes the place of masks there: ``expectation``, their means; ``sampled``, masks drawn as in training;
            ``monte_carlo``, masks drawn and predictions averaged; ``fresh``, masks drawn from a seed of evaluation's own, so that masks that
            training fixed are then others.
        samples: passes whose predicted probabilities ``monte_carlo`` averages.

    >>> Training(optimizer="rmsprop", lr=1e-3).clip
    1.0
    """

    optimizer: Literal["adam", "rmsprop", "rmsprop_floored", "sgd"] = "adam"
    lr: float = Field(2e-3, gt=0)
    decay: float = Field(1.0, ge=1)
    decay_after: int = Field(0, ge=0)
    epochs: int = Field(10, ge=1)
    batch: int = Field(32, ge=1)
    loss: Literal["mean", "sum_over_time"] = "mean"
    clip: float | None = Field(1.0, gt=0)
    clip_what: Literal["gradient", "step"] = "gradient"
    patience: int | None = Field(None, ge=1)
    select: Literal["best", "last"] = "best"
    evaluation: Literal["expectation", "sampled", "monte_carlo", "fresh"] = "expectation"
    samples: int = Field(10, ge=1)


class Setting(Frozen):
    """A task at one scale: the task's own options, the model and the training.

    Every task offers named settings (``laptop``, ``paper``); a study starts from one and may change any field.

    Args:
        options: the fields of the task's class.
        model: a :class:`~zoneout_lab.Model`.
        training: a :class:`~zoneout_lab.Training`.

    >>> Setting(training=Training(epochs=3)).model.hidden
    32
    """

    options: Annotated[dict[str, Value], BeforeValidator(_checked)] = Field(default_factory=dict)
    model: Model = Model()
    training: Training = Training()


class Run(AnyRun):
    """Everything a run is a function of: one arm × task × seed. Its :attr:`id` is the hash of it."""

    task: str
    setting: Setting
    regularizer: dict[str, Any]
    gradient_epochs: tuple[int, ...] = Field(
        (),
        description="epochs after which the measures are taken; 0: untrained; −1: the run's last",
    )
    gradient_examples: int = Field(64, ge=1, description="validation examples the measures are taken on")
    measures: tuple[dict[str, Any], ...] = Field(
        ({"kind": "gradient_flow"}, {"kind": "perturbation_growth"}), description="what is measured, as JSON"
    )

    later: ClassVar[tuple[str, ...]] = ("measures", "code")

    @property
    def shape(self) -> str:
        """Runs of one shape train together as replicas: they differ in regularizer and seeds only."""
        alone = {"arm", "seed", "regularizer", "seeds", "code"}
        return json.dumps(self.model_dump(mode="json", exclude=alone), sort_keys=True)
