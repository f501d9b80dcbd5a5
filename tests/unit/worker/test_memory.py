import subprocess
import sys

from similar_cases.worker import memory

#: prints the pages that the system cleared for twenty pieces of 32 MB, taken one after the other
PIECES = """
import resource
from similar_cases.worker import memory

def pages(count):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        bytearray(32 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

freed, kept = pages(20), memory.keep_freed_memory()
pages(2)
print(kept, freed, pages(20))
"""


def test_memory_that_is_freed_serves_what_comes_next():
    told = subprocess.run([sys.executable, "-c", PIECES], capture_output=True, check=True, text=True).stdout.split()
    assert told[0] == "True"
    cleared_before, cleared_after = int(told[1]), int(told[2])
    assert cleared_before > 20 * 1000
    assert cleared_after < 1000


def test_another_c_library_goes_on_as_it_does(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _name: object())
    assert memory.keep_freed_memory() is False
