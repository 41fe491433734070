"""Does a little zoneout on hidden states help whatever the cell?

Claim 25 of Krueger et al. 2017: rates from .05 to .2 on hidden states help reliably. The paper prints no figures for it beyond single
runs: at character-level Penn Treebank GRU 1.53 → 1.41 and tanh-RNN 1.67 → 1.52 bits with rates from .05 to .25.

"Reliably" asks for the same sign everywhere: three cells by three rates here, at whatever task is named. Run it with --task digits,
--task pmnist and --task char_ptb, and look for a verdict other than "supported".

Decision rule: paired by seed, exact sign-flip tests, Holm over nine hypotheses at α = .05, for which nine seeds are the fewest
(2/2⁹ = .0039 ≤ .05/9); ten are run. Margin zero: the claim is one of sign. Every cell has the task's own learning rate, which suits
the LSTM; the paper gives GRU and tanh-RNN smaller ones (--set training.lr).
"""

from zoneout_lab import Arm, Hypothesis, Study, Zoneout

CELLS = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "tanh-RNN"}
RATES = {"05": 0.05, "10": 0.1, "20": 0.2}

STUDY = Study(
    name="low_rates",
    title="A little zoneout on hidden states",
    question="Do low rates of zoneout on hidden states help an LSTM, a GRU and a tanh-RNN alike?",
    background=(
        "Each cell is compared with itself: without zoneout, and with hidden states preserved at three low rates. Cells are not "
        "compared with each other."
    ),
    task="digits",
    arms=tuple(
        arm
        for cell, label in CELLS.items()
        for arm in (
            Arm(name=cell, label=label, change={"model.cell": cell}),
            *(
                Arm(
                    name=f"{cell}_{name}",
                    label=f"{label}, z = {z}",
                    regularizer=Zoneout(hidden=z),
                    change={"model.cell": cell},
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
        for cell, label in CELLS.items()
        for name, z in RATES.items()
    ),
)
