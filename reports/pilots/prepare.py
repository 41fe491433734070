"""Files the pilots read, made of MNIST and of the stand-in for text8: prepare.py DATA OUT."""

import gzip
import sys
from pathlib import Path

import numpy as np

data, out = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)


def idx(name: str, offset: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress((data / "mnist" / name).read_bytes()), np.uint8, offset=offset)


def pooled(images: np.ndarray, by: int) -> np.ndarray:
    """Mean of by × by pixels, in [0, 1]."""
    side = 28 // by
    return (images.reshape(-1, side, by, side, by).mean((2, 4)) / 255).astype(np.float32)


if (data / "mnist").exists():
    images = idx("train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    labels = idx("train-labels-idx1-ubyte.gz", 8).astype(np.int64)
    held = idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    held_labels = idx("t10k-labels-idx1-ubyte.gz", 8).astype(np.int64)
    # as pmnist splits it: train from the start, valid from 50,000 on
    for by in (2, 4):
        np.savez_compressed(
            out / f"mnist_pool{by}.npz",
            x_train=pooled(images[:10_000], by), y_train=labels[:10_000],
            x_valid=pooled(images[50_000:52_000], by), y_valid=labels[50_000:52_000],
            x_test=pooled(held[:2000], by), y_test=held_labels[:2000],
        )  # fmt: skip
if (data / "wiki").exists():
    text = (data / "wiki" / "wiki27.txt").read_text()
    ends = round(len(text) * 0.9), round(len(text) * 0.95)
    for size in (100_000, 200_000, 400_000):
        (out / f"wiki_train_{size // 1000}k.txt").write_text(text[:size])
    (out / "wiki_valid.txt").write_text(text[ends[0] : ends[0] + 20_000])
    (out / "wiki_test.txt").write_text(text[ends[1] : ends[1] + 20_000])
