"""Every path on a CPU against the reference: outputs, final states and every gradient, at ragged sizes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.layers import GRU, LSTM
from zoneout_lab.ops import cpu, engine, reference, triton
from zoneout_lab.ops.cells import FAST
from zoneout_lab.ops.probe import POINTS, recording
from zoneout_lab.ops.reference import Matrices
from zoneout_lab.regularizers import Zoneout

pytestmark = pytest.mark.skipif(not cpu.is_compiled(), reason="needs a C compiler, and none was found")

#: T, B, H, R, I
SIZES = [(1, 1, 1, 1, 1), (1, 5, 129, 3, 2), (5, 1, 20, 3, 1), (5, 5, 1, 3, 4), (5, 100, 129, 1, 3), (63, 5, 100, 3, 1),
         (63, 1, 129, 1, 17), (5, 5, 20, 1, 33), (63, 100, 20, 1, 1), (3, 40, 300, 2, 70)]  # fmt: skip
#: shape of a mask in terms of R, T, B, H
SHAPES: dict[str, Callable[..., tuple[int, ...]]] = {
    "separate": lambda R, T, B, H: (R, T, B, H),
    "per layer": lambda R, T, B, H: (R, T, B, 1),
    "per sequence": lambda R, T, B, H: (R, 1, B, H),
    "static": lambda R, T, B, H: (R, T, 1, H),
    "rate": lambda R, T, B, H: (R, 1, 1, 1),
    "rate per unit": lambda R, T, B, H: (R, 1, 1, H),
}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}
SMOOTH = [cell for cell in FAST if cell != "rnn_relu"]


def problem(cell: str, sizes: tuple[int, ...], dtype: torch.dtype, *, shared: bool = False) -> dict[str, Tensor]:
    (T, B, H, R, inputs), gates, states = sizes, FAST[cell].gates, FAST[cell].states
    generator = torch.Generator().manual_seed(1)
    shapes = {"x": (1 if shared else R, T, B, inputs), "w_in": (R, gates * H, inputs), "w_hidden": (R, gates * H, H),
              "b_in": (R, gates * H), "b_hidden": (R, gates * H), **dict.fromkeys(states, (R, B, H))}  # fmt: skip
    made = {name: torch.randn(shape, generator=generator, dtype=dtype) for name, shape in shapes.items()}
    made["w_in"] /= inputs**0.5
    made["w_hidden"] /= H**0.5
    return made


def masks_at(cell: str, sizes: tuple[int, ...], kind: str, dtype: torch.dtype, *sites: str) -> dict[str, Tensor]:
    T, B, H, R, _ = sizes
    generator = torch.Generator().manual_seed(2)
    masks = {site: torch.rand(SHAPES[kind](R, T, B, H), generator=generator) for site in sites or FAST[cell].fast_sites}
    # drawn masks reach a recurrence as bytes, rates in its own type
    return {site: s.to(dtype) if "rate" in kind else (s < 0.4).to(torch.uint8) for site, s in masks.items()}


def by_engine(cell, x, states, weights, masks, **options):
    return engine.forward(FAST[cell](), x, states, weights.named(), masks, **options)


def by_reference(cell, x, states, weights, masks):
    return by_engine(cell, x, states, weights, masks, engine="reference")


NAMED = pytest.mark.parametrize("cell", FAST)


def computed(path, cell: str, data: dict[str, Tensor], masks: dict[str, Tensor]) -> dict[str, Tensor]:
    leaves = {name: value.clone().requires_grad_() for name, value in data.items()}
    weights = Matrices(*(leaves[name] for name in ("w_in", "w_hidden", "b_in", "b_hidden")))
    states = FAST[cell].states
    out, last = path(cell, leaves["x"], tuple(leaves[name] for name in states), weights, masks)
    generator = torch.Generator().manual_seed(3)
    results = (out, *last)
    loss = sum((t * torch.randn(t.shape, generator=generator, dtype=t.dtype)).sum() for t in results)
    grads = torch.autograd.grad(loss, list(leaves.values()))
    return dict(zip(("out", *states), results, strict=True)) | {f"d {n}": g for n, g in zip(leaves, grads, strict=True)}


def assert_alike(got: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    for name, value in expected.items():
        assert got[name].shape == value.shape
        assert got[name].isfinite().all(), name
        assert torch.dist(got[name], value) <= tolerance * value.norm(), name


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("masked", [True, False], ids=["all sites", "no site"])
@NAMED
def test_the_same_numbers_as_the_reference(cell: str, masked: bool, sizes: tuple[int, ...], dtype: torch.dtype):
    data = problem(cell, sizes, dtype)
    if cell == "rnn_relu":
        data["w_in"].abs_(), data["w_hidden"].abs_(), data["x"].abs_()  # a rounded zero would turn relu's slope over
        data["w_hidden"] /= sizes[2] ** 0.5
    masks = masks_at(cell, sizes, "separate", dtype) if masked else {}
    expected, got = (computed(each, cell, data, masks) for each in (by_reference, cpu.forward))
    assert_alike(got, expected, TOLERANCE[dtype])


@pytest.mark.usefixtures("poisoned", "threads")
@pytest.mark.parametrize("kind", SHAPES)
@NAMED
def test_every_site_with_every_shape_of_share(cell: str, kind: str):
    sizes = (5, 37, 7, 2, 3)
    data = problem(cell, sizes, torch.float64, shared=True)
    for site in FAST[cell].fast_sites:
        masks = masks_at(cell, sizes, kind, torch.float64, site)
        assert_alike(computed(cpu.forward, cell, data, masks), computed(by_reference, cell, data, masks), 1e-12)


@NAMED
def test_a_loss_on_one_part_of_the_result_alone(cell: str):
    data = problem(cell, (5, 3, 7, 2, 2), torch.float64)
    for part in range(1 + len(FAST[cell].states)):
        grads = []
        for each in (by_reference, cpu.forward):
            leaves = {name: value.clone().requires_grad_() for name, value in data.items()}
            weights = Matrices(*(leaves[name] for name in ("w_in", "w_hidden", "b_in", "b_hidden")))
            out, last = each(cell, leaves["x"], tuple(leaves[name] for name in FAST[cell].states), weights, {})
            grads.append(torch.autograd.grad((out, *last)[part].square().sum(), list(leaves.values())))
        for expected, got in zip(*grads, strict=True):
            assert torch.dist(got, expected) <= 1e-12 * expected.norm()


@pytest.mark.parametrize("cell", SMOOTH)
def test_no_drift_over_784_timesteps(cell: str):
    sizes = (784, 2, 20, 1, 1)
    data, masks = problem(cell, sizes, torch.float32), masks_at(cell, sizes, "separate", torch.float32, "hidden")
    assert_alike(computed(cpu.forward, cell, data, masks), computed(by_reference, cell, data, masks), 1e-5)


@pytest.mark.parametrize("cell", FAST)
def test_inputs_as_a_user_may_hold_them(cell: str):
    """Batch first, features not neighbours, without biases."""
    sizes = (6, 4, 9, 1, 3)
    data = problem(cell, sizes, torch.float64)
    states, weights = tuple(data[name] for name in FAST[cell].states), Matrices(data["w_in"], data["w_hidden"])
    expected = by_reference(cell, data["x"], states, weights, {})[0]
    for order in ((0, 2, 1, 3), (0, 3, 2, 1), (3, 1, 2, 0)):
        x = data["x"].permute(order).contiguous().permute([order.index(k) for k in range(4)])
        assert torch.dist(cpu.forward(cell, x, states, weights, {})[0], expected) <= 1e-12 * expected.norm()


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("cell", FAST)
def test_bits_depend_on_neither_threads_nor_batch_nor_replicas(cell: str, dtype: torch.dtype):
    sizes = (4, 70, 33, 3, 5)
    data, masks = problem(cell, sizes, dtype), masks_at(cell, sizes, "separate", dtype)
    before = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            results.append(computed(cpu.forward, cell, data, masks))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(other[name], value) for name, value in results[0].items())
    alone = {name: value[1:2] for name, value in data.items()}
    own = computed(cpu.forward, cell, alone, {site: mask[1:2] for site, mask in masks.items()})
    assert torch.equal(own["out"][0], results[0]["out"][1])
    weights = Matrices(*(data[name] for name in ("w_in", "w_hidden", "b_in", "b_hidden")))
    for first, last in ((0, 1), (3, 9)):
        part = tuple(data[name][:, first:last] for name in FAST[cell].states)
        out, _ = cpu.forward(
            cell, data["x"][:, :, first:last], part, weights, {s: m[:, :, first:last] for s, m in masks.items()}
        )
        assert torch.equal(out, results[0]["out"][:, :, first:last])


@pytest.mark.parametrize("cell", FAST)
def test_norms_are_those_of_the_gradients_at_every_state(cell: str):
    sizes = (6, 4, 9, 2, 3)
    data, masks = problem(cell, sizes, torch.float64), masks_at(cell, sizes, "separate", torch.float64)
    weights = Matrices(*(data[name] for name in ("w_in", "w_hidden", "b_in", "b_hidden")))
    states = tuple(data[name].requires_grad_() for name in FAST[cell].states)
    with recording() as slow:
        out, last = by_engine(cell, data["x"], states, weights, masks)
    loss = out.square().sum() + sum(state.sum() for state in last)
    tensors = [tensor for series in slow.tensors.values() for tensor in series]
    gradients = iter(torch.autograd.grad(loss, tensors))
    expected = {
        key: torch.stack([next(gradients).norm(dim=-1) for _ in series], 1) for key, series in slow.tensors.items()
    }
    with recording(norms_suffice=True) as fast:
        out, last = by_engine(cell, data["x"], states, weights, masks)
    torch.autograd.grad(out.square().sum() + sum(state.sum() for state in last), fast.roots)
    assert not fast.tensors
    assert set(fast.norms) == {("l0", state, point) for state in FAST[cell].states for point in POINTS}
    for key, (norms,) in fast.norms.items():
        torch.testing.assert_close(norms, expected[key], rtol=1e-12, atol=1e-14)


class Calls:
    """Which path :func:`engine.forward` took."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[str] = []
        for name, module, function in (
            ("cpu", cpu, "forward"),
            ("reference", reference, "forward"),
        ):
            monkeypatch.setattr(module, function, self._noting(name, getattr(module, function)))

    def _noting(self, name: str, original):
        def noted(*arguments, **options):
            self.made.append(name)
            return original(*arguments, **options)

        return noted


CHOICES = {
    "auto": ({}, "lstm", torch.float32, True, "cpu"),
    "cpu": ({"engine": "cpu"}, "gru", torch.float64, True, "cpu"),
    "reference": ({"engine": "reference"}, "lstm", torch.float32, True, "reference"),
    "a path for elsewhere": ({"engine": "triton"}, "lstm", torch.float32, True, "reference"),
    "lengths": ({"engine": "cpu", "lengths": torch.tensor([2, 1])}, "lstm", torch.float32, True, "reference"),
    "bfloat16": ({}, "rnn_tanh", torch.bfloat16, True, "reference"),
    "no compiler": ({}, "lstm", torch.float32, False, "reference"),
    "no compiler, a GRU": ({"engine": "cpu"}, "gru", torch.float32, False, "reference"),
}


@pytest.mark.parametrize("case", CHOICES)
def test_the_path_is_the_fastest_that_can(case: str, monkeypatch: pytest.MonkeyPatch):
    options, cell, dtype, compiler, expected = CHOICES[case]
    monkeypatch.setattr(cpu, "is_compiled", lambda *_: compiler)
    monkeypatch.setattr(triton, "is_interpreted", lambda: False)
    calls, G = Calls(monkeypatch), FAST[cell].gates * 3
    states = tuple(torch.zeros(1, 2, 3, dtype=dtype) for _ in FAST[cell].states)
    weights = Matrices(torch.ones(1, G, 2, dtype=dtype), torch.ones(1, G, 3, dtype=dtype))
    by_engine(cell, torch.ones(1, 2, 2, 2, dtype=dtype), states, weights, {}, **options)
    assert calls.made == [expected]


def test_a_recording_sees_the_states_whatever_the_engine():
    rnn = LSTM(2, 3, engine="cpu")
    with recording() as probe:
        rnn(torch.ones(4, 2, 2))
    assert {key: len(series) for key, series in probe.tensors.items()} == {
        ("l0", state, point): 4 for state in ("cell", "hidden") for point in ("candidate", "state")
    }


@pytest.mark.parametrize("loss", [torch.sum, lambda out: out.square().sum()], ids=["linear", "square"])
@pytest.mark.parametrize("layer", [LSTM, GRU])
def test_the_reference_can_be_differentiated_twice_and_the_cpu_path_refuses(layer, loss):
    x = torch.ones(4, 2, 2, requires_grad=True)
    for engine_name, twice in (("reference", True), ("cpu", False)):
        rnn = layer(2, 3, engine=engine_name, regularizer=Zoneout(hidden=0.5), mask_seed=0)
        if twice:
            (grad,) = torch.autograd.grad(loss(rnn(x)[0]), x, create_graph=True)
            assert all(g.abs().sum() > 0 for g in torch.autograd.grad(grad.square().sum(), [x, *rnn.parameters()]))
        else:
            with pytest.raises(RuntimeError, match='engine="reference"'):
                torch.autograd.grad(loss(rnn(x)[0]), x, create_graph=True)


def test_a_graph_that_is_kept_gives_the_same_gradient_again():
    x = torch.ones(4, 2, 2, requires_grad=True)
    out = LSTM(2, 3, regularizer=Zoneout(0.5, 0.5))(x)[0].sum()
    (first,), (second,) = (torch.autograd.grad(out, x, retain_graph=True) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("layer", [LSTM, GRU])
def test_every_gradient_has_memory_of_its_own(layer):
    rnn = layer(2, 3)
    rnn(torch.ones(4, 2, 2))[0].sum().backward()
    gradients = [parameter.grad for parameter in rnn.parameters()]
    before = [gradient.clone() for gradient in gradients]
    gradients[-1].zero_()
    assert all(torch.equal(a, b) for a, b in zip(gradients[:-1], before[:-1], strict=True))


@pytest.mark.parametrize("cell", FAST)
def test_what_was_saved_may_have_been_elsewhere_meanwhile(cell: str):
    data = problem(cell, (3, 3, 5, 2, 2), torch.float64)
    masks = masks_at(cell, (3, 3, 5, 2, 2), "separate", torch.float64)
    expected = computed(cpu.forward, cell, data, masks)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: t.clone(memory_format=torch.contiguous_format), lambda t: t
    ):
        got = computed(cpu.forward, cell, data, masks)
    assert all(torch.equal(got[name], value) for name, value in expected.items())


def test_a_number_that_is_none_stays_none():
    x = torch.ones(4, 2, 2)
    x[1, 0, 0] = float("nan")
    for layer in (LSTM, GRU):
        out = layer(2, 3)(x)[0]
        assert out[1:, 0].isnan().all()
        assert out[:, 1].isfinite().all()


@pytest.mark.parametrize("wrong", ["x", "w_in", "w_hidden", "b_in", "b_hidden", "hidden"])
@pytest.mark.parametrize("cell", FAST)
def test_shapes_that_do_not_belong_together_are_refused(cell: str, wrong: str):
    data = problem(cell, (3, 4, 5, 2, 6), torch.float32)
    data[wrong] = torch.cat([data[wrong], data[wrong]], -1)
    weights = Matrices(*(data[name] for name in ("w_in", "w_hidden", "b_in", "b_hidden")))
    with pytest.raises(ValueError, match="do not belong together"):
        cpu.forward(cell, data["x"], tuple(data[name] for name in FAST[cell].states), weights, {})


@pytest.mark.parametrize("wrong", ["x", "w_in", "w_hidden", "b_hidden", "hidden"])
@pytest.mark.parametrize("change", [torch.Tensor.double, lambda t: t.to("meta")], ids=["dtype", "device"])
def test_dtypes_and_devices_that_do_not_belong_together_are_refused(wrong: str, change):
    data = problem("gru", (3, 4, 5, 2, 6), torch.float32)
    data[wrong] = change(data[wrong])
    weights = Matrices(*(data[name] for name in ("w_in", "w_hidden", "b_in", "b_hidden")))
    with pytest.raises(ValueError, match="do not belong together"):
        cpu.forward("gru", data["x"], (data["hidden"],), weights, {})


def test_a_layer_left_on_another_device_is_refused_and_not_read():
    with pytest.raises(ValueError, match=r"do not belong together.*meta"):
        LSTM(4, 6, device="meta")(torch.randn(5, 3, 4))


def test_frozen_weights_cost_no_gradient():
    rnn, x = LSTM(2, 3).requires_grad_(False), torch.ones(4, 2, 2, requires_grad=True)
    (alone,) = torch.autograd.grad(rnn(x)[0].sum(), x)
    rnn.requires_grad_(True)
    assert torch.equal(torch.autograd.grad(rnn(x)[0].sum(), x)[0], alone)


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (3, 3, 4, 5), (2, 2, 4, 5), (2, 3, 3, 1), (6,)])
def test_shares_that_do_not_broadcast_are_refused(shape: tuple[int, ...]):
    data = problem("gru", (3, 4, 5, 2, 6), torch.float32)
    weights = Matrices(*(data[name] for name in ("w_in", "w_hidden", "b_in", "b_hidden")))
    with pytest.raises(ValueError, match="mask at 'hidden' is"):
        cpu.forward("gru", data["x"], (data["hidden"],), weights, {"hidden": torch.zeros(shape)})


def test_an_unknown_engine_is_refused():
    with pytest.raises(InputRefusedError, match="choose one of auto, reference, cpu, triton"):
        LSTM(2, 3, engine="gpu")  # type: ignore[arg-type]


@pytest.mark.usefixtures("threads")
@NAMED
@pytest.mark.parametrize("sizes", [(5, 3, 129, 3, 2), (2, 1, 20, 4, 1), (3, 40, 100, 2, 5)], ids=str)
def test_without_a_compiler_too_a_replica_is_the_same_alone(cell: str, sizes: tuple[int, ...]):
    data, masks = problem(cell, sizes, torch.float32), masks_at(cell, sizes, "separate", torch.float32)
    together = computed(by_reference, cell, data, masks)
    last = {name: value[-1:] for name, value in data.items()}
    weights = Matrices(*(last[name] for name in ("w_in", "w_hidden", "b_in", "b_hidden")))
    states = tuple(last[name] for name in FAST[cell].states)
    alone = by_reference(cell, last["x"], states, weights, {site: mask[-1:] for site, mask in masks.items()})[0]
    assert torch.equal(alone[0], together["out"][-1])
