"""The three shapes of data: what an epoch visits, what a batch holds, and what their digest tells apart."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks.base import Carried, Data, Examples, Split, Stream, digest


def examples(count: int = 7, steps: int = 5, features: int = 2) -> Examples:
    values = torch.arange(count * steps * features, dtype=torch.float32)
    return Examples(values.view(count, steps, features), torch.arange(count) % 3)


def stream(count: int = 47, length: int = 5, classes: int = 11) -> Stream:
    return Stream(torch.from_numpy(np.random.default_rng(0).integers(classes, size=count)), classes, length)


def carried(count: int = 47, length: int = 5, streams: int = 3) -> Carried:
    return Carried(stream(count).symbols, 11, length, streams)


@pytest.mark.parametrize("batch", [1, 3, 7, 50])
def test_an_epoch_of_examples_visits_each_once(batch: int) -> None:
    batches = examples().epoch(np.random.default_rng(0), batch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(7))
    assert [len(b) for b in batches[:-1]] == [batch] * (len(batches) - 1)


@pytest.mark.parametrize(
    "split",
    [examples(), stream(), Stream(stream().symbols, 11, 5, overlapping=True)],
    ids=["examples", "stream", "overlapping"],
)
def test_the_generator_alone_decides_the_order(split: Examples | Stream) -> None:
    first, again, other = (np.concatenate(split.epoch(np.random.default_rng(s), 2)).tolist() for s in (3, 3, 4))
    assert first == again
    assert first != other


def test_the_order_changes_from_epoch_to_epoch() -> None:
    rng = np.random.default_rng(0)
    assert np.concatenate(examples(50).epoch(rng, 9)).tolist() != np.concatenate(examples(50).epoch(rng, 9)).tolist()


def test_gathered_examples_are_those_asked_for() -> None:
    split = examples()
    index = torch.tensor([[4, 0, 6], [1, 1, 2]])
    inputs, targets = split.gather(index)
    assert inputs.shape == (2, 5, 3, 2)
    for r in range(2):
        for b in range(3):
            assert torch.equal(inputs[r, :, b], split.inputs[index[r, b]])
            assert targets[r, b] == split.targets[index[r, b]]


@pytest.mark.parametrize("targets", [torch.arange(21).view(7, 3), torch.arange(7.0)], ids=["last three", "real value"])
def test_targets_of_several_steps_and_real_ones(targets: torch.Tensor) -> None:
    split = Examples(examples().inputs, targets)
    assert split.reads == (3 if targets.dim() == 2 else None)
    index = torch.tensor([[4, 0, 6, 2], [1, 1, 2, 3]])
    _, gathered = split.gather(index)
    assert gathered.dtype == targets.dtype
    for r in range(2):
        for b in range(4):
            assert torch.equal(gathered[r, ..., b], targets[index[r, b]])
    read = torch.cat([part for _, part in split.in_order(2)], dim=-1)
    assert torch.equal(read, targets.T if targets.dim() == 2 else targets)


def test_overlapping_chunks_begin_anywhere_and_are_as_many() -> None:
    apart, overlapping = stream(60), Stream(stream(60).symbols, 11, 5, overlapping=True)
    rng, seen, overlaps = np.random.default_rng(1), set(), 0
    for _ in range(300):
        starts = np.concatenate(overlapping.epoch(rng, 4))
        assert [len(b) for b in overlapping.epoch(rng, 4)] == [len(b) for b in apart.epoch(rng, 4)]
        assert len(set(starts.tolist())) == len(starts)
        overlaps += bool((np.diff(np.sort(starts)) < 5).any())
        seen |= set(starts.tolist())
    assert seen == set(range(56))
    assert overlaps > 200


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
@pytest.mark.parametrize("split", [stream(), carried()], ids=["stream", "carried"])
def test_symbols_of_any_type_are_given_out_as_int64(split: Stream | Carried, dtype: torch.dtype) -> None:
    small = dataclasses.replace(split, symbols=split.symbols.to(dtype))
    index = torch.tensor([[0, 10], [41, 7]])
    pairs = [(small.gather(index), split.gather(index))]
    pairs += zip(small.in_order(3), split.in_order(3), strict=True)
    pairs += zip(small.whole(4), split.whole(4), strict=True)
    for ours, wanted in pairs:
        for a, b in zip(ours, wanted, strict=True):
            assert a.dtype == torch.int64
            assert torch.equal(a, b)
    assert small.symbols.dtype == dtype
    assert small.to("cpu").symbols.dtype == dtype


def test_chunks_do_not_overlap_and_share_one_offset() -> None:
    split, seen = stream(), set()
    rng = np.random.default_rng(1)
    for _ in range(200):
        starts = np.sort(np.concatenate(split.epoch(rng, 2)))
        assert (np.diff(starts) == split.length).all()
        assert starts[0] < split.length
        assert starts[-1] <= len(split) - split.length
        assert len(starts) == 8
        seen.add(int(starts[0]))
    assert seen == set(range(split.length))


@pytest.mark.parametrize("count", [10, 44, 45, 46, 49, 50])
def test_every_offset_makes_the_same_batches_and_loses_less_than_two_chunks(count: int) -> None:
    split = stream(count)
    shapes = {tuple(len(b) for b in split.epoch(np.random.default_rng(seed), 2)) for seed in range(50)}
    assert len(shapes) == 1
    assert count - 2 * split.length < split.length * sum(*shapes) <= count


def test_chunk_targets_are_the_inputs_one_symbol_on() -> None:
    split = stream()
    inputs, targets = split.gather(torch.tensor([[0, 10], [42, 7]]))
    assert inputs.shape == targets.shape == (2, split.reads, 2)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    assert inputs[1, :, 0].tolist() == split.symbols[42:46].tolist()
    assert targets[1, :, 0].tolist() == split.symbols[43:47].tolist()


def test_chunks_in_order_begin_at_the_first_symbol_and_leave_the_last_part_out() -> None:
    split = stream()
    targets = torch.cat([targets.T for _, targets in split.in_order(4)])
    assert targets.shape == (9, 4)
    assert torch.equal(targets, split.symbols[:45].view(9, 5)[:, 1:])


@pytest.mark.parametrize("window", [1, 2, 5, 23, 45, 46, 47, 1000])
@pytest.mark.parametrize("count", [1, 2, 46, 47])
@pytest.mark.parametrize("kind", ["stream", "carried"])
def test_the_whole_stream_is_predicted_once_in_order(kind: str, window: int, count: int) -> None:
    split = stream(count) if kind == "stream" or count == 1 else carried(count, streams=1)
    windows = list(split.whole(window))
    assert all(inputs.shape[1:] == (1,) and targets.shape[1:] == (1,) for inputs, targets in windows)
    assert all(len(inputs) == len(targets) <= window for inputs, targets in windows)
    assert all(len(targets) == window for _, targets in windows[:-1])
    read = [s for inputs, _ in windows for s in inputs[:, 0].tolist()]
    predicted = [s for _, targets in windows for s in targets[:, 0].tolist()]
    assert read == split.symbols[:-1].tolist()
    assert predicted == split.symbols[1:].tolist()


def test_a_carried_state_makes_the_window_immaterial() -> None:
    split = stream(200)
    torch.manual_seed(0)
    rnn, readout = torch.nn.LSTM(11, 6).double(), torch.nn.Linear(6, 11).double()

    def total(window: int) -> float:
        state, loss = None, 0.0
        with torch.no_grad():
            for inputs, targets in split.whole(window):
                out, state = rnn(F.one_hot(inputs, 11).double(), state)
                loss += float(F.cross_entropy(readout(out)[:, 0], targets[:, 0], reduction="sum"))
        return loss

    assert total(17) == pytest.approx(total(199), rel=1e-12)


@pytest.mark.parametrize(("count", "streams"), [(47, 3), (46, 3), (49, 3), (31, 1), (17, 16)])
def test_parallel_streams_are_contiguous_and_their_windows_in_order(count: int, streams: int) -> None:
    split = carried(count, 5, streams)
    each = (count - 1) // streams
    windows = list(split.in_order(streams))
    inputs, targets = (torch.cat([window[k] for window in windows]) for k in (0, 1))
    assert inputs.shape == targets.shape == (each, streams)
    assert [len(part) for part, _ in windows[:-1]] == [5] * (len(windows) - 1)
    for s in range(streams):
        assert torch.equal(inputs[:, s], split.symbols[s * each : (s + 1) * each])
        assert torch.equal(targets[:, s], split.symbols[s * each + 1 : (s + 1) * each + 1])


def test_training_windows_are_the_whole_ones_in_order_whatever_the_generator() -> None:
    split, rng = carried(50), np.random.default_rng(0)
    before = rng.bit_generator.state
    epoch = split.epoch(rng, 3)
    assert rng.bit_generator.state == before
    assert len(epoch) == 16 // 5
    assert split.reads == split.steps == 5
    for starts, (inputs, targets) in zip(epoch, split.in_order(3), strict=False):
        gathered, wanted = split.gather(torch.from_numpy(starts)[None])
        assert torch.equal(gathered[0], inputs)
        assert torch.equal(wanted[0], targets)


def test_another_batch_than_the_streams_is_refused() -> None:
    with pytest.raises(InputRefusedError, match=r"batch is 4.*3 streams.*training\.batch=3"):
        carried().epoch(np.random.default_rng(0), 4)


def test_a_text_too_short_for_its_streams_or_windows_is_refused() -> None:
    assert len(list(carried(4, 5, 3).in_order(3))) == 1
    with pytest.raises(InputRefusedError, match=r"No window fits.*make 1 predictions each, and a window 5"):
        carried(4, 5, 3).epoch(np.random.default_rng(0), 3)
    with pytest.raises(InputRefusedError, match="3 symbols is too short for 3 streams"):
        carried(3, 5, 3)


def test_moving_keeps_everything() -> None:
    data = Data.of(examples(), Stream(stream().symbols, 11, 5, overlapping=True), stream(), ("a note",))
    moved = data.to("cpu")
    assert (moved.digest, moved.notes) == (data.digest, data.notes)
    assert isinstance(moved.test, Stream)
    assert (moved.test.classes, moved.test.length) == (11, 5)
    assert moved.valid == data.valid
    assert carried().to("cpu").streams == 3
    for split in (stream(), carried()):
        assert torch.empty(0, device="meta").device == split.to("meta").symbols.device


def test_the_digest_tells_every_difference() -> None:
    base = examples()
    pixel = base.inputs.clone()
    pixel[3, 2, 1] += 1
    label = base.targets.clone()
    label[0] += 1
    s = stream()
    variants: list[dict[str, Split]] = [
        {"train": base},
        {"valid": base},
        {"train": base, "valid": base},
        {"train": Examples(pixel, base.targets)},
        {"train": Examples(base.inputs, label)},
        {"train": Examples(base.inputs.view(7, 10, 1), base.targets)},
        {"train": Examples(base.inputs.double(), base.targets)},
        {"train": s},
        {"train": Stream(s.symbols, 12, s.length)},
        {"train": Stream(s.symbols, s.classes, 6)},
        {"train": Stream(s.symbols.flip(0), s.classes, s.length)},
        {"train": Stream(s.symbols, s.classes, s.length, overlapping=True)},
        {"train": Carried(s.symbols, s.classes, s.length, 3)},
        {"train": Carried(s.symbols, s.classes, s.length, 4)},
        {"train": Examples(base.inputs, base.targets.float())},
    ]
    assert len({digest(v) for v in variants}) == len(variants)
    assert digest({"train": examples()}) == digest({"train": base})


def test_the_digest_is_of_values_not_of_memory() -> None:
    base = examples()
    strided = Examples(base.inputs.transpose(1, 2).contiguous().transpose(1, 2), base.targets)
    assert not strided.inputs.is_contiguous()
    assert digest({"train": strided}) == digest({"train": base})
