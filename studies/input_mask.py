"""The variant of §3.3: does one mask on the input and the output gate do well?

Claim 27 of Krueger et al. 2017, for which the paper gives no figure. The mask that drops the update also preserves the output gate's
previous value. As printed, (1 − d) ⊙ o + d ⊙ o₋, it preserves the gate where the update is *kept*, which contradicts the motivation
given beside it; so both readings are run, at the rate of recurrent dropout.

Decision rule: paired by seed, exact flips of whole seeds, joint over four hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); eight are run. Margin zero: "does well" says no more than a direction.
"""

from zoneout_lab import Arm, Hypothesis, RecurrentDropout, Study, cells

READINGS = {"input_mask": "the reading of its motivation", "input_mask_printed": "the printed reading"}


def lower(arm: str, against: str, than: str) -> Hypothesis:
    return Hypothesis(
        name=f"{arm}_beats_{against}",
        statement=f"In {READINGS[arm]} the variant has a lower validation score than {than}.",
        claims=(27,),
        arm=arm,
        against=against,
        metric="valid_score",
    )


STUDY = Study(
    name="input_mask",
    title="One mask for the input and the output gate",
    question="Does a mask shared by the update and the output gate regularize better than recurrent dropout does?",
    background="Both readings of the variant are compared with recurrent dropout, whose mask acts on the update alone.",
    task="char_ptb",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="recurrent_dropout", label="recurrent dropout", regularizer=RecurrentDropout(0.25)),
        Arm(
            name="input_mask",
            label="variant, as motivated",
            change={"model.cell": cells.OutputGateLSTM("intended")},
            regularizer=RecurrentDropout(0.25),
        ),
        Arm(
            name="input_mask_printed",
            label="variant, as printed",
            change={"model.cell": cells.OutputGateLSTM("printed")},
            regularizer=RecurrentDropout(0.25),
        ),
    ),
    baseline="lstm",
    seeds=8,
    hypotheses=tuple(
        lower(arm, against, than)
        for arm in READINGS
        for against, than in (("lstm", "the plain LSTM"), ("recurrent_dropout", "recurrent dropout"))
    ),
)
