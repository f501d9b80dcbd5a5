"""What becomes of memory that the job process lets go of."""

import ctypes

#: parameters of mallopt(3)
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
#: larger pieces, such as whole volumes, go back to the system at once
_LARGEST_KEPT = 64 * 2**20
#: this much stays with the process at the most
_KEPT = 256 * 2**20


def keep_freed_memory() -> bool:
    """Have the C library keep freed pieces for the next ones; False where it is not glibc and goes on as it does.

    Each layer of a network wants tens of megabytes for some milliseconds. Given back and asked for anew each time, they
    are cleared by the system page by page, which takes a quarter of the time in which a volume's slices are embedded.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)) and bool(mallopt(_TRIM_THRESHOLD, _KEPT))
