"""What is timed, as data: the sizes of one recurrent layer's training step. This list is the registry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from zoneout_lab.errors import unknown
from zoneout_lab.ops.cells import CELLS

#: probabilities of preserving the previous value, in every peer that zones out (Krueger et al. 2017, §4.1)
RATES = {"cell": 0.5, "hidden": 0.05}


@dataclass(frozen=True)
class Case:
    """One layer's training step: B examples, T timesteps, H units, I inputs.

    Args:
        name: what it is called on the command line.
        what: where these sizes come from.
        batch, steps, hidden, input: B, T, H, I.
        usual_on: devices that it is timed on where no case is named.
        replicas: numbers R of replicas to train at once, for a sweep; empty for a single layer.

    >>> CASES["small"].sizes
    'B 32, T 100, H 64, I 64'
    """

    name: str
    what: str
    batch: int
    steps: int
    hidden: int
    input: int
    usual_on: tuple[str, ...] = ()
    replicas: tuple[int, ...] = ()

    @property
    def sizes(self) -> str:
        return f"B {self.batch}, T {self.steps}, H {self.hidden}, I {self.input}"

    @property
    def numbers(self) -> int:
        """T · B · H: how many numbers one state has over the whole sequence."""
        return self.steps * self.batch * self.hidden

    def products(self, cell: str) -> int:
        """Floating-point operations of the matrix products that a training step of one layer cannot do without.

        Forward the inputs' and the recurrent product; backward the gradients of both weights and, timestep by timestep, that of
        the hidden state. The input's own gradient is not among them: nobody asks for it in a first layer.

        >>> Case("tiny", "", batch=1, steps=1, hidden=1, input=1).products("rnn_tanh")
        10
        """
        gates = CELLS[cell].gates
        return 2 * self.batch * self.steps * gates * self.hidden * (2 * (self.input + self.hidden) + self.hidden)


_SMALL = (32, 100, 64, 64)
_PMNIST = (100, 784, 100, 1)
_BOTH = ("cpu", "cuda")

CASES = {
    case.name: case
    for case in (
        Case("small", "a small model, as the laptop presets train it", *_SMALL, usual_on=_BOTH),
        Case("pmnist", "permuted MNIST at the paper's size", *_PMNIST, usual_on=_BOTH),
        Case("char_ptb", "Penn Treebank by character at the paper's size", 32, 100, 1000, 50, usual_on=("cuda",)),
        Case("text8", "text8 at the paper's size", 128, 180, 2000, 27, usual_on=("cuda",)),
        Case("replicas", "R models trained as one, at the size of small", *_SMALL, usual_on=_BOTH),
    )
}
#: how many replicas the case ``replicas`` goes through
REPLICAS = (1, 4, 8, 16, 32, 64)


def chosen(names: Iterable[str], device: str, *, everything: bool = False) -> list[Case]:
    """The cases of these names, or the usual ones of a device.

    Args:
        names: of cases.
        device: cpu, cuda or cuda:N.
        everything: all cases where none is named.

    Raises UsageError for an unknown name.

    >>> [case.name for case in chosen([], "cpu")]
    ['small', 'pmnist', 'replicas']
    >>> chosen(["replicas"], "cuda")[0].hidden  # on a GPU at the size of pmnist
    100
    """
    kind = device.partition(":")[0]
    names = list(dict.fromkeys(names))
    for name in names:
        if name not in CASES:
            raise unknown("case", name, CASES)
    if not names:
        names = [name for name, case in CASES.items() if everything or kind in case.usual_on]
    return [_swept(CASES[name], kind) if name == "replicas" else CASES[name] for name in names]


def _swept(case: Case, kind: str) -> Case:
    sized = case if kind == "cpu" else Case(case.name, "R models trained as one, at the size of pmnist", *_PMNIST)
    return replace(sized, replicas=REPLICAS)
