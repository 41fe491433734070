"""Does it matter that memory cells and hidden states are preserved independently of each other?

Claim 8 of Krueger et al. 2017 (§4.1): separate masks for cells and hidden states do better than one mask for both. The paper's
own permuted-MNIST experiment uses the shared mask, at z = .15 for both, which is why these rates stand here: with equal rates the
two arms differ in nothing but whether the masks vary over the site.

Decision rule: paired by seed, exact sign-flip tests, Holm over three hypotheses at α = .05, for which seven seeds are the fewest
(2/2⁷ = .0156 ≤ .05/3). Margin zero: the paper claims a direction, not a size.
"""

from zoneout_lab import Arm, Hypothesis, Study, Zoneout

STUDY = Study(
    name="mask_sharing",
    title="Separate or shared zoneout masks",
    question="Does zoneout with separate masks for cells and hidden states generalise better than with one shared mask?",
    background=(
        "A shared mask is the ablation in which a draw no longer varies over the site: whenever a unit's cell is preserved, so is "
        "its hidden state. Initial weights, data order and rates are the same in both arms."
    ),
    task="digits",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="separate", label="separate masks", regularizer=Zoneout(cell=0.15, hidden=0.15)),
        Arm(name="shared", label="shared mask", regularizer=Zoneout(cell=0.15, hidden=0.15, share=True)),
    ),
    baseline="lstm",
    seeds=8,
    hypotheses=(
        Hypothesis(
            name="separate_beats_shared",
            statement="Separate masks have a lower validation score than a shared mask.",
            claims=(8,),
            arm="separate",
            against="shared",
            metric="valid_score",
        ),
        Hypothesis(
            name="separate_helps",
            statement="Zoneout with separate masks has a lower validation score than the plain LSTM.",
            claims=(1, 16),
            arm="separate",
            against="lstm",
            metric="valid_score",
        ),
        Hypothesis(
            name="shared_helps",
            statement="Zoneout with a shared mask has a lower validation score than the plain LSTM.",
            claims=(16,),
            arm="shared",
            against="lstm",
            metric="valid_score",
        ),
    ),
)
