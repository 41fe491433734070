# %% [markdown]
# # Gradient flow in a model of your own
#
# `gradient_flow` finds the states of zoneout_lab's layers and of torch's cells by itself; any other recurrence shows it its states
# with one call of `probe` per timestep. Here: torch's LSTMCell in a plain loop, the same cell with zoneout written by hand, and
# zoneout_lab's LSTM, on one batch.
#
#     python analysis/own_model.py

# %%
import torch
from torch import Tensor, nn

import zoneout_lab as zl

T, B, FEATURES, H = 50, 16, 8, 32


# %%
class Plain(nn.Module):
    """torch's cell in a loop: found without any help."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(FEATURES, H)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(B, H)
        for x_t in x:
            h, c = self.cell(x_t, (h, c))
        return h


# %%
class HandWritten(nn.Module):
    """Zoneout on the cell, by hand: what the next timestep uses is shown to `probe`."""

    def __init__(self, z: float) -> None:
        super().__init__()
        self.cell, self.z = nn.LSTMCell(FEATURES, H), z

    def forward(self, x: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        h = c = x.new_zeros(B, H)
        for x_t in x:
            h, new = self.cell(x_t, (h, c))
            zl.probe("by hand", "candidate", cell=new)
            c = torch.where(torch.rand(B, H, generator=generator) < self.z, c, new)
            zl.probe("by hand", "state", cell=c)
        return h


# %%
def main() -> None:
    torch.manual_seed(0)
    x = torch.randn(T, B, FEATURES)
    models = {
        "torch.nn.LSTMCell": (Plain(), lambda h: h.pow(2).sum(), "cell"),
        "zoneout by hand": (HandWritten(z=0.5), lambda h: h.pow(2).sum(), "by hand"),
        "zl.LSTM": (zl.LSTM(FEATURES, H, regularizer=zl.Zoneout(cell=0.5)), lambda out: out[1][0].pow(2).sum(), "l0"),
    }
    print("share of the cell gradient's norm in the first third of the sequence")
    for name, (model, loss, layer) in models.items():
        flow = zl.gradient_flow(model, x, loss)
        profile = flow.normalised.sel(layer=layer, state="cell", point="state")
        print(f"{name:20s} {float(profile.isel(time=slice(0, T // 3)).sum()):.4f}")


# %%
if __name__ == "__main__":
    main()
