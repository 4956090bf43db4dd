"""A small stand-in for MNIST's four files: 60 training and 10 test images."""

import gzip
import hashlib

import numpy as np

from mnist_lab.data import mnist


def idx(values: np.ndarray) -> bytes:
    """The idx format: two zeros, the type, the rank, the sizes, the values."""
    header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
    return header + values.astype(np.uint8).tobytes()


def _files() -> dict[str, bytes]:
    random = np.random.default_rng(0)
    made = {}
    for prefix, count in (("train", 60), ("t10k", 10)):
        made[f"{prefix}-images-idx3-ubyte"] = idx(random.integers(0, 256, (count, 28, 28)))
        made[f"{prefix}-labels-idx1-ubyte"] = idx(np.arange(count) % 10)
    return made


FILES = _files()
PACKED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in FILES.items()}
CHECKSUMS = {
    name: mnist.Checksums(hashlib.md5(FILES[name]).hexdigest(), hashlib.md5(PACKED[f"{name}.gz"]).hexdigest())
    for name in mnist.FILES
}
