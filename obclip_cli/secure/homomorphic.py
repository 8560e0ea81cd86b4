"""What CKKS does to a UNet's operations, and one latent fetched without saying which: TenSEAL, as a script.

Runs in the environment of `environment.py` and imports nothing of obclip.

    homomorphic.py ckks    a line of JSON for each operation
    homomorphic.py pir     one of N latents by an encrypted one-hot vector

Source: TenSEAL (github.com/OpenMined/TenSEAL) over Microsoft SEAL; CKKS (Cheon et al. 2017).
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import tenseal as ts

SCALE = 40  # bits
LEVELS = 7  # products in a row that 128-bit security leaves in a ring of 16384: 438 bits of modulus, 60 at either end
WIDTH, SIDE, TOKENS = 192, 16, 64  # of the embedded large model: channels, latent side, pixels that attend
REACH = 6.0  # SiLU's polynomials are for arguments in -REACH..REACH; outside they are wrong
REPEATS = 3
Row = dict[str, Any]


def context(degree: int, levels: int, *, rotations: bool = True) -> ts.Context:
    bits = [60, *[SCALE] * levels, 60]
    made = ts.context(ts.SCHEME_TYPE.CKKS, poly_modulus_degree=degree, coeff_mod_bit_sizes=bits, n_threads=1)
    made.global_scale = 2.0**SCALE
    if rotations:
        made.generate_galois_keys()
    return made


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result, and the median CPU seconds of several times."""
    taken = []
    for _ in range(REPEATS):
        started = time.process_time()
        result = work()
        taken.append(time.process_time() - started)
    return result, float(np.median(taken))


def worst(found: Any, wanted: np.ndarray) -> float:
    """The largest difference over the largest value."""
    return float(np.abs(np.array(found.decrypt()).reshape(-1) - wanted.reshape(-1)).max() / np.abs(wanted).max())


def silu(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / (1 + np.exp(-x)))


def fitted(function: Callable[[np.ndarray], np.ndarray], degree: int, low: float, high: float) -> tuple[Any, float]:
    """Coefficients of the polynomial through Chebyshev's nodes, lowest first, and its largest error."""
    poly = np.polynomial.Chebyshev.interpolate(function, degree, domain=[low, high])
    grid = np.linspace(low, high, 2001)
    return poly.convert(kind=np.polynomial.Polynomial).coef, float(np.abs(poly(grid) - function(grid)).max())


def operations() -> Iterator[Row]:
    """One encrypted operation each, with the levels it takes."""
    rng, ring = np.random.default_rng(0), context(16384, LEVELS)
    x = rng.uniform(-REACH, REACH, WIDTH)
    vector = ts.ckks_vector(ring, x)
    base = {"ring": 16384, "ciphertext_bytes": len(vector.serialize()), "keys_bytes": len(ring.serialize())}

    def row(operation: str, levels: int, macs: int, work: Callable[[], Any], wanted: np.ndarray, **more: Any) -> Row:
        found, seconds = timed(work)
        facts = {"operation": operation, "levels": levels, "macs": macs, "cpu_seconds": seconds}
        return base | facts | {"error": worst(found, wanted)} | more

    matrix = rng.normal(size=(WIDTH, WIDTH)) / WIDTH**0.5
    rows = matrix.tolist()
    yield row(f"linear layer, {WIDTH} to {WIDTH}, one row", 1, WIDTH**2, lambda: vector.mm(rows), x @ matrix)

    image, kernel = rng.normal(size=(SIDE, SIDE)), rng.normal(size=(3, 3)) / 3
    padded = np.pad(image, 1)
    windows, count = ts.im2col_encoding(ring, padded.tolist(), 3, 3, 1)
    plain = np.array([(padded[i : i + 3, j : j + 3] * kernel).sum() for i in range(SIDE) for j in range(SIDE)])
    taps = kernel.tolist()
    name = f"convolution 3x3, one channel of {SIDE}x{SIDE} to one"
    yield row(name, 1, 9 * SIDE**2, lambda: windows.conv2d_im2col(taps, count), plain)

    for degree in (3, 5, 7):
        poly, error = fitted(silu, degree, -REACH, REACH)
        name, levels = f"SiLU as a polynomial of degree {degree} on -{REACH:g}..{REACH:g}", int(degree).bit_length()
        yield row(name, levels, 0, partial(vector.polyval, poly.tolist()), silu(x), fit_error=error)

    scores = rng.uniform(-4, 0, TOKENS)
    hidden = ts.ckks_vector(ring, scores)
    poly, error = fitted(np.exp, 7, -4, 0)
    name, exponents = "softmax, exponential of degree 7 on -4..0", poly.tolist()
    yield row(name, 3, 0, lambda: hidden.polyval(exponents), np.exp(scores), fit_error=error)
    powers = ts.ckks_vector(ring, np.exp(scores))
    yield row(f"softmax, sum of {TOKENS}", 0, 0, powers.sum, np.exp(scores).sum(keepdims=True))
    total = np.array([np.exp(scores).sum() / TOKENS])
    mean = ts.ckks_vector(ring, total)
    yield row("softmax, 1 / the mean by three steps of Newton", 7, 0, lambda: inverse(mean), 1 / total)
    yield row("softmax, product with 1 / the sum", 1, 0, lambda: powers * powers, np.exp(2 * scores))


def inverse(value: Any) -> Any:
    """1 / value, to a thousandth for values in 0.25..1: y (2 - value y) three times, from 2.9142 - 2 value."""
    guess = value * -2.0 + 2.9142
    for _ in range(3):
        guess = guess * (-(value * guess) + 2.0)
    return guess


def retrieval(candidates: int = 30, values: int = 4 * 64 * 64) -> Row:
    """One of N latents of SD's size: N encrypted bits up, the sum of bit times latent down."""
    ring = context(8192, 1, rotations=False)
    slots, wanted, rng = 4096, 17, np.random.default_rng(0)
    latents = rng.normal(size=(candidates, values))
    public = ring.serialize(save_secret_key=False)

    def ask() -> list[bytes]:
        return [ts.ckks_vector(ring, [float(place == wanted)] * slots).serialize() for place in range(candidates)]

    def answer(bits: list[bytes]) -> list[bytes]:
        there = ts.context_from(public)
        vectors = [ts.ckks_vector_from(there, bit) for bit in bits]
        parts = []
        for first in range(0, values, slots):
            terms = [v * row[first : first + slots].tolist() for v, row in zip(vectors, latents, strict=True)]
            parts.append(sum(terms[1:], start=terms[0]).serialize())
        return parts

    started = time.process_time()
    bits = ask()
    asked = time.process_time()
    parts = answer(bits)
    answered = time.process_time()
    found = np.concatenate([ts.ckks_vector_from(ring, part).decrypt() for part in parts])
    done = time.process_time()
    return {
        "candidates": candidates,
        "values": values,
        "bytes_up": sum(map(len, bits)),
        "key_bytes_once": len(public),
        "bytes_down": sum(map(len, parts)),
        "bytes_of_all": candidates * values * 2,
        "device_cpu_seconds": asked - started + done - answered,
        "server_cpu_seconds": answered - asked,
        "error": float(np.abs(found - latents[wanted]).max()),
    }


if __name__ == "__main__":
    for line in operations() if sys.argv[1] == "ckks" else [retrieval()]:
        print(json.dumps(line), flush=True)
