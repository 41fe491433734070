"""Does zoneout help the minGRU and the sLSTM as it helps the LSTM? Two layers of each, on scanned digits. Under an hour on two cores.

Krueger et al. 2017, section 3.1, say that zoneout is meant for any model whose state varies over time; they try it on LSTMs, GRUs and
plain RNNs. This tests none of the paper's claims: the cells are younger. The minGRU (Feng et al. 2024) has a gate that sees the input alone, and so no recurrent product for noise to enter; the sLSTM
(Beck et al. 2024) has exponential gates and keeps its memory in three states, which zoneout preserves together.

The setting was chosen by training the three cells without zoneout at two seeds that no study uses (998 and 999 of study seed 0), 20
epochs: with one layer a minGRU learns next to nothing of 64 single pixels (64 % errors on validation), with two it still improves at
epoch 20 (45 %), and the LSTM is at 18 and 21 %. Hence two layers and 30 epochs. Rates are quickstart's for all three cells; nothing was tuned.

Decision rule: paired by seed, exact flips of whole seeds, joint over the three hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); ten are run. The margin is one of 100 validation digits: less would change no choice of a cell. Whether
zoneout helps one cell *more* than another is a difference of differences, which three verdicts side by side do not test.
"""

from zoneout_lab import Arm, Hypothesis, Study, Zoneout

CELLS = {"lstm": "LSTM", "min_gru": "minGRU", "slstm": "sLSTM"}
ZONEOUT = {
    "lstm": Zoneout(cell=0.15, hidden=0.15),
    "min_gru": Zoneout(hidden=0.15),
    "slstm": Zoneout(cell=0.15, hidden=0.15),
}
REASON = "one of 100 digits: a smaller difference would change no choice of a cell"

STUDY = Study(
    name="modern_cells",
    title="Zoneout in a minGRU and an sLSTM",
    question="Does zoneout lower the validation score of a minGRU and of an sLSTM, as it lowers that of an LSTM?",
    background=(
        "Each of 1,797 handwritten digits is read as a permuted sequence of 64 pixels by two layers of 32 units. Three cells are trained "
        "with and without zoneout; the two arms of a cell share every initial weight and every batch, seed by seed."
    ),
    task="digits",
    change={"training.epochs": 30, "model.layers": 2},
    arms=tuple(
        arm
        for cell, label in CELLS.items()
        for arm in (
            Arm(name=cell, label=label, change={"model.cell": cell}),
            Arm(
                name=f"{cell}_zoneout",
                label=f"{label} + zoneout",
                change={"model.cell": cell},
                regularizer=ZONEOUT[cell],
            ),
        )
    ),
    baseline="lstm",
    seeds=10,
    hypotheses=tuple(
        Hypothesis(
            name=f"helps_{cell}",
            statement=f"With zoneout the {label} has a lower validation error than without.",
            arm=f"{cell}_zoneout",
            against=cell,
            metric="valid_score",
            margin=0.01,
            scale="linear",
            reason=REASON,
        )
        for cell, label in CELLS.items()
    ),
    gradient_epochs=(30,),
)
