"""What a layer's masks depend on, its seeds and counters, through copies, checkpoints and passes that run again."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from zoneout_lab.layers.arguments import counter, seeds_for
from zoneout_lab.layers.mask_source import MaskSource, Where
from zoneout_lab.layers.misuse import (
    backward_pass,
    is_scheduled,
    is_static,
    refuse_draws,
    warn_of_a_copied_schedule,
    warn_of_what_a_state_dict_lacks,
)
from zoneout_lab.layers.noise import Noise
from zoneout_lab.regularizers import Regularizer


class Seeded(nn.Module):
    """A module that draws masks as a pure function of ``mask_seeds`` and of the counters ``update`` and ``draw``.

    Attributes:
        regularizers: one for each replica.
        penalty: of the last pass; copies and pickles begin without one.
    """

    regularizers: tuple[Regularizer, ...]
    penalty: Tensor | None
    _recurrences: int
    _mask_source: MaskSource

    def __init__(self) -> None:
        super().__init__()
        self._update: int | Tensor = 0
        self._draw: int | Tensor = 0
        self._mask_seeds: tuple[int, ...] = ()
        self._seeds_given = False
        self._set_in = _nowhere()
        self._kin = _Kin()
        self._noise: Noise | None = None

    @property
    def mask_seeds(self) -> tuple[int, ...]:
        """One for each replica. Set it to one seed for all or to a sequence."""
        return self._mask_seeds

    @mask_seeds.setter
    def mask_seeds(self, seeds: Any) -> None:
        self._mask_seeds, self._seeds_given = seeds_for(seeds, len(self.regularizers)), True
        self._kin = _Kin()

    @property
    def update(self) -> int | Tensor:
        """Which training update's masks come next."""
        return self._update

    @update.setter
    def update(self, value: Any) -> None:
        self._update = counter(value, "update")
        self._set_in["update"] = backward_pass()

    @property
    def draw(self) -> int | Tensor:
        """Which draw of a sampled evaluation comes next."""
        return self._draw

    @draw.setter
    def draw(self, value: Any) -> None:
        self._draw = counter(value, "draw")
        self._set_in["draw"] = backward_pass()

    def _about_to_draw(self, *, fixed: bool) -> None:
        """Raise InputRefusedError where this pass would draw other masks than it should. ``fixed``: every pass draws the same."""
        name = "update" if self.training else "draw"
        refuse_draws(
            type(self).__name__,
            again=not fixed and self._set_in[name] != backward_pass(),
            shared=self.training and not fixed and self._kin.shares_seeds(),
            replicated=not fixed and getattr(self, "_is_replica", False),
            counter=name,
        )
        self._set_in[name] = None  # here and not at the end of the pass, which checkpointing may cut short

    @contextmanager
    def one_pass(self) -> Iterator[Noise]:
        """One pass, with the noise that it draws. The pass's counter goes up by one at the end if anything was drawn.

        A model around this layer may open the pass first and draw its own noise from it; the layer inside then draws from the same.
        """
        if self._noise is not None:
            yield self._noise
            return
        noise = self._noise = self._noise_now()
        try:
            yield noise
            if self.training:
                self._update += noise.used
            else:
                self._draw += noise.used
        finally:
            self._noise = None

    def _noise_now(self) -> Noise:
        where = Where(self.mask_seeds, self.update, self.draw, self.training)
        return Noise(self.regularizers, where, self._recurrences, self._mask_source)

    def as_it_stands(self) -> Callable[[], None]:
        """A function that puts counters and penalty back to what they are now."""
        before = {
            name: (value, value.clone() if isinstance(value, Tensor) else value)
            for name in ("_update", "_draw")
            for value in (getattr(self, name),)
        }
        penalty = self.penalty

        def put_back() -> None:
            self.penalty = penalty
            for name, (value, content) in before.items():
                if isinstance(value, Tensor):
                    value.copy_(content)  # a captured graph holds on to this very tensor
                setattr(self, name, value)

        return put_back

    def __getstate__(self) -> dict[str, Any]:
        return self._state()

    def _state(self) -> dict[str, Any]:
        """What is copied and pickled: not the last pass's penalty, which is part of its graph, nor the ties to layers that share its seeds."""
        return {name: value for name, value in self.__dict__.items() if name != "_kin"} | {
            "penalty": None,
            "_noise": None,
        }

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        plain = {
            f"_{name}" if name in ("update", "draw", "mask_seeds") else name: value for name, value in state.items()
        }
        super().__setstate__({"_seeds_given": True} | plain | {"_set_in": _nowhere(), "_kin": _Kin()})  # type: ignore[no-untyped-call]

    def __deepcopy__(self, memo: dict[int, Any]) -> Seeded:
        other = type(self).__new__(type(self))
        memo[id(self)] = other
        # not __getstate__, which torch replaces by a refusal where a parametrization makes the weights
        other.__setstate__(copy.deepcopy(self._state(), memo))
        other._kin = _Kin(self._kin)
        warn_of_a_copied_schedule(type(self).__name__, self.regularizers)
        return other

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        about = getattr(destination, "_metadata", {}).get(prefix[:-1])
        if about is not None:
            about[_DRAWS] = {"update": int(self.update), "mask_seeds": self.mask_seeds}

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, local_metadata: Mapping[str, Any], *arguments: Any
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *arguments)
        if not any(name.startswith(prefix) for name in state_dict):
            return
        saved, update = local_metadata.get(_DRAWS), int(self.update)
        # where the saved layer recorded nothing, what was set by hand since the last pass is taken to be right
        elsewhere = self._set_in["update"] is None if saved is None else saved["update"] != update
        other = not self._seeds_given if saved is None else tuple(saved["mask_seeds"]) != self.mask_seeds
        warn_of_what_a_state_dict_lacks(
            type(self).__name__,
            position=elsewhere and is_scheduled(self.regularizers),
            seed=other and is_static(self.regularizers),
        )


def _nowhere() -> dict[str, int | None]:
    """Counter → the backward pass in which it was set since the last pass that used it, −1 outside of any; None: it was not set."""
    return {"update": None, "draw": None}


#: key of a state_dict's metadata that holds the layer's seeds and counter
_DRAWS = "zoneout_lab"


class _Kin:
    """A layer's tie to its deep copies, which have its seeds: it knows of every one that is still alive."""

    def __init__(self, of: _Kin | None = None) -> None:
        self.is_copy = of is not None
        self.family: weakref.WeakSet[_Kin] = weakref.WeakSet() if of is None else of.family
        self.family.add(self)

    def shares_seeds(self) -> bool:
        """True for a copy whose original, or another copy, still exists and would draw the same."""
        return self.is_copy and any(other is not self for other in self.family)
