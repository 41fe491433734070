"""Does it matter that memory cells and hidden states are preserved independently of each other?

Claim 8 of Krueger et al. 2017 (§4.1): separate masks for cells and hidden states do better than one mask for both. The paper gives
neither a figure nor the rate of its shared mask, so two pairs are run: the rates of its characters, .5 for cells and .05 for hidden
states, where the units whose hidden state is preserved are among those whose cell is; and .15 for both, the rate of its shared mask on
permuted MNIST. Within a pair the arms differ in nothing but whether the masks vary over the site.

Decision rule: paired by seed, exact flips of whole seeds, joint over three hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); eight are run. Margin zero: the paper claims a direction, not a size.
"""

from zoneout_lab import Arm, Hypothesis, Study, Zoneout

STUDY = Study(
    name="mask_sharing",
    title="Separate or shared zoneout masks",
    question="Does zoneout with separate masks for cells and hidden states generalise better than with one shared mask?",
    background=(
        "A shared mask is the ablation in which a draw no longer varies over the site. Initial weights, data order and rates are the "
        "same in both arms of a pair."
    ),
    task="char_ptb",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="separate", label="separate, .5 and .05", regularizer=Zoneout(cell=0.5, hidden=0.05)),
        Arm(name="shared", label="shared, .5 and .05", regularizer=Zoneout(cell=0.5, hidden=0.05, share=True)),
        Arm(name="separate_15", label="separate, both .15", regularizer=Zoneout(cell=0.15, hidden=0.15)),
        Arm(name="shared_15", label="shared, both .15", regularizer=Zoneout(cell=0.15, hidden=0.15, share=True)),
    ),
    baseline="lstm",
    seeds=8,
    hypotheses=(
        Hypothesis(
            name="separate_beats_shared",
            statement="At .5 and .05, separate masks have a lower validation score than a shared mask.",
            claims=(8,),
            arm="separate",
            against="shared",
            metric="valid_score",
        ),
        Hypothesis(
            name="separate_beats_shared_15",
            statement="At .15 for both, separate masks have a lower validation score than a shared mask.",
            claims=(8,),
            arm="separate_15",
            against="shared_15",
            metric="valid_score",
        ),
        Hypothesis(
            name="shared_helps",
            statement="Zoneout with a shared mask at .5 and .05 has a lower validation score than the plain LSTM.",
            arm="shared",
            against="lstm",
            metric="valid_score",
        ),
    ),
)
