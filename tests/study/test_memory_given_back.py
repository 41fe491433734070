"""After a batch that did not fit, nothing of it is left when its halves begin."""

from __future__ import annotations

import weakref

from zoneout_lab.engines.memory import out_of_memory
from zoneout_lab.study.device import give_back_memory


class Model:
    pass


def failing(kept: list[weakref.ref]) -> None:
    model = Model()
    kept.append(weakref.ref(model))
    raise MemoryError("too much")


def test_the_model_that_did_not_fit_is_gone():
    kept: list[weakref.ref] = []
    try:
        failing(kept)
    except MemoryError as error:
        result = error
    assert out_of_memory(result)
    assert kept[0]() is not None
    give_back_memory(result)
    assert kept[0]() is None
