"""What a run is made of besides its regularizer: the model's shape and how it is trained. Plain frozen values."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """An immutable value read from JSON as strictly as it was written: unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Model(Frozen):
    """The recurrent network under study: a stack of one cell type and a linear readout.

    >>> Model(hidden=100).cell
    'lstm'
    """

    cell: Literal["lstm", "gru", "rnn_tanh", "rnn_relu"] = "lstm"
    hidden: int = Field(32, ge=1, description="units per layer")
    layers: int = Field(1, ge=1)
    forget_bias: float = Field(1.0, description="added to the LSTM's forget-gate bias at initialisation")
    learned_state: bool = Field(False, description="h0 and c0 are parameters, otherwise zero")


class Training(Frozen):
    """How a model is trained. Equal settings are needed for runs to train together as replicas.

    >>> Training(optimizer="rmsprop", lr=1e-3).clip
    1.0
    """

    optimizer: Literal["adam", "rmsprop", "sgd"] = "adam"
    lr: float = Field(2e-3, gt=0)
    epochs: int = Field(10, ge=1)
    batch: int = Field(32, ge=1, description="examples (or chunks) per update")
    clip: float | None = Field(1.0, gt=0, description="largest L2 norm of one replica's gradient; None: no clipping")
    patience: int | None = Field(None, ge=1, description="epochs without a better validation value before stopping")
    evaluation: Literal["expectation", "sampled"] = Field(
        "expectation", description="masks replaced by their mean, or drawn as in training"
    )


class Setting(Frozen):
    """A task at one scale: the task's own options, the model and the training.

    Every task offers named settings (``laptop``, ``paper``); a study starts from one and may change any field.
    """

    options: dict[str, int | float | str | bool] = Field(default_factory=dict, description="passed to the task's class")
    model: Model = Model()
    training: Training = Training()


class Seeds(Frozen):
    """The three seeds of a run, varied separately: initial weights, order of the data, masks."""

    init: int
    data: int
    masks: int


class Run(Frozen):
    """Everything a run is a function of: one arm × task × seed. Its :attr:`id` is the hash of it."""

    arm: str
    seed: int
    task: str
    setting: Setting
    regularizer: dict[str, Any]
    seeds: Seeds
    gradient_epochs: tuple[int, ...] = Field(
        (), description="epochs after which gradient flow is measured; 0: untrained"
    )
    gradient_examples: int = Field(64, ge=1, description="validation examples the measurement is taken on")

    @property
    def id(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the run as canonical JSON."""
        return content_hash(self)

    @property
    def shape(self) -> str:
        """Runs of one shape train together as replicas: they differ in regularizer and seeds only."""
        alone = {"arm", "seed", "regularizer", "seeds"}
        return json.dumps(self.model_dump(mode="json", exclude=alone), sort_keys=True)


def content_hash(value: BaseModel, length: int = 16) -> str:
    """SHA-256 of a value as canonical JSON, shortened."""
    text = json.dumps(value.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]
