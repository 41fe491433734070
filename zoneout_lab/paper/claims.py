"""What Krueger et al. (2017) claim, in short: the numbers that hypotheses refer to."""

from __future__ import annotations

PAPER = (
    "Krueger et al., Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations, ICLR 2017 (arXiv 1606.01305)"
)

CLAIMS: dict[int, str] = {
    1: "Zoneout improves on the plain LSTM at character-level Penn Treebank.",
    2: "Zoneout improves on the best recurrent dropout there.",
    3: "Zoneout improves on weight noise, the norm stabilizer and stochastic depth there.",
    4: "Weight noise, the norm stabilizer and stochastic depth each improve a little on the plain LSTM.",
    5: "Zoneout on cells alone, and on hidden states alone, each improve on the best recurrent dropout.",
    6: "Zoneout on cells and hidden states together is best.",
    7: "A cell rate near 0.5 and a low hidden rate are best.",
    8: "Separate masks for cells and hidden states beat a shared one, and masks per unit beat masks per layer.",
    9: "Zoneout also improves GRUs and tanh networks.",
    10: "Zoneout lengthens training for GRUs and tanh networks and shortens it for the LSTM.",
    11: "On text8, zoneout is best among the regularizers compared.",
    12: "On text8, zoneout and stochastic depth come out nearly alike.",
    13: "At word level, zoneout adds to non-recurrent dropout.",
    14: "At word level, zoneout alone does not keep up with non-recurrent dropout.",
    15: "At word level, recurrent dropout falls behind the best.",
    16: "On permuted sequential MNIST, zoneout improves on the plain LSTM.",
    17: "On permuted sequential MNIST, zoneout improves on recurrent dropout.",
    18: "Recurrent batch normalisation alone beats the LSTM, recurrent dropout and zoneout there.",
    19: "Zoneout added to recurrent batch normalisation improves it further.",
    20: "Zoneout carries more of the gradient to early timesteps than the plain LSTM does.",
    21: "Dropout on the cells carries much less of the gradient to early timesteps.",
    22: "Masks fixed for all of training fit the training data at least as well as zoneout and generalise worse.",
    23: "Masks fixed for all of training do worse than the plain LSTM on both.",
    24: "The noise itself is essential: identity connections without it do not explain the gain.",
    25: "A low hidden rate, 0.05 to 0.2, helps reliably.",
    26: "Zoneout on hidden states keeps the gradient flowing where gates saturate.",
    27: "A variant with one mask on input and output gates does well.",
    28: "Under rnnDrop the influence of past states decays exponentially in expectation.",
    29: "Zoneout makes the dynamics of hidden states robust to perturbation.",
    30: "Rates that differ by unit or change over training bring no benefit.",
}
