"""Ten thousand runs: ten rates of zoneout, a thousand seeds each, on scanned digits. For measuring what so many files cost."""

from zoneout_lab import Arm, Hypothesis, Study, Zoneout

RATES = [round(0.05 * k, 2) for k in range(10)]

STUDY = Study(
    name="ten_thousand",
    title="Ten rates of zoneout, a thousand seeds each",
    question="What do ten thousand runs cost beside their training?",
    task="digits",
    change={"training.epochs": 20, "model.hidden": 16},
    arms=tuple(Arm(name=f"rate_{k}", regularizer=Zoneout(cell=rate, hidden=rate)) for k, rate in enumerate(RATES)),
    baseline="rate_0",
    seeds=1000,
    hypotheses=tuple(
        Hypothesis(
            name=f"rate_{k}_helps",
            statement="This rate has a lower validation score than none.",
            arm=f"rate_{k}",
            against="rate_0",
            metric="valid_score",
        )
        for k in (1, 3)
    ),
    gradient_epochs=(1, 12),
)
