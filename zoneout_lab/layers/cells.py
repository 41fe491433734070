"""LSTM, GRU and RNN with torch's signatures, shapes and ``state_dict``, plus ``regularizer=``.

The three share these keywords beyond torch's:

| keyword | meaning |
|---|---|
| ``regularizer`` | a regularizer, or one for each replica |
| ``replicas`` | R: a leading axis on weights, input, output and states; a leading 1 on the input is shared by all |
| ``mask_seed`` | key of the masks, or one for each replica; by default torch's generator draws it |
| ``learned_state`` | h0 (and c0) are parameters ``initial_hidden`` (``initial_cell``), used where no state is given |
| ``engine`` | ``auto``, ``reference``, ``cpu`` or ``triton`` (:mod:`zoneout_lab.ops.engine`) |
| ``evaluation`` | in ``eval()`` mode: ``expectation`` (masks' means, deterministic) or ``sampled`` |
"""

from __future__ import annotations

from typing import Any, Literal, Unpack, overload

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.layers.recurrent import Options, Recurrent


class LSTM(Recurrent):
    """``torch.nn.LSTM`` with regularizers of the recurrence.

    Shapes as in torch: input [T, B, I] ([B, T, I] with ``batch_first``, [T, I] without a batch, or packed); output [T, B, D·H];
    states (h, c), each [L·D, B, H]. With ``replicas=R`` every one of them has a leading R. The equations are those of
    :mod:`zoneout_lab.ops.reference`. On a CPU the gradient can be differentiated once; ``engine="reference"`` lifts that.

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
        **options: Unpack[Options],
    ) -> None:
        if proj_size:
            raise InputRefusedError(
                "proj_size is not supported: zoneout is defined on h and c of one size. Leave it at 0."
            )
        self.proj_size = 0
        super().__init__(
            "lstm", input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, device=device, dtype=dtype, **options,
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
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            "gru", input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, device=device, dtype=dtype, **options,
        )  # fmt: skip


class RNN(_OneState):
    """``torch.nn.RNN`` (tanh or relu) with regularizers of the recurrence; shapes as for :class:`LSTM` with h alone.

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
        **options: Unpack[Options],
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise InputRefusedError(f"Unknown nonlinearity {nonlinearity!r}; choose tanh or relu.")
        self.nonlinearity = nonlinearity
        super().__init__(
            f"rnn_{nonlinearity}", input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, device=device, dtype=dtype, **options,
        )  # fmt: skip
