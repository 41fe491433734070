"""Does it matter that every unit is preserved on its own, rather than a whole layer at once?

Claim 8 of Krueger et al. 2017 (§4.1): zoneout per unit does better than per layer, which is stochastic depth in time (z = .05;
char-PTB validation 1.362 against 1.432, test 1.252 against 1.343). The paper's zoneout has other rates than its stochastic depth, .5
and .05. So the pairs here have equal rates: .05 in both readings of the layer-wise arm, cells and hidden states together and hidden
states alone, and .5 and .05; and the paper's own comparison of unequal ones.

Decision rule: paired by seed, exact flips of whole seeds, joint over four hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); eight are run. Margin zero: the paper claims a direction, not a size.
"""

from zoneout_lab import Arm, Hypothesis, Study, Zoneout


def unit_wins(name: str, rates: str, arm: str, against: str) -> Hypothesis:
    return Hypothesis(
        name=name,
        statement=f"{rates}, per unit has a lower validation score than per layer.",
        claims=(8,),
        arm=arm,
        against=against,
        metric="valid_score",
    )


STUDY = Study(
    name="per_unit_vs_per_layer",
    title="Zoneout per unit or per layer",
    question="Does preserving units one by one generalise better than preserving a whole layer at once?",
    background=(
        "Per layer, one coin flip decides for all units of a layer at a timestep. Pairs of arms share their rates, initial weights and "
        "data order; only the unit axis of the mask differs, but for the paper's own pair."
    ),
    task="char_ptb",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="unit", label="per unit, .5 and .05", regularizer=Zoneout(cell=0.5, hidden=0.05)),
        Arm(name="layer", label="per layer, .5 and .05", regularizer=Zoneout(cell=0.5, hidden=0.05, per="layer")),
        Arm(name="unit_both", label="per unit, both .05", regularizer=Zoneout(cell=0.05, hidden=0.05, share=True)),
        Arm(
            name="stochastic_depth",
            label="per layer, both .05",
            regularizer=Zoneout(cell=0.05, hidden=0.05, share=True, per="layer"),
        ),
        Arm(name="unit_hidden", label="per unit, hidden .05", regularizer=Zoneout(hidden=0.05)),
        Arm(name="layer_hidden", label="per layer, hidden .05", regularizer=Zoneout(hidden=0.05, per="layer")),
    ),
    baseline="lstm",
    seeds=8,
    hypotheses=(
        unit_wins("unit_beats_layer", "At .5 for cells and .05 for hidden states", "unit", "layer"),
        unit_wins("unit_beats_layer_both", "At .05 for both", "unit_both", "stochastic_depth"),
        unit_wins("unit_beats_layer_hidden", "At .05 for hidden states alone", "unit_hidden", "layer_hidden"),
        unit_wins("the_papers_pair", "At the paper's two settings", "unit", "stochastic_depth"),
    ),
)
