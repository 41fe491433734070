"""Does zoneout help a GRU and a tanh-RNN as it helps an LSTM, and what does it do to the length of training?

Claims 9 and 10 of Krueger et al. 2017 (§4.1). What the paper reports, in bits per character, one run each: GRU 1.53 → 1.41, tanh-RNN
1.67 → 1.52, at rates from .05 to .25, which of them it does not say; and that zoneout lengthens training for these two
and shortens it for the LSTM, without figures.

Each cell has its learning rate of the paper: the GRU half of the LSTM's (.001), the tanh-RNN 15 hundredths of it (.0003).

Decision rule: paired by seed, exact flips of whole seeds, joint over nine hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); nine are run. Claim 9 is judged at three rates for each cell with a margin of .01 bit, a twelfth of the
smaller gain that the paper reports. Claim 10 is judged by the epoch of the best validation score, with a margin of none: an arm
whose score has not turned when training stops has the last epoch, and where both arms of a pair have it the claim stays undecided.
"""

from typing import Literal

from zoneout_lab import Arm, Hypothesis, Study, Zoneout

CELLS: dict[str, tuple[str, dict[str, int | float | str | bool | None]]] = {
    "gru": ("GRU", {"model.cell": "gru", "training.lr": "*0.5"}),
    "rnn": ("tanh-RNN", {"model.cell": "rnn_tanh", "training.lr": "*0.15"}),
}
RATES = {"zoneout_05": 0.05, "zoneout": 0.15, "zoneout_25": 0.25}


def until_best(cell: str, label: str, direction: Literal["lower", "higher"]) -> Hypothesis:
    more = {"higher": "later", "lower": "earlier"}[direction]
    return Hypothesis(
        name=f"{cell}_trains_{more}",
        statement=f"With zoneout the {label} reaches its best validation score {more}.",
        claims=(10,),
        arm=f"{cell}_zoneout",
        against=cell,
        metric="best_epoch",
        direction=direction,
    )


STUDY = Study(
    name="gru_and_rnn",
    title="Zoneout for the GRU and the tanh-RNN",
    question="Does zoneout help a GRU and a tanh-RNN, and does it lengthen their training?",
    background=(
        "Each cell is compared with itself, without zoneout and with hidden states preserved at three rates, at its own learning rate. "
        "The LSTM has the paper's rates, .5 for cells and .05 for hidden states."
    ),
    task="char_ptb",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="lstm_zoneout", label="LSTM, zoneout", regularizer=Zoneout(cell=0.5, hidden=0.05)),
        *(
            arm
            for cell, (label, change) in CELLS.items()
            for arm in (
                Arm(name=cell, label=label, change=change),
                *(
                    Arm(name=f"{cell}_{name}", label=f"{label}, z = {z}", regularizer=Zoneout(hidden=z), change=change)
                    for name, z in RATES.items()
                ),
            )
        ),
    ),
    baseline="lstm",
    seeds=9,
    hypotheses=(
        *(
            Hypothesis(
                name=f"{cell}_{name}_helps",
                statement=f"Zoneout at {z} gives the {label} a lower validation score.",
                claims=(9,),
                arm=f"{cell}_{name}",
                against=cell,
                metric="valid_score",
                margin=0.01,
                scale="linear",
                reason="a twelfth of the smaller gain that the paper reports",
            )
            for cell, (label, _) in CELLS.items()
            for name, z in RATES.items()
        ),
        until_best("gru", "GRU", "higher"),
        until_best("rnn", "tanh-RNN", "higher"),
        until_best("lstm", "LSTM", "lower"),
    ),
)
