"""Says which PyTorch this is and what multiplies its matrices; one JSON line."""
import ctypes
import json

import torch


def openblas_core():
    """The processor that OpenBLAS believes to run on; None where this torch does not use it."""
    if torch.backends.mkl.is_available():
        return None
    try:
        library = ctypes.CDLL("libopenblas.so.0")
        library.openblas_get_corename.restype = ctypes.c_char_p
        return library.openblas_get_corename().decode()
    except (OSError, AttributeError):
        return None


def gpu_name():
    """The CUDA device; None without one, or where this torch is too old to build a model on it (torch.device as a context)."""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() and hasattr(torch, "compile") else None


print(json.dumps({"version": torch.__version__, "hasMkl": torch.backends.mkl.is_available(), "openblasCore": openblas_core(), "gpu": gpu_name()}))
