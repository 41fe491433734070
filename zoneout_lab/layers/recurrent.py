"""The body common to LSTM, GRU and RNN: torch's parameters, shapes and options, plus a regularizer and a replica axis.

Shapes: R replicas, T timesteps, B examples, I features, H units, L layers, D directions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypedDict, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.layers import other_cells, shares, shares_on_gpu
from zoneout_lab.layers.arguments import Regularizers, check_choice, mask_seeds, one_each, sizes
from zoneout_lab.layers.draws import Draws
from zoneout_lab.layers.misuse import is_fixed, refuse_tracing
from zoneout_lab.layers.penalty import norm_penalty
from zoneout_lab.layers.seeded import Seeded
from zoneout_lab.ops.engine import Engine, run
from zoneout_lab.ops.reference import CELLS, Weights
from zoneout_lab.ops.trace import listening, one_call
from zoneout_lab.regularizers import NoRegularizer

Evaluation = Literal["expectation", "sampled"]


class Options(TypedDict, total=False):
    """Keywords beyond torch's; :mod:`zoneout_lab.layers.cells` says what they mean."""

    regularizer: Regularizers
    replicas: int | None
    mask_seed: int | Sequence[int] | None
    learned_state: bool
    evaluation: Evaluation
    engine: Engine


class Recurrent(Seeded):
    """A stack of recurrent layers with torch's parameters and one regularizer per replica.

    The public classes (:class:`~zoneout_lab.layers.LSTM` and its siblings) only choose the cell and the signature.

    Masks are a pure function of ``mask_seed`` and ``update``. Each forward pass in training mode uses the current ``update`` and
    then adds one to it; set it to resume or to repeat. A sampled pass in evaluation mode does the same with ``draw``.

    Under autocast the layer computes in its weights' dtype. Activation checkpointing runs a forward pass again: where masks are
    drawn it is refused, unless ``update`` is set inside the checkpointed function, before each pass. So are tracing (``torch.jit.trace``,
    ``torch.export``, ``torch.onnx.export``) and a training pass of a deep copy whose original lives: set its ``mask_seeds``. A sampled
    evaluation of a copy is not refused: it draws its original's masks, so that a best model that was kept, or an average, is compared
    with the original under the same noise. Members of an ensemble need ``mask_seeds`` of their own.

    Attributes:
        regularizers: one for each replica.
        mask_seeds: one for each replica. A ``state_dict`` holds neither them nor the counters.
        update: which training update's masks come next; also where a schedule of rates stands. On a GPU it may be an integer
            tensor there, which a captured CUDA graph counts up.
        draw: which draw of a sampled evaluation comes next.
        engine: ``auto``, or the path to compute with (:mod:`zoneout_lab.ops.engine`).
        evaluation: ``expectation`` uses the masks' means in ``eval()`` mode, ``sampled`` draws masks there too.
        other_cell: the regularizer that puts another cell in the LSTM's place, or None.
        penalty: after a pass in training mode what the norm stabilizer adds to each replica's loss, [R]; None without one.
    """

    #: a measurement that finds several such modules in a model labels their layers with the modules' names
    announces_states = True

    def __init__(
        self,
        cell: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        regularizer: Regularizers = None,
        replicas: int | None = None,
        mask_seed: int | Sequence[int] | None = None,
        learned_state: bool = False,
        evaluation: Evaluation = "expectation",
        engine: Engine = "auto",
    ) -> None:
        super().__init__()
        input_size, hidden_size, num_layers, self.dropout, replicas = sizes(
            input_size, hidden_size, num_layers, dropout, replicas
        )
        check_choice("evaluation", evaluation, get_args(Evaluation))
        check_choice("engine", engine, get_args(Engine))
        self.cell = cell
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.replicas = replicas
        self.evaluation: Evaluation = evaluation
        self.engine: Engine = engine
        self.learned_state = learned_state
        self._tables: shares_on_gpu.Tables = {}
        self.regularizers = one_each(regularizer, replicas or 1)
        for each in self.regularizers:
            each.masks(cell)  # refuses by name what this cell cannot do
        self.other_cell = other_cells.other_cell(self.regularizers, cell)
        self.penalty: Tensor | None = None

        gates, states, _ = CELLS[cell]
        lead = () if replicas is None else (replicas,)
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * self.directions
            for suffix in self._suffixes(layer):
                self._new(f"weight_ih_{suffix}", (*lead, gates * hidden_size, width), device, dtype)
                self._new(f"weight_hh_{suffix}", (*lead, gates * hidden_size, hidden_size), device, dtype)
                if bias:
                    self._new(f"bias_ih_{suffix}", (*lead, gates * hidden_size), device, dtype)
                    self._new(f"bias_hh_{suffix}", (*lead, gates * hidden_size), device, dtype)
                like = self.get_parameter(f"weight_hh_{suffix}")
                other_cells.add_parameters(self, self.other_cell, suffix, lead, like.detach(), hidden_size)
        if learned_state:
            for state in states:
                self._new(f"initial_{state}", (*lead, num_layers * self.directions, hidden_size), device, dtype)
        self.reset_parameters()
        self.mask_seeds = mask_seeds(mask_seed, self.regularizers, self.dropout)
        self._seeds_given = mask_seed is not None

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    def reset_parameters(self) -> None:
        """Draw every weight and bias from U[−1/√H, 1/√H] as torch does, in torch's order; learned states start at zero."""
        bound = 1 / math.sqrt(self.hidden_size)
        for name, parameter in self.named_parameters():
            if name.startswith(("initial_", "shift_")):
                nn.init.zeros_(parameter)
            elif name.startswith("gain_"):
                nn.init.constant_(parameter, getattr(self.other_cell, "gamma", 1.0))
            else:
                nn.init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing to do; here because torch's layers have it."""

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """Weights by layer and direction, in torch's order; parameters, unless a parametrization makes them of others."""
        names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"] if self.bias else ["weight_ih", "weight_hh"]
        suffixes = [suffix for layer in range(self.num_layers) for suffix in self._suffixes(layer)]
        return [[getattr(self, f"{name}_{suffix}") for name in names] for suffix in suffixes]

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        defaults = {
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
            "replicas": None,
        }
        parts += [
            f"{name}={getattr(self, name)}" for name, default in defaults.items() if getattr(self, name) != default
        ]
        kinds = list(dict.fromkeys(map(repr, self.regularizers)))
        if kinds != [repr(NoRegularizer())]:
            parts.append(f"regularizer={kinds[0] if len(kinds) == 1 else '[' + ', '.join(kinds) + ']'}")
        return ", ".join(parts)

    def _forward(
        self, input: Tensor | PackedSequence, hx: tuple[Tensor, ...] | None
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, ...]]:
        data = input.data if isinstance(input, PackedSequence) else input
        # the reference alone computes shapes without data
        refuse_tracing(type(self).__name__, None if self.engine == "reference" else data)
        trace = listening()
        if trace is None:
            return self._uncast(input, hx)
        trace.undo.setdefault(id(self), self.as_it_stands())
        given = None if hx is None or not all(isinstance(state, Tensor) for state in hx) else hx
        return one_call(trace, self, given, lambda: self._uncast(input, hx))

    def _uncast(
        self, input: Tensor | PackedSequence, hx: tuple[Tensor, ...] | None
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, ...]]:
        """Without the autocast around it."""
        data = input.data if isinstance(input, PackedSequence) else input
        if torch.is_autocast_enabled(data.device.type):
            dtype = self._weights_dtype()
            with torch.autocast(data.device.type, enabled=False):
                return self._uncast(input.to(dtype), None if hx is None else tuple(state.to(dtype) for state in hx))
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        x = self._lift(input)
        out, states = self._stack(x, self._initial(hx, input, x), None)
        return self._lower(out, input), tuple(self._lower_state(s, input) for s in states)

    def _forward_packed(
        self, input: PackedSequence, hx: tuple[Tensor, ...] | None
    ) -> tuple[PackedSequence, tuple[Tensor, ...]]:
        if self.replicas is not None:
            raise InputRefusedError("Packed sequences do not work with replicas; pad them to one length instead.")
        if self.other_cell is not None:
            raise InputRefusedError(
                f"Packed sequences do not work with {self.other_cell}; pad them to one length instead."
            )
        padded, lengths = pad_packed_sequence(input)
        x = padded[None]
        out, states = self._stack(x, self._initial(hx, padded, x), lengths.to(x.device))
        packed = pack_padded_sequence(out[0], lengths, enforce_sorted=input.sorted_indices is None)
        return packed, tuple(state[0] for state in states)

    def _stack(
        self, x: Tensor, initial: tuple[Tensor, ...], lengths: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """x [R or 1, T, B, I] and states [R, L·D, B, H] through all layers, to outputs [R, T, B, D·H] and final states."""
        R, T, B = self.replicas or 1, x.shape[1], x.shape[2]
        samples = self.training or self.evaluation == "sampled"
        draws = self.draws()
        if samples and (masks := draws.masks(self.dropout if self.num_layers > 1 else 0.0)):
            self._about_to_draw(fixed=all(map(is_fixed, masks)))
        finals: list[tuple[Tensor, ...]] = []
        penalties: list[Tensor] = []
        for layer in range(self.num_layers):
            outputs = []
            x = draws.stacked("input", layer, x) if samples else x
            for direction, suffix in enumerate(self._suffixes(layer)):
                row = layer * self.directions + direction
                if samples:
                    site_shares = draws.within(self.cell, row, (T, B, self.hidden_size), x.device, x.dtype)
                else:
                    site_shares = shares.expected(
                        self.regularizers, self.cell, int(self.update), self.hidden_size, device=x.device, dtype=x.dtype
                    )
                forward = x if direction == 0 else _reverse(x, lengths)
                out, final = self._layer(
                    forward, row, suffix, tuple(s[:, row] for s in initial), site_shares, lengths, draws
                )
                outputs.append(out if direction == 0 else _reverse(out, lengths))
                finals.append(final)
            x = torch.cat(outputs, -1) if len(outputs) > 1 else outputs[0]
            penalty = norm_penalty(x, self.regularizers) if self.training else None
            penalties += [] if penalty is None else [penalty]
            if self.dropout > 0 and self.training and layer < self.num_layers - 1:
                x = x * draws.between(layer, self.dropout, x)
        x = draws.stacked("top", self.num_layers, x) if samples else x
        self.penalty = sum(penalties[1:], penalties[0]) if penalties else None
        self._count(drew=draws.drew)
        return x.expand(R, -1, -1, -1), tuple(torch.stack(kind, 1) for kind in zip(*finals, strict=True))

    def draws(self) -> Draws:
        """What the current pass draws; a model around this layer draws its own noise from it too."""
        return Draws(
            self.regularizers, self.mask_seeds, self.num_layers * self.directions, self.update, self.draw, self.training,
            self._tables, self.engine == "triton",
        )  # fmt: skip

    def sampled_shares(self, row: int, sizes: tuple[int, int, int], device: torch.device) -> dict[str, Tensor]:
        """Masks of one layer and direction, drawn on its device where that can be."""
        return self.draws().within(self.cell, row, sizes, device)

    def _layer(
        self,
        x: Tensor,
        row: int,
        suffix: str,
        initial: tuple[Tensor, ...],
        site_shares: dict[str, Tensor],
        lengths: Tensor | None,
        draws: Draws,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        w_ih, w_hh, b_ih, b_hh = (
            self._stacked(f"{name}_{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        assert w_ih is not None
        assert w_hh is not None
        weights = Weights(draws.noisy(w_ih, 2 * row), draws.noisy(w_hh, 2 * row + 1), b_ih, b_hh)
        if self.other_cell is not None:
            return other_cells.run(
                self.other_cell, self._required, x, initial, weights, site_shares, suffix, training=self.training
            )
        return run(self.cell, x, initial, weights, site_shares, lengths=lengths, layer=suffix, engine=self.engine)

    def _weights_dtype(self) -> torch.dtype:
        # a weight that others make is made anew whenever it is asked for: spectral norm then takes a step
        known = next(self.parameters(), None)
        return self.all_weights[0][0].dtype if known is None else known.dtype

    def _required(self, name: str) -> Tensor:
        value = self._stacked(name)
        assert value is not None
        return value

    def _stacked(self, name: str) -> Tensor | None:
        parameter: Tensor | None = getattr(self, name, None)
        return parameter if parameter is None or self.replicas is not None else parameter[None]

    def _initial(self, hx: tuple[Tensor, ...] | None, input: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        """Given, learned or zero initial states as [R, L·D, B, H] each."""
        R, B, rows = self.replicas or 1, x.shape[2], self.num_layers * self.directions
        kinds = CELLS[self.cell][1]
        if hx is None:
            if not self.learned_state:
                return tuple(x.new_zeros(R, rows, B, self.hidden_size) for _ in kinds)
            learned = (self._stacked(f"initial_{kind}") for kind in kinds)
            return tuple(s[:, :, None].expand(R, rows, B, self.hidden_size) for s in learned if s is not None)
        lead = () if self.replicas is None else (R,)
        batch = () if self._unbatched(input) else (B,)
        shape = (*lead, rows, *batch, self.hidden_size)
        for kind, state in zip(kinds, hx, strict=True):
            if state.shape != shape:
                raise RuntimeError(f"Expected {kind} state of shape {list(shape)}, got {list(state.shape)}")
            if state.dtype != x.dtype:
                raise RuntimeError(f"Expected {kind} state of {x.dtype} as the input is, got {state.dtype}")
        return tuple(state.reshape(R, rows, B, self.hidden_size) for state in hx)

    def _unbatched(self, input: Tensor) -> bool:
        return input.dim() == (2 if self.replicas is None else 3)

    def _lift(self, input: Tensor) -> Tensor:
        """The user's input as [R or 1, T, B, I]."""
        lead = 0 if self.replicas is None else 1
        if input.dim() not in (2 + lead, 3 + lead):
            wanted = "2-D or 3-D" if not lead else "3-D or 4-D with the replica axis first"
            raise ValueError(f"{type(self).__name__}: Expected input to be {wanted}, got {input.dim()}-D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )
        if lead and input.shape[0] not in (1, self.replicas):
            raise RuntimeError(
                f"Expected {self.replicas} replicas (or 1, shared by all) on the first axis, got {input.shape[0]}"
            )
        if input.dtype != (dtype := self._weights_dtype()):
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}); convert one of them."
            )
        x = input if lead else input[None]
        if self._unbatched(input):
            x = x[:, :, None]
        elif self.batch_first:
            x = x.transpose(1, 2)
        if x.shape[1] == 0:
            raise RuntimeError("Expected a sequence of at least one timestep, got none")
        return x

    def _lower(self, out: Tensor, input: Tensor) -> Tensor:
        if self._unbatched(input):
            out = out[:, :, 0]
        elif self.batch_first:
            out = out.transpose(1, 2)
        return out if self.replicas is not None else out[0]

    def _lower_state(self, state: Tensor, input: Tensor) -> Tensor:
        state = state[:, :, 0] if self._unbatched(input) else state
        return state if self.replicas is not None else state[0]

    def _suffixes(self, layer: int) -> list[str]:
        return [f"l{layer}", f"l{layer}_reverse"][: self.directions]

    def _new(
        self, name: str, shape: tuple[int, ...], device: torch.device | str | None, dtype: torch.dtype | None
    ) -> None:
        self.register_parameter(name, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))


def _reverse(x: Tensor, lengths: Tensor | None) -> Tensor:
    """x [R, T, B, ·] backwards in time, each example within its own length."""
    if lengths is None:
        return x.flip(1)
    t = torch.arange(x.shape[1], device=x.device)[:, None]
    index = torch.where(t < lengths, lengths - 1 - t, t)
    return x.gather(1, index[None, :, :, None].expand_as(x))
