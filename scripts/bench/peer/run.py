"""Reads a task (bench-case.ts, PeerTask) as JSON, repeats it, and prints times, peak memory and how it ran as one JSON line."""
import contextlib
import json
import resource
import sys

import torch

from decode import decode_repetition
from gemm import gemm_repetition
from timing import measure
from train import train_repetition
from vision import vision_repetition

REPETITIONS = {"train": train_repetition, "vision": vision_repetition, "decode": decode_repetition, "gemm": gemm_repetition}


def run(task):
    """Compiled where this PyTorch can, else as it is; says which."""
    if not hasattr(torch, "compile"):
        return measure(make(task, False), task["patience"]), "eager (this version has no torch.compile)"
    try:
        repetition = make(task, True)
        repetition()
    except Exception as error:  # noqa: BLE001 - e.g. no C++ compiler; whatever it is, eager works
        return measure(make(task, False), task["patience"]), f"eager (torch.compile failed: {type(error).__name__})"
    return measure(repetition, task["patience"]), "torch.compile"


def make(task, compiled):
    """With its tensors on the device. While the work is timed nothing is redirected, which would slow every call down."""
    with torch.device(task["device"]) if task["device"] != "cpu" else contextlib.nullcontext():
        return REPETITIONS[task["kind"]](task, compiled)


task = json.load(sys.stdin)
torch.set_num_threads(task["threads"])
torch.set_flush_denormal(True)
# As float32 as ours.
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
times, mode = run(task)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
print(json.dumps({"times": times, "peakMemoryMb": peak, "mode": mode}))
