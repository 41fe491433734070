"""Is it the noise that helps, or the identity connection?

Claims 22–24 of Krueger et al. 2017 (§4.5, Figure 7). Static identity connections are zoneout whose masks never change: drawn once
over timesteps and units, shared by all examples, fixed for all of training. The paper finds their training error at or below
zoneout's and their validation error worse than zoneout's and the LSTM's, and concludes that the noise is essential.

The authors' code evaluates with *another* fixed mask than it trained with, which alone could make such a curve. So the arm is run
twice: evaluated with the masks' expectation, as zoneout is, and with the very mask it was trained with.

Decision rule: paired by seed, exact sign-flip tests, Holm over four hypotheses at α = .05, for which eight seeds are the fewest
(2/2⁸ = .0078 ≤ .05/4). Margin zero: the paper claims directions, not sizes.
"""

from zoneout_lab import Arm, Hypothesis, Study, Zoneout

STATIC = Zoneout(cell=0.15, hidden=0.15, resample="never")

STUDY = Study(
    name="static_identity",
    title="Static identity connections against zoneout",
    question="Is zoneout's noise essential, or do fixed identity connections do as well?",
    background=(
        "Both kinds of arm preserve the same share of states. Zoneout draws anew for every timestep, example and update; the static "
        "arms keep one mask over timesteps and units for all of training. Errors on training data are taken without noise, in the "
        "same way as on validation data."
    ),
    task="digits",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="zoneout", label="zoneout", regularizer=Zoneout(cell=0.15, hidden=0.15)),
        Arm(name="static", label="static, expectation", regularizer=STATIC),
        Arm(
            name="static_same_mask",
            label="static, same mask",
            regularizer=STATIC,
            change={"training.evaluation": "sampled"},
        ),
    ),
    baseline="lstm",
    seeds=8,
    hypotheses=(
        Hypothesis(
            name="noise_is_essential",
            statement="Evaluated with its own mask, the static arm has a higher validation score than zoneout.",
            claims=(24,),
            arm="static_same_mask",
            against="zoneout",
            metric="valid_score",
            direction="higher",
        ),
        Hypothesis(
            name="static_fits_training_data",
            statement="Evaluated with its own mask, the static arm has a lower score on training data than zoneout.",
            claims=(22,),
            arm="static_same_mask",
            against="zoneout",
            metric="train_eval_score",
        ),
        Hypothesis(
            name="static_is_worse_than_lstm",
            statement="Evaluated with its own mask, the static arm has a higher validation score than the plain LSTM.",
            claims=(23,),
            arm="static_same_mask",
            against="lstm",
            metric="valid_score",
            direction="higher",
        ),
        Hypothesis(
            name="evaluation_mask_matters",
            statement="The static arm's validation score is higher under the expectation than with its own mask.",
            claims=(24,),
            arm="static",
            against="static_same_mask",
            metric="valid_score",
            direction="higher",
        ),
    ),
)
