"""Does it matter that every unit is preserved on its own, rather than a whole layer at once?

Claim 8 of Krueger et al. 2017 (§4.1): zoneout per unit does better than per layer, which is stochastic depth in time (char-PTB
validation 1.362 against 1.432). The paper's layer-wise arm is compared in both readings: cells and hidden states preserved
together, and hidden states alone.

Decision rule: paired by seed, exact sign-flip tests, Holm over two hypotheses at α = .05 (seven seeds are the fewest; eight are
run). Margin zero: the paper claims a direction, not a size.
"""

from zoneout_lab import Arm, Hypothesis, Study, Zoneout

STUDY = Study(
    name="per_unit_vs_per_layer",
    title="Zoneout per unit or per layer",
    question="Does preserving units one by one generalise better than preserving a whole layer at once?",
    background=(
        "Per layer, one coin flip decides for all units of a layer at a timestep. Both pairs of arms share their rates, initial "
        "weights and data order; only the unit axis of the mask differs."
    ),
    task="digits",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="unit_both", label="per unit, both states", regularizer=Zoneout(cell=0.15, hidden=0.15, share=True)),
        Arm(
            name="layer_both",
            label="per layer, both states",
            regularizer=Zoneout(cell=0.15, hidden=0.15, share=True, per="layer"),
        ),
        Arm(name="unit_hidden", label="per unit, hidden only", regularizer=Zoneout(hidden=0.15)),
        Arm(name="layer_hidden", label="per layer, hidden only", regularizer=Zoneout(hidden=0.15, per="layer")),
    ),
    baseline="lstm",
    seeds=8,
    hypotheses=(
        Hypothesis(
            name="unit_beats_layer",
            statement="Preserving both states, per unit has a lower validation score than per layer.",
            claims=(8,),
            arm="unit_both",
            against="layer_both",
            metric="valid_score",
        ),
        Hypothesis(
            name="unit_beats_layer_hidden",
            statement="Preserving hidden states alone, per unit has a lower validation score than per layer.",
            claims=(8,),
            arm="unit_hidden",
            against="layer_hidden",
            metric="valid_score",
        ),
    ),
)
