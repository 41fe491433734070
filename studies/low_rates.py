"""Does a little zoneout on hidden states help whatever the cell?

Claim 25 of Krueger et al. 2017: rates from .05 to .2 on hidden states help reliably. The paper prints no figures for it beyond single
runs: at character-level Penn Treebank GRU 1.53 → 1.41 and tanh-RNN 1.67 → 1.52 bits with rates from .05 to .25.

"Reliably" asks for the same sign everywhere: three cells by three rates here, at whatever task is named. Run it with --task pmnist,
--task text8 and --task digits too, and look for a verdict other than "supported".

Decision rule: paired by seed, exact flips of whole seeds, joint over nine hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); ten are run. Margin zero: the claim is one of sign. Each cell has its learning rate of the paper's characters:
the GRU half of the LSTM's, the tanh-RNN 15 hundredths of it.
"""

from zoneout_lab import Arm, Hypothesis, Study, Zoneout

CELLS: dict[str, tuple[str, dict[str, int | float | str | bool | None]]] = {
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {"model.cell": "gru", "training.lr": "*0.5"}),
    "rnn": ("tanh-RNN", {"model.cell": "rnn_tanh", "training.lr": "*0.15"}),
}
RATES = {"05": 0.05, "10": 0.1, "20": 0.2}

STUDY = Study(
    name="low_rates",
    title="A little zoneout on hidden states",
    question="Do low rates of zoneout on hidden states help an LSTM, a GRU and a tanh-RNN alike?",
    background=(
        "Each cell is compared with itself: without zoneout, and with hidden states preserved at three low rates. Cells are not "
        "compared with each other."
    ),
    task="char_ptb",
    arms=tuple(
        arm
        for cell, (label, change) in CELLS.items()
        for arm in (
            Arm(name=cell, label=label, change=change),
            *(
                Arm(
                    name=f"{cell}_{name}",
                    label=f"{label}, z = {z}",
                    regularizer=Zoneout(hidden=z),
                    change=change,
                )
                for name, z in RATES.items()
            ),
        )
    ),
    baseline="lstm",
    seeds=10,
    hypotheses=tuple(
        Hypothesis(
            name=f"{cell}_{name}_helps",
            statement=f"Zoneout at {z} on the hidden state gives the {label} a lower validation score.",
            claims=(25,),
            arm=f"{cell}_{name}",
            against=cell,
            metric="valid_score",
        )
        for cell, (label, _) in CELLS.items()
        for name, z in RATES.items()
    ),
)
