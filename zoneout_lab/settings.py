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

    | ``init`` | initial values |
    |---|---|
    | ``torch`` | weights U[−1/√H, 1/√H], an embedding N(0, 1), biases and learned states 0 |
    | ``block_orthogonal`` | each gate's H × H recurrent matrix orthogonal, the rest as ``torch`` |
    | ``semi_orthogonal`` | the whole G·H × H recurrent matrix with orthonormal columns, the rest as ``torch`` |
    | ``uniform`` | every parameter U[−``init_range``, ``init_range``], biases and learned states too (Zaremba et al. 2014) |

    ``forget_bias`` is added in each of them. A cell's own parameters, such as gains, start as it says.

    >>> Model(hidden=100).cell
    'lstm'
    >>> from zoneout_lab.ops.cells import LayerNormLSTM
    >>> Model(cell=LayerNormLSTM(gamma=0.5)).cell
    {'kind': 'layer_norm_lstm', 'gamma': 0.5, 'epsilon': 1e-05}
    """

    cell: Annotated[str | dict[str, Value], BeforeValidator(_cell_as_json)] = Field(
        "lstm", description="name of a cell, or its name and options; a cell or its class is turned into that"
    )
    hidden: int = Field(32, ge=1, description="units per layer")
    layers: int = Field(1, ge=1)
    forget_bias: float = Field(
        1.0, description="added to the forget gate's bias at initialisation, of cells that have one"
    )
    learned_state: bool = Field(False, description="h0 and c0 are parameters, otherwise zero")
    embedding: int = Field(0, ge=0, description="features of each symbol's learned embedding; 0: symbols go in one-hot")
    init: Literal["torch", "block_orthogonal", "semi_orthogonal", "uniform"] = Field(
        "torch", description="how parameters are drawn; torch: weights uniform in ±1/√H, biases 0"
    )
    init_range: float = Field(0.04, gt=0, description="largest absolute initial value where init is uniform")


class Training(Frozen):
    """How a model is trained. Equal settings are needed for runs to train together as replicas.

    >>> Training(optimizer="rmsprop", lr=1e-3).clip
    1.0
    """

    optimizer: Literal["adam", "rmsprop", "rmsprop_floored", "sgd"] = Field(
        "adam", description="rmsprop adds 1e-5 to √v; rmsprop_floored divides by max(√v, 1e-5), as the paper's code"
    )
    lr: float = Field(2e-3, gt=0)
    decay: float = Field(
        1.0, ge=1, description="epoch e trains with lr / decay^(e − decay_after), epochs to decay_after with lr"
    )
    decay_after: int = Field(0, ge=0, description="epochs before the learning rate begins to fall")
    epochs: int = Field(10, ge=1)
    batch: int = Field(32, ge=1, description="examples (or chunks, or streams) per update")
    loss: Literal["mean", "sum_over_time"] = Field(
        "mean",
        description="what is differentiated: the mean over predictions, or their sum over time, mean over the batch",
    )
    clip: float | None = Field(
        1.0, gt=0, description="largest L2 norm of what is clipped of one replica; None: no clipping"
    )
    clip_what: Literal["gradient", "step"] = Field(
        "gradient", description="whose norm is clipped: the gradient's, or the optimizer's step's"
    )
    patience: int | None = Field(None, ge=1, description="epochs without a better validation value before stopping")
    select: Literal["best", "last"] = Field(
        "best", description="which checkpoint is tested: the best validation score's, or the last epoch's"
    )
    evaluation: Literal["expectation", "sampled", "monte_carlo", "fresh"] = Field(
        "expectation",
        description="masks replaced by their mean, drawn as in training, drawn and predictions averaged, or drawn from a seed of "
        "evaluation's own: masks that training fixed are then others",
    )
    samples: int = Field(10, ge=1, description="passes whose predicted probabilities monte_carlo averages")


class Setting(Frozen):
    """A task at one scale: the task's own options, the model and the training.

    Every task offers named settings (``laptop``, ``paper``); a study starts from one and may change any field.
    """

    options: Annotated[dict[str, Value], BeforeValidator(_checked)] = Field(
        default_factory=dict, description="passed to the task's class"
    )
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
