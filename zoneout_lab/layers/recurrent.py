"""A stack of recurrent layers of any cell: torch's parameters, shapes and options, plus a regularizer and a replica axis.

Shapes: R replicas, T timesteps, B examples, I features, H units, L layers, D directions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.layers.arguments import (
    Regularizers,
    cell_and_regularizers,
    check_choice,
    mask_seeds,
    refuse_penalty,
    sizes,
)
from zoneout_lab.layers.mask_source import MaskSource
from zoneout_lab.layers.misuse import backward_pass, is_fixed, refuse_tracing
from zoneout_lab.layers.noise import Noise, expected
from zoneout_lab.layers.seeded import Seeded
from zoneout_lab.layers.shapes import Shapes, backwards
from zoneout_lab.ops.cells import Cell
from zoneout_lab.ops.engine import Engine, forward
from zoneout_lab.ops.probe import is_recording, one_call, open_probe
from zoneout_lab.regularizers import NoRegularizer

Evaluation = Literal["expectation", "sampled"]


class Recurrent(Seeded):
    """A stack of recurrent layers of one cell, with torch's shapes and options and one regularizer per replica.

    :class:`~zoneout_lab.LSTM`, ``GRU`` and ``RNN`` choose the cell and have torch's signature. Here states come as a tuple, one for each of
    ``cell.states``.

    Args:
        cell: a name (``"lstm"``), a class or a value (``LayerNormLSTM(gamma=0.5)``) of ``zoneout_lab.cells``, or a
            :class:`~zoneout_lab.Cell` of one's own.
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
        learned_state: h0 and its kin are parameters, ``initial_hidden``, used where no state is given.
        evaluation: what takes the place of masks in ``eval()`` mode: ``expectation``, their means, which is deterministic, or ``sampled``.
        engine: what computes it: ``auto``, the fastest path that can; ``reference``, the plain loop; ``cpu``; ``triton``.

    Masks are a pure function of ``mask_seed`` and ``update``. Each forward pass in training mode uses the current ``update`` and
    then adds one to it; set it to resume or to repeat. A sampled pass in evaluation mode does the same with ``draw``.

    Under autocast the layer computes in its weights' dtype. Activation checkpointing runs a forward pass again: where masks are
    drawn it is refused, unless ``update`` is set inside the checkpointed function, before each pass. So are tracing (``torch.jit.trace``,
    ``torch.export``, ``torch.onnx.export``) and a training pass of a deep copy whose original still exists: set its ``mask_seeds``. A sampled
    evaluation of a copy is not refused: it draws its original's masks, so that a best model that was kept, or an average, is compared
    with the original under the same noise. Members of an ensemble need ``mask_seeds`` of their own.

    Raises:
        InputRefusedError: an unknown cell, a rate outside [0, 1], a regularizer that the cell cannot have.

    Attributes:
        cell: what is computed at every timestep.
        regularizers: one for each replica.
        mask_seeds: one for each replica. A ``state_dict`` holds neither them nor the counters.
        update: which training update's masks come next; also where a schedule of rates stands. On a GPU it may be an integer
            tensor there, which a captured CUDA graph counts up.
        draw: which draw of a sampled evaluation comes next.
        engine: ``auto``, or the path to compute with (:mod:`zoneout_lab.ops.engine`).
        evaluation: ``expectation`` uses the masks' means in ``eval()`` mode, ``sampled`` draws masks there too.
        penalty: after a pass in training mode what regularizers add to each replica's loss, [R]; None where none adds anything.
    """

    #: a measurement that finds several such modules in a model labels their layers with the modules' names
    is_probed = True

    def __init__(
        self,
        cell: Cell | type[Cell] | str | Mapping[str, Any],
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
        self.cell, self.regularizers = cell_and_regularizers(cell, regularizer, replicas or 1)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.replicas = replicas
        self.evaluation: Evaluation = evaluation
        self.engine: Engine = engine
        self.learned_state = learned_state
        self._recurrences = num_layers * self.directions
        self._mask_source = MaskSource(interpreted=engine == "triton")
        self.penalty: Tensor | None = None

        #: initial values of parameters that are not drawn
        self._starts: dict[str, float | Tensor] = {}
        #: suffix → stems of its parameters and of its buffers
        self._stems: dict[str, tuple[list[str], list[str]]] = {}
        for layer in range(num_layers):
            width = input_size if layer == 0 else hidden_size * self.directions
            for suffix in self._suffixes(layer):
                self._register(suffix, width, device, dtype)
        if learned_state:
            for state in self.cell.states:
                shape = (*self._lead, num_layers * self.directions, hidden_size)
                self.register_parameter(
                    f"initial_{state}", nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                )
                self._starts[f"initial_{state}"] = 0.0
        self.reset_parameters()
        self.mask_seeds = mask_seeds(mask_seed, self.cell, self.regularizers, self.dropout)
        self._seeds_given = mask_seed is not None

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def _lead(self) -> tuple[int, ...]:
        return () if self.replicas is None else (self.replicas,)

    def _register(self, suffix: str, inputs: int, device: torch.device | str | None, dtype: torch.dtype | None) -> None:
        """Parameters and buffers of one recurrence, named as torch names them."""
        for stem, parameter in self.cell.parameters(inputs, self.hidden_size).items():
            if self.bias or not stem.startswith("bias"):
                value = torch.empty((*self._lead, *parameter.shape), device=device, dtype=dtype)
                self.register_parameter(f"{stem}_{suffix}", nn.Parameter(value))
                if parameter.start is not None:
                    self._starts[f"{stem}_{suffix}"] = parameter.start
        parameters = [
            stem for stem in self.cell.parameters(inputs, self.hidden_size) if hasattr(self, f"{stem}_{suffix}")
        ]
        self._stems[suffix] = parameters, list(self.cell.buffers(self.hidden_size))
        for stem, buffer in self.cell.buffers(self.hidden_size).items():
            value = torch.zeros((*self._lead, *buffer.shape), device=device, dtype=dtype)
            self.register_buffer(f"{stem}_{suffix}", value + (0.0 if buffer.start is None else buffer.start))

    def reset_parameters(self) -> None:
        """Draw every weight and bias from U[−1/√H, 1/√H] as torch does, in torch's order; parameters with a starting value get that value."""
        bound = 1 / math.sqrt(self.hidden_size)
        for name, parameter in self.named_parameters():
            start = self._starts.get(name)
            if start is None:
                nn.init.uniform_(parameter, -bound, bound)
            elif isinstance(start, Tensor):
                with torch.no_grad():
                    parameter.copy_(start.expand_as(parameter))
            else:
                nn.init.constant_(parameter, start)

    def starts_drawn(self, name: str) -> bool:
        """True where a parameter's initial value is drawn, not given by the cell or the layer."""
        return name not in self._starts or name.startswith("initial_")

    def flatten_parameters(self) -> None:
        """Nothing to do; here because torch's layers have it."""

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """Weights by layer and direction, in torch's order; parameters, unless a parametrization computes them."""
        return [[getattr(self, f"{stem}_{suffix}") for stem in stems] for suffix, (stems, _) in self._stems.items()]

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

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Run over the sequence; returns outputs and the final states, one for each of ``cell.states``.

        Raises InputRefusedError for another number of states.
        """
        return self._forward(input, hx)

    def _forward(
        self, input: Tensor | PackedSequence, hx: tuple[Tensor, ...] | None
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, ...]]:
        data = input.data if isinstance(input, PackedSequence) else input
        # only the reference can compute shapes without data
        refuse_tracing(type(self).__name__, None if self.engine == "reference" else data)
        probe = open_probe()
        if probe is None:
            return self._uncast(input, hx)
        probe.undo.setdefault(id(self), self.as_it_stands())
        given = None if hx is None or not all(isinstance(state, Tensor) for state in hx) else hx
        return one_call(probe, self, given, lambda: self._uncast(input, hx))

    def _uncast(
        self, input: Tensor | PackedSequence, hx: tuple[Tensor, ...] | None
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, ...]]:
        """With autocast switched off."""
        data = input.data if isinstance(input, PackedSequence) else input
        if torch.is_autocast_enabled(data.device.type):
            dtype = self._weights_dtype() or data.dtype
            with torch.autocast(data.device.type, enabled=False):
                return self._uncast(input.to(dtype), None if hx is None else tuple(state.to(dtype) for state in hx))
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        shapes = self._shapes(input)
        x = shapes.lift(input)
        out, states = self._stack(x, self._initial(hx, x, batched=shapes.batched), None)
        return shapes.lower(out), tuple(map(shapes.lower_state, states))

    def _forward_packed(
        self, input: PackedSequence, hx: tuple[Tensor, ...] | None
    ) -> tuple[PackedSequence, tuple[Tensor, ...]]:
        if self.replicas is not None:
            raise InputRefusedError("Packed sequences do not work with replicas; pad them to one length instead.")
        if self.cell.mixes_examples:
            raise InputRefusedError(f"Packed sequences do not work with {self.cell}; pad them to one length instead.")
        padded, lengths = pad_packed_sequence(input)
        x = padded[None]
        out, states = self._stack(x, self._initial(hx, x, batched=True), lengths.to(x.device))
        packed = pack_padded_sequence(out[0], lengths, enforce_sorted=input.sorted_indices is None)
        return packed, tuple(state[0] for state in states)

    def _stack(
        self, x: Tensor, initial: tuple[Tensor, ...], lengths: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """x [R or 1, T, B, I] and states [R, L·D, B, H] through all layers, to outputs [R, T, B, D·H] and final states."""
        with self.one_pass() as noise:
            out, finals = self._layers(x, initial, lengths, noise)
        return out.expand(self.replicas or 1, -1, -1, -1), tuple(
            torch.stack(kind, 1) for kind in zip(*finals, strict=True)
        )

    def _layers(
        self, x: Tensor, initial: tuple[Tensor, ...], lengths: Tensor | None, noise: Noise
    ) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        samples = self.training or self.evaluation == "sampled"
        if samples and (masks := noise.sites(self.cell, self.dropout if self.num_layers > 1 else 0.0)):
            self._about_to_draw(fixed=all(map(is_fixed, masks)))
        finals: list[tuple[Tensor, ...]] = []
        penalties: list[Tensor] = []
        for layer in range(self.num_layers):
            outputs = []
            x = noise.stacked("input", layer, x) if samples else x
            for direction, suffix in enumerate(self._suffixes(layer)):
                index = layer * self.directions + direction
                forward = x if direction == 0 else backwards(x, lengths)
                states = tuple(state[:, index] for state in initial)
                out, final = self._recurrence(forward, index, suffix, states, lengths, noise, samples=samples)
                outputs.append(out if direction == 0 else backwards(out, lengths))
                finals.append(final)
            x = torch.cat(outputs, -1) if len(outputs) > 1 else outputs[0]
            penalties += self._penalty(x) if self.training else []
            if self.dropout > 0 and self.training and layer < self.num_layers - 1:
                x = x * noise.between(layer, self.dropout, x)
        x = noise.stacked("top", self.num_layers, x) if samples else x
        self.penalty = sum(penalties[1:], penalties[0]) if penalties else None
        return x, finals

    def _recurrence(
        self,
        x: Tensor,
        index: int,
        suffix: str,
        states: tuple[Tensor, ...],
        lengths: Tensor | None,
        noise: Noise,
        *,
        samples: bool,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One layer in one direction."""
        H, T, B = self.hidden_size, x.shape[1], x.shape[2]
        if samples:
            masks = noise.within(self.cell, index, (T, B, H), x.device, x.dtype)
        else:
            masks = expected(self.regularizers, self.cell, int(self.update), H, device=x.device, dtype=x.dtype)
        return forward(
            self.cell,
            x,
            states,
            self._weights(index, suffix, noise),
            masks,
            lengths=lengths,
            layer=suffix,
            engine=self.engine,
            training=self.training,
            # a measurement must not move what it measures, nor a checkpointed pass that runs again move it twice
            moves=self.training and not is_recording() and backward_pass() == -1,
        )

    def _weights(self, index: int, suffix: str, noise: Noise) -> dict[str, Tensor]:
        """Stem → parameter or buffer with a leading replica axis, noise on the weights among them."""
        found = {
            stem: value
            for stems in self._stems[suffix]
            for stem in stems
            if (value := self._stacked(f"{stem}_{suffix}")) is not None
        }
        matrices = [stem for stem in found if stem.startswith("weight")]
        return found | {stem: noise.noisy(found[stem], _matrix(index, k)) for k, stem in enumerate(matrices)}

    def _penalty(self, out: Tensor) -> list[Tensor]:
        """What the regularizers add to each replica's loss for a layer's outputs [R, T, B, D·H]: [R], or nothing."""
        each = [regularizer.penalty(h) for regularizer, h in zip(self.regularizers, out, strict=True)]
        for regularizer, penalty in zip(self.regularizers, each, strict=True):
            refuse_penalty(regularizer, penalty)
        if all(penalty is None for penalty in each):
            return []
        return [torch.stack([out.new_zeros(()) if penalty is None else penalty for penalty in each])]

    def sampled_masks(self, index: int, sizes: tuple[int, int, int], device: torch.device) -> dict[str, Tensor]:
        """Masks of one layer and direction at the current counters, drawn on its device where that can be."""
        return self._noise_now().within(self.cell, index, sizes, device)

    def _weights_dtype(self) -> torch.dtype | None:
        """What the layer computes in; None for a cell without weights, which computes in the type of its input."""
        # a parametrized weight is computed whenever it is read, and spectral norm then takes a step
        known = next(self.parameters(), None)
        if known is not None:
            return known.dtype
        return next((weight.dtype for weights in self.all_weights for weight in weights), None)

    def _stacked(self, name: str) -> Tensor | None:
        parameter: Tensor | None = getattr(self, name, None)
        return parameter if parameter is None or self.replicas is not None else parameter[None]

    def _initial(self, hx: tuple[Tensor, ...] | None, x: Tensor, *, batched: bool) -> tuple[Tensor, ...]:
        """Given, learned or zero initial states as [R, L·D, B, H] each."""
        R, B, recurrences = self.replicas or 1, x.shape[2], self.num_layers * self.directions
        kinds = tuple(self.cell.states)
        if hx is None:
            if not self.learned_state:
                return tuple(x.new_zeros(R, recurrences, B, self.hidden_size) for _ in kinds)
            learned = (self._stacked(f"initial_{kind}") for kind in kinds)
            return tuple(s[:, :, None].expand(R, recurrences, B, self.hidden_size) for s in learned if s is not None)
        batch = (B,) if batched else ()
        shape = (*self._lead, recurrences, *batch, self.hidden_size)
        if len(hx) != len(kinds):
            raise InputRefusedError(
                f"{len(hx)} states were given; {self.cell} has {len(kinds)}: give {', '.join(kinds)}."
            )
        for kind, state in zip(kinds, hx, strict=True):
            if state.shape != shape:
                raise RuntimeError(f"Expected {kind} state of shape {list(shape)}, got {list(state.shape)}")
            if state.dtype != x.dtype:
                raise RuntimeError(f"Expected {kind} state of {x.dtype} as the input is, got {state.dtype}")
        return tuple(state.reshape(R, recurrences, B, self.hidden_size) for state in hx)

    def _shapes(self, input: Tensor) -> Shapes:
        """How a call's tensors lie. Raises ValueError or RuntimeError, as torch does, for an input that is not one of this layer's."""
        lead = len(self._lead)
        if input.dim() not in (2 + lead, 3 + lead):
            wanted = "2-D or 3-D" if not lead else "3-D or 4-D with the replica axis first"
            raise ValueError(f"{type(self).__name__}: Expected input to be {wanted}, got {input.dim()}-D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )
        if (dtype := self._weights_dtype()) is not None and input.dtype != dtype:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({dtype}); convert one of them."
            )
        return Shapes(self.replicas, input.dim() == 3 + lead, self.batch_first)

    def _suffixes(self, layer: int) -> list[str]:
        return [f"l{layer}", f"l{layer}_reverse"][: self.directions]


def _matrix(index: int, k: int) -> int:
    """The number that weight noise gives the k-th weight of a recurrence; those beyond torch's two are numbered far above."""
    return 2 * index + k if k < 2 else 2**20 + 64 * index + k
