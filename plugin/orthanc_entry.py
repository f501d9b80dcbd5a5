"""What Orthanc loads (option ``PythonScript``): hands Orthanc's own module to the bridge, and does nothing else."""

import sys
from pathlib import Path

import orthanc

sys.path.insert(0, str(Path(__file__).resolve().parent))

from similar_cases import bridge

#: kept until Orthanc ends: what is registered must not be let go of before
KEPT = bridge.register(orthanc)
