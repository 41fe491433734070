"""LSTM, GRU and RNN with torch's signatures, shapes and ``state_dict``, plus ``regularizer=`` and what :class:`Recurrent` has beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.layers.arguments import Regularizers
from zoneout_lab.layers.recurrent import Evaluation, Recurrent
from zoneout_lab.ops.engine import Engine


class LSTM(Recurrent):
    """``torch.nn.LSTM`` with regularizers of the recurrence.

    Shapes as in torch: input [T, B, I] ([B, T, I] with ``batch_first``, [T, I] without a batch, or packed); output [T, B, D·H];
    states (h, c), each [L·D, B, H]. With ``replicas=R`` every one of them has a leading R. The equations are those of
    :mod:`zoneout_lab.ops.reference`. On a CPU the gradient can be differentiated once; ``engine="reference"`` lifts that.
    Attributes and what else there is to know are those of :class:`Recurrent`.

    Args:
        input_size: I, features of the input at each timestep.
        hidden_size: H, units of each layer.
        num_layers: L, layers on top of each other.
        bias: False for layers without biases.
        batch_first: batched inputs and outputs have the batch first, [B, T, …]; states do not change.
        dropout: the probability with which the outputs of each layer but the last are dropped in training, anew at every timestep. That is
            not in the recurrence: for that there is ``regularizer``.
        bidirectional: a second set of layers reads the sequence backwards: D = 2.
        proj_size: has to be 0: zoneout is defined on h and c of one size.
        device, dtype: of the parameters, as for any torch module.
        regularizer: what is done to the recurrence in training, ``Zoneout(cell=0.5, hidden=0.05)``; with ``replicas``, one for all or one for
            each.
        replicas: R: how many models are trained as one. Weights, inputs, outputs and states then have a leading axis of R, an input that all
            share one of 1.
        mask_seed: key of the masks, or one for each replica: the same key gives the same masks. By default torch's generator draws it.
        learned_state: h0 and c0 are parameters, ``initial_hidden`` and ``initial_cell``, used where no state is given.
        evaluation: what takes the place of masks in ``eval()`` mode: ``expectation``, their means, which is deterministic, or ``sampled``.
        engine: what computes it: ``auto``, the fastest path that can; ``reference``, the plain loop; ``cpu``; ``triton``.

    Raises:
        InputRefusedError: ``proj_size`` other than 0, a rate outside [0, 1], a regularizer an LSTM cannot have.

    >>> import torch, zoneout_lab as zl
    >>> rnn = zl.LSTM(3, 4, batch_first=True, regularizer=zl.Zoneout(cell=0.5, hidden=0.05))
    >>> out, (h, c) = rnn(torch.zeros(2, 7, 3))
    >>> out.shape, c.shape
    (torch.Size([2, 7, 4]), torch.Size([1, 2, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
        *,
        regularizer: Regularizers = None,
        replicas: int | None = None,
        mask_seed: int | Sequence[int] | None = None,
        learned_state: bool = False,
        evaluation: Evaluation = "expectation",
        engine: Engine = "auto",
    ) -> None:
        if proj_size:
            raise InputRefusedError(
                "proj_size is not supported: zoneout is defined on h and c of one size. Leave it at 0."
            )
        self.proj_size = 0
        super().__init__(
            "lstm", input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, device=device, dtype=dtype, regularizer=regularizer, replicas=replicas,
            mask_seed=mask_seed, learned_state=learned_state, evaluation=evaluation, engine=engine,
        )  # fmt: skip

    @overload
    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]: ...
    @overload
    def forward(
        self, input: PackedSequence, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[PackedSequence, tuple[Tensor, Tensor]]: ...
    def forward(
        self, input: Tensor | PackedSequence, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, Tensor]]:
        """Run over the sequence; returns outputs and the final (h, c)."""
        out, (h, c) = self._forward(input, hx)
        return out, (h, c)


class _OneState(Recurrent):
    @overload
    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]: ...
    @overload
    def forward(self, input: PackedSequence, hx: Tensor | None = None) -> tuple[PackedSequence, Tensor]: ...
    def forward(
        self, input: Tensor | PackedSequence, hx: Tensor | None = None
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Run over the sequence; returns outputs and the final h."""
        out, (h,) = self._forward(input, None if hx is None else (hx,))
        return out, h


class GRU(_OneState):
    """``torch.nn.GRU`` with regularizers of the recurrence; shapes as for :class:`LSTM` with h alone.

    Args:
        input_size: I, features of the input at each timestep.
        hidden_size: H, units of each layer.
        num_layers: L, layers on top of each other.
        bias: False for layers without biases.
        batch_first: batched inputs and outputs have the batch first, [B, T, …]; states do not change.
        dropout: the probability with which the outputs of each layer but the last are dropped in training, anew at every timestep. That is
            not in the recurrence: for that there is ``regularizer``.
        bidirectional: a second set of layers reads the sequence backwards: D = 2.
        device, dtype: of the parameters, as for any torch module.
        regularizer: what is done to the recurrence in training, ``Zoneout(cell=0.5, hidden=0.05)``; with ``replicas``, one for all or one for
            each.
        replicas: R: how many models are trained as one. Weights, inputs, outputs and states then have a leading axis of R, an input that all
            share one of 1.
        mask_seed: key of the masks, or one for each replica: the same key gives the same masks. By default torch's generator draws it.
        learned_state: h0 is a parameter, ``initial_hidden``, used where no state is given.
        evaluation: what takes the place of masks in ``eval()`` mode: ``expectation``, their means, which is deterministic, or ``sampled``.
        engine: what computes it: ``auto``, the fastest path that can; ``reference``, the plain loop; ``cpu``; ``triton``.

    Raises:
        InputRefusedError: a rate outside [0, 1], a regularizer a GRU cannot have.

    >>> import torch, zoneout_lab as zl
    >>> out, h = zl.GRU(3, 4, regularizer=zl.Zoneout(hidden=0.1))(torch.zeros(7, 2, 3))
    >>> h.shape
    torch.Size([1, 2, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        regularizer: Regularizers = None,
        replicas: int | None = None,
        mask_seed: int | Sequence[int] | None = None,
        learned_state: bool = False,
        evaluation: Evaluation = "expectation",
        engine: Engine = "auto",
    ) -> None:
        super().__init__(
            "gru", input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, device=device, dtype=dtype, regularizer=regularizer, replicas=replicas,
            mask_seed=mask_seed, learned_state=learned_state, evaluation=evaluation, engine=engine,
        )  # fmt: skip


class RNN(_OneState):
    """``torch.nn.RNN`` (tanh or relu) with regularizers of the recurrence; shapes as for :class:`LSTM` with h alone.

    Args:
        input_size: I, features of the input at each timestep.
        hidden_size: H, units of each layer.
        num_layers: L, layers on top of each other.
        nonlinearity: ``tanh`` or ``relu``.
        bias: False for layers without biases.
        batch_first: batched inputs and outputs have the batch first, [B, T, …]; states do not change.
        dropout: the probability with which the outputs of each layer but the last are dropped in training, anew at every timestep. That is
            not in the recurrence: for that there is ``regularizer``.
        bidirectional: a second set of layers reads the sequence backwards: D = 2.
        device, dtype: of the parameters, as for any torch module.
        regularizer: what is done to the recurrence in training, ``Zoneout(cell=0.5, hidden=0.05)``; with ``replicas``, one for all or one for
            each.
        replicas: R: how many models are trained as one. Weights, inputs, outputs and states then have a leading axis of R, an input that all
            share one of 1.
        mask_seed: key of the masks, or one for each replica: the same key gives the same masks. By default torch's generator draws it.
        learned_state: h0 is a parameter, ``initial_hidden``, used where no state is given.
        evaluation: what takes the place of masks in ``eval()`` mode: ``expectation``, their means, which is deterministic, or ``sampled``.
        engine: what computes it: ``auto``, the fastest path that can; ``reference``, the plain loop; ``cpu``; ``triton``.

    Raises:
        InputRefusedError: another nonlinearity, a rate outside [0, 1], a regularizer it cannot have.

    >>> import torch, zoneout_lab as zl
    >>> out, h = zl.RNN(3, 4, nonlinearity="relu", replicas=2)(torch.zeros(1, 7, 5, 3))
    >>> out.shape
    torch.Size([2, 7, 5, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        regularizer: Regularizers = None,
        replicas: int | None = None,
        mask_seed: int | Sequence[int] | None = None,
        learned_state: bool = False,
        evaluation: Evaluation = "expectation",
        engine: Engine = "auto",
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise InputRefusedError(f"Unknown nonlinearity {nonlinearity!r}; choose tanh or relu.")
        self.nonlinearity = nonlinearity
        super().__init__(
            f"rnn_{nonlinearity}", input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, device=device, dtype=dtype, regularizer=regularizer, replicas=replicas,
            mask_seed=mask_seed, learned_state=learned_state, evaluation=evaluation, engine=engine,
        )  # fmt: skip
