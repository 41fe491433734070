"""What becomes of a perturbation of the states: does zoneout make the dynamics robust, and does rnnDrop forget?

Claims 28 and 29 of Krueger et al. 2017. The paper expects (§1) that learning with noise makes hidden-state dynamics robust to
perturbation, and says that under rnnDrop (Moon et al. 2015) the influence of past states decays exponentially in expectation. It
measures neither.

The second is arithmetic where masks are replaced by their means: the cell is then halved at every step, and of a perturbation at
most .5ˡ is left in it after l steps, but for what comes back through the gates: the straight line of the report's figure. Under the
masks themselves it is not so: m is 0 or 1 for a whole sequence, the mean of mˡ is .5 for every l, and a cell that is kept forgets as
the LSTM's does. What is tested is that an rnnDrop network, as it is evaluated, forgets faster than a plain LSTM has learned to.

Measured after the last epoch: halfway through validation sequences the states are moved by a tenth of their norm in a random
direction, and the rest is read twice under the same masks; what is left of the perturbation is averaged over the timesteps that
follow. Without noise every mask is its expectation, which is how such a network is used; under the masks of training a preserved unit
keeps its perturbation. Both are in the report, the first is judged.

Zoneout also lengthens a cell's memory in the plainest way: the share carried over grows from f to z + (1 − z) f, and a longer memory
keeps a perturbation longer. So an LSTM with a larger forget bias is a control: at b = 1.862 its f starts where zoneout's mean share
does, σ(1.862) = ½ + ½ σ(1). Layer normalisation runs beside them as a modern control, in no hypothesis: it rescales whatever the
states are.

Decision rule: paired by seed, exact flips of whole seeds, joint over five hypotheses, at α = .05, for which six seeds are the
fewest (2/2⁶ = .031); eight are run. Compared as they are and not as ratios, for what is next to nothing may be a thousandth of next
to nothing: margin .01, one hundredth of the perturbation: less does not matter to what a network predicts.
"""

from zoneout_lab import Arm, Hypothesis, RecurrentDropout, RnnDrop, Study, Zoneout


def keeps_less(name: str, statement: str, claim: int, arm: str, against: str, metric: str) -> Hypothesis:
    return Hypothesis(
        name=name,
        statement=statement,
        claims=(claim,),
        arm=arm,
        against=against,
        metric=metric,
        margin=0.01,
        scale="linear",
        reason="one hundredth of the perturbation",
    )


STUDY = Study(
    name="perturbation",
    title="What is left of a perturbation",
    question="Does an LSTM trained with zoneout forget a perturbation of its states faster than one trained without?",
    background=(
        "After training the states are perturbed halfway through sequences of the validation data, and the distance from the "
        "unperturbed states is followed to the end. A control LSTM starts with the memory that zoneout has on average."
    ),
    task="char_ptb",
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="forget_bias", label="LSTM, forget bias 1.862", change={"model.forget_bias": 1.862}),
        Arm(name="zoneout", label="zoneout", regularizer=Zoneout(cell=0.5, hidden=0.05)),
        Arm(name="zoneout_hidden", label="zoneout on hidden states", regularizer=Zoneout(hidden=0.05)),
        Arm(name="recurrent_dropout", label="recurrent dropout", regularizer=RecurrentDropout(0.25)),
        Arm(name="rnndrop", label="rnnDrop", regularizer=RnnDrop(0.5)),
        Arm(name="layer_norm", label="layer norm", change={"model.cell": "layer_norm_lstm"}),
    ),
    baseline="lstm",
    seeds=8,
    gradient_epochs=(0, -1),
    hypotheses=(
        keeps_less(
            "zoneout_is_robust",
            "Without noise, zoneout's hidden states keep less of a perturbation than the plain LSTM's.",
            29,
            "zoneout",
            "lstm",
            "perturbation_hidden_without_noise",
        ),
        keeps_less(
            "more_than_memory",
            "Without noise, zoneout's hidden states keep less of a perturbation than those of an LSTM with as much memory.",
            29,
            "zoneout",
            "forget_bias",
            "perturbation_hidden_without_noise",
        ),
        keeps_less(
            "zoneout_on_hidden_states_is_robust",
            "Without noise, hidden states under zoneout of their own keep less of a perturbation than the plain LSTM's.",
            29,
            "zoneout_hidden",
            "lstm",
            "perturbation_hidden_without_noise",
        ),
        keeps_less(
            "more_than_recurrent_dropout",
            "Without noise, zoneout's hidden states keep less of a perturbation than recurrent dropout's.",
            29,
            "zoneout",
            "recurrent_dropout",
            "perturbation_hidden_without_noise",
        ),
        keeps_less(
            "rnndrop_forgets_in_expectation",
            "With masks replaced by their means, cells under rnnDrop keep less of a perturbation than the plain LSTM's.",
            28,
            "rnndrop",
            "lstm",
            "perturbation_cell_without_noise",
        ),
    ),
)
