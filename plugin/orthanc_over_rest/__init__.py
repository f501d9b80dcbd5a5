"""Stands in for Orthanc's Python module ``orthanc`` outside of Orthanc, over the REST API of a running one.

The same bridge code runs then in an ordinary interpreter, for a debugger or a test: changes are polled from
``/changes`` and from the lists of resources, and registered routes are served by a small HTTP server of its own.
Nothing of it is part of what a hospital runs.

    python -m orthanc_over_rest --orthanc http://127.0.0.1:8042 --config orthanc-config
"""

from orthanc_over_rest.module import ChangeType, OrthancOverRest, ResourceType
from orthanc_over_rest.rest_api import OrthancException

__all__ = ["ChangeType", "OrthancException", "OrthancOverRest", "ResourceType"]
