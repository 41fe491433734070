"""Is it the noise that helps, or the identity connection?

Claims 22 to 24 of Krueger et al. 2017 (§4.5, Figure 7). Static identity connections are zoneout whose masks never change: drawn once
over timesteps and units, shared by all examples, fixed for all of training. The paper's curves, for which it prints no figures, have
their training error at or below zoneout's and their validation error above it, and both errors above the LSTM's, from which it
concludes that the noise is essential. That the training error is above the LSTM's and yet below that of a noisy network needs
looking at.

The authors' code evaluates with *another* fixed mask than it trained with, which alone could make such a curve. So the arm is run
three times: evaluated with the very mask it was trained with, with the masks' expectation as zoneout is, and with a fresh fixed mask
as in that code. The claims are judged with the mask of training; the last two hypotheses are about the ways of evaluating.

Decision rule: paired by seed, exact flips of whole seeds, joint over six hypotheses, at α = .05, for which six seeds are the fewest
(2/2⁶ = .031); eight are run. Margin zero: the paper claims directions, not sizes.
"""

from typing import Literal

from zoneout_lab import Arm, Hypothesis, Study, Zoneout

STATIC = Zoneout(cell=0.5, hidden=0.05, resample="never")


def compared(
    name: str, statement: str, claims: tuple[int, ...], against: str, metric: str, direction: Literal["lower", "higher"]
) -> Hypothesis:
    return Hypothesis(
        name=name,
        statement=f"Evaluated with its own mask, the static arm has {statement}.",
        claims=claims,
        arm="static",
        against=against,
        metric=metric,
        direction=direction,
    )


STUDY = Study(
    name="static_identity",
    title="Static identity connections against zoneout",
    question="Is zoneout's noise essential, or do fixed identity connections do as well?",
    background=(
        "Both kinds of arm preserve the same share of states. Zoneout draws anew for every timestep, example and update; the static "
        "arms keep one mask over timesteps and units for all of training. Scores on training data are taken without noise, in the "
        "same way as on validation data."
    ),
    task="char_ptb",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="zoneout", label="zoneout", regularizer=Zoneout(cell=0.5, hidden=0.05)),
        Arm(
            name="static",
            label="static, its own mask",
            regularizer=STATIC,
            change={"training.evaluation": "sampled"},
        ),
        Arm(name="static_expectation", label="static, expectation", regularizer=STATIC),
        Arm(
            name="static_fresh",
            label="static, another mask",
            regularizer=STATIC,
            change={"training.evaluation": "fresh"},
        ),
    ),
    baseline="lstm",
    seeds=8,
    hypotheses=(
        compared(
            "static_fits_training_data",
            "a lower score on training data than zoneout",
            (22,),
            "zoneout",
            "train_eval_score",
            "lower",
        ),
        compared(
            "noise_is_essential",
            "a higher validation score than zoneout",
            (22, 24),
            "zoneout",
            "valid_score",
            "higher",
        ),
        compared(
            "static_fits_worse_than_lstm",
            "a higher score on training data than the plain LSTM",
            (23,),
            "lstm",
            "train_eval_score",
            "higher",
        ),
        compared(
            "static_is_worse_than_lstm",
            "a higher validation score than the plain LSTM",
            (23,),
            "lstm",
            "valid_score",
            "higher",
        ),
        compared(
            "another_mask_is_worse",
            "a lower validation score than with another fixed mask",
            (),
            "static_fresh",
            "valid_score",
            "lower",
        ),
        compared(
            "expectation_is_worse",
            "a lower validation score than with the expectation",
            (),
            "static_expectation",
            "valid_score",
            "lower",
        ),
    ),
)
