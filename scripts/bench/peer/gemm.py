"""A product of square matrices; several in a row, so that waiting for the device does not count."""
import torch

from timing import timed

PRODUCTS = 8


def gemm_repetition(task, compiled):
    """Milliseconds of one product. There is nothing to compile."""
    left, right = (torch.rand(task["size"], task["size"]) * 2 - 1 for _ in range(2))

    def multiply():
        for _ in range(PRODUCTS):
            left @ right

    all_of_them = timed(multiply)
    return lambda: all_of_them() / PRODUCTS
