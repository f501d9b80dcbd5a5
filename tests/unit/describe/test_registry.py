import subprocess
import sys

import pytest

from similar_cases.describe.embedder import sampled_slices
from similar_cases.describe.registry import open_embedder
from similar_cases.domain.errors import InvalidSettings


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(InvalidSettings, match=r"'resnet'.*efficientnet-lite0"):
        open_embedder("resnet")


def test_the_registry_loads_no_network_library():
    code = "import sys, similar_cases.describe.registry; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(("count", "most"), [(1, 1), (7, 7), (8, 7), (301, 300), (10_000, 300)])
def test_sampled_slices_are_ascending_distinct_and_cover_the_whole(count, most):
    chosen = sampled_slices(count, most)
    assert len(chosen) == min(count, most)
    assert (chosen[1:] > chosen[:-1]).all()
    assert 0 <= chosen[0] < count / most + 1
    assert count - count / most - 1 <= chosen[-1] < count
