"""Energy that a GPU has taken, by its driver's counter.

NVIDIA's drivers count millijoules since they were loaded (Volta and newer). The counter is of the whole card: on a
slice of one (MIG), on older cards, and without NVIDIA's library there is no number, never a zero. Not yet run on a GPU.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import torch

_LIBRARY = "libnvidia-ml.so.1"
_SUCCESS, _MIG_ENABLED = 0, 1


class EnergyMeter:
    """Counts from when it is made; ``read`` gives millijoules since any moment, or None."""

    def __init__(self, read: Callable[[], int | None]) -> None:
        self._read = read
        self._before = read()

    def joules(self) -> float | None:
        """Since the meter was made; None without a counter, or where the driver was loaded anew meanwhile."""
        now = self._read()
        if now is None or self._before is None or now < self._before:
            return None
        return (now - self._before) / 1000


def meter_of(device: torch.device) -> EnergyMeter:
    if device.type != "cuda":
        return EnergyMeter(lambda: None)
    uuid = str(torch.cuda.get_device_properties(device).uuid)
    return EnergyMeter(lambda: read_millijoules(uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"))


def read_millijoules(uuid: str) -> int | None:
    """The counter of the card with this UUID; None where there is none."""
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    handle, current, pending = ctypes.c_void_p(), ctypes.c_uint(), ctypes.c_uint()
    total = ctypes.c_ulonglong()
    try:
        if library.nvmlInit_v2() != _SUCCESS:
            return None
        if library.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(handle)) != _SUCCESS:
            return None
        told = library.nvmlDeviceGetMigMode(handle, ctypes.byref(current), ctypes.byref(pending))
        if told == _SUCCESS and current.value == _MIG_ENABLED:
            return None
        if library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(total)) != _SUCCESS:
            return None
    except AttributeError:  # an old library
        return None
    return total.value
