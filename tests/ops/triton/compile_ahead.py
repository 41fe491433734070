"""Compile the kernels a call would launch, for GPUs that are not there. Run as a program: ``python compile_ahead.py 90 lstm-low-100 …``.

The calls are made on CPU tensors with the launch itself replaced by a note of its arguments, so that exactly what the package
launches is compiled. Prints one JSON object per kernel: its name, what it uses and how it rounds. ``compile_ahead.py 90 variants`` compiles
nothing and prints how often each kernel would be compiled for different masks and sizes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, make_backend
from triton.runtime.jit import JITFunction, create_function_from_signature

from zoneout_lab.ops import triton as ops
from zoneout_lab.ops.cells import FAST
from zoneout_lab.ops.reference import Matrices

Launch = tuple[JITFunction, tuple[Any, ...], dict[str, Any]]


def launches(call: Callable[[], None]) -> list[Launch]:
    """What a call would launch."""
    seen: list[Launch] = []

    def note(kernel: JITFunction, *arguments: Any, grid: Any, warmup: bool, **options: Any) -> None:
        seen.append((kernel, arguments, options))

    run, JITFunction.run = JITFunction.run, note
    try:
        call()
    finally:
        JITFunction.run = run
    return seen


def compiled(launch: Launch, architecture: int) -> dict[str, Any]:
    """A launch's kernel for an architecture (80, 90), and what it uses."""
    kernel, arguments, options = launch
    target = GPUTarget("cuda", architecture, 32)
    backend = make_backend(target)
    bound, specialization, given = create_function_from_signature(kernel.signature, kernel.params, backend)(
        *arguments, **options
    )
    parsed, signature, constants, attributes = kernel._pack_args(backend, options, bound, specialization, given)
    built = triton.compile(ASTSource(kernel, signature, constants, attributes), target=target, options=parsed.__dict__)
    name = f"{kernel.fn.__module__.rpartition('.')[2]}.{kernel.fn.__name__}"
    return {
        "kernel": name,
        "arch": architecture,
        "shared": built.metadata.shared,
        **_arithmetic(built),
        **_resources(built, architecture),
    }


def _arithmetic(built: Any) -> dict[str, Any]:
    """What decides how a kernel rounds: fused multiply-adds, and how each product's operands are arranged."""
    return {
        "fused": len(re.findall(r"\bfma\.", built.asm["ptx"])),
        "operands": re.findall(r"tt\.dot .*kWidth = (\d+)", built.asm["ttgir"]),
    }


def _resources(built: Any, architecture: int) -> dict[str, int]:
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(built.asm["ptx"])
        file.flush()
        said = subprocess.run(
            [
                triton.knobs.nvidia.ptxas.path, "-v", "--fmad=false", f"--gpu-name=sm_{architecture}{'a' if architecture >= 90 else ''}",
                file.name, "-o", "/dev/null",
            ],
            capture_output=True, text=True, check=True,
        ).stderr  # fmt: skip
    registers, stores, loads = (
        int(re.search(pattern, said)[1])  # type: ignore[index]
        for pattern in (r"Used (\d+) registers", r"(\d+) bytes spill stores", r"(\d+) bytes spill loads")
    )
    return {"registers": registers, "spilled": stores + loads}


def recurrence(
    cell: str, H: int, *, low: bool, inputs: int, norms: bool, bare: bool, dtype: torch.dtype
) -> Callable[[], None]:
    """A forward and backward pass with a mask at every site, or ``bare`` of masks."""
    torch.backends.cudnn.allow_tf32 = low
    gates, kinds, sites = FAST[cell].gates, FAST[cell].states, () if bare else FAST[cell].fast_sites
    R, T, B = 2, 2, 20

    def made(*shape: int) -> torch.Tensor:
        return torch.zeros(shape, dtype=dtype, requires_grad=True)

    def call() -> None:
        weights = Matrices(made(R, gates * H, inputs), made(R, gates * H, H), made(R, gates * H), made(R, gates * H))
        masks = {site: torch.zeros(R, T, B, H, dtype=torch.uint8) for site in sites}
        on_norms = (lambda state, point, values: None) if norms else None
        out, finals = ops.forward(
            cell, made(1, T, B, inputs), tuple(made(R, B, H) for _ in kinds), weights, masks, on_norms=on_norms
        )
        (out.sum() + sum(final.sum() for final in finals)).backward()

    return call


def masks() -> None:
    ones = torch.ones((), dtype=torch.int64)
    ops.draw(
        torch.zeros(2, dtype=torch.int64), ones, torch.zeros(2, 1, dtype=torch.int32), torch.ones(2, 5, dtype=torch.int8),
        layer=0, site="cell", stream=0, sizes=(5, 5, 20),
    )  # fmt: skip


def rows() -> None:
    x = torch.zeros(2, 5000)
    ops.row_sums(x)
    ops.row_squares(x)


def case(name: str) -> Iterator[Launch]:
    """``masks``, ``rows``, or cell-precision-H with ``-norms``, ``-wide`` (more than one input) and ``-bare`` (of masks) as one likes."""
    if name in ("masks", "rows"):
        yield from launches({"masks": masks, "rows": rows}[name])
        return
    cell, precision, H, *more = name.split("-")
    dtype = torch.float64 if precision == "float64" else torch.float32
    call = recurrence(
        cell,
        int(H),
        low=precision == "low",
        inputs=2 if "wide" in more else 1,
        norms="norms" in more,
        bare="bare" in more,
        dtype=dtype,
    )
    seen = set()
    for launch in launches(call):
        if launch[0].fn not in seen:  # every timestep launches the same
            seen.add(launch[0].fn)
            yield launch


def variants(architecture: int) -> dict[str, int]:
    """How many times each LSTM kernel would be compiled for masks of every kind and layout, and for several R, T and B."""
    backend = make_backend(GPUTarget("cuda", architecture, 32))
    seen: dict[str, set[str]] = {}
    H = 20
    for R, T, B in ((1, 1, 1), (1, 16, 5), (3, 5, 16), (2, 63, 100)):
        shapes = [(R, T, B, H), (R, T, B, 1), (R, 1, B, H), (R, T, 1, H), (R, 1, 1, 1), (1, 1, 1, H)]
        layouts = [torch.zeros(shape, dtype=torch.uint8) for shape in shapes]
        layouts.append(torch.zeros(H, B, T, R, dtype=torch.uint8).permute(3, 2, 1, 0))
        for low in (True, False):
            torch.backends.cudnn.allow_tf32 = low
            for mask in layouts:
                states = (torch.zeros(R, B, H, requires_grad=True), torch.zeros(R, B, H))
                weights = Matrices(torch.zeros(R, 4 * H, 2), torch.zeros(R, 4 * H, H))

                def call(
                    states: tuple[torch.Tensor, ...] = states, weights: Matrices = weights, mask: torch.Tensor = mask
                ) -> None:
                    masks = dict.fromkeys(FAST["lstm"].fast_sites, mask)
                    out, _ = ops.forward("lstm", torch.zeros(1, T, B, 2), states, weights, masks)  # noqa: B023
                    out.sum().backward()

                for kernel, arguments, options in launches(call):
                    bind = create_function_from_signature(kernel.signature, kernel.params, backend)
                    specialization = str(bind(*arguments, **options)[1])
                    seen.setdefault(f"{kernel.fn.__name__} {low}", set()).add(specialization)
    return {name: len(specializations) for name, specializations in seen.items()}


if __name__ == "__main__":
    if sys.argv[2:] == ["variants"]:
        sys.stdout.write(json.dumps(variants(int(sys.argv[1]))) + "\n")
        sys.exit()
    for name in sys.argv[2:]:
        for launch in case(name):
            sys.stdout.write(json.dumps({"case": name, **compiled(launch, int(sys.argv[1]))}) + "\n")
