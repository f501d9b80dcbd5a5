"""What runs inside Orthanc: nudges the worker, and forwards ``/similar-cases/*`` to it.

Standard library alone, because the interpreter is Orthanc's: a computing callback holds everybody's lock, and a crash
takes the PACS down. Orthanc calls in from its own threads; what is shared is a ``Link`` (one address, replaced as a
whole) and the notifier's queue, and nothing here holds a lock while it waits.
"""

import json
import os

from similar_cases import wire
from similar_cases.bridge.config import ConfigRefused, read_config
from similar_cases.bridge.host import Orthanc
from similar_cases.bridge.lifecycle import Bridge

__all__ = ["ConfigRefused", "register"]


def register(orthanc: Orthanc) -> Bridge | None:
    """Read the section ``SimilarCases``, and register what it asks for; called once, while Orthanc starts.

    Args:
        orthanc: Orthanc's own module, or one like it.

    Returns:
        What the caller keeps until Orthanc ends (see ``Bridge``); None when the section is not enabled.

    Raises:
        ConfigRefused: when the section is not understood. Orthanc does not start then, and its log ends with the
            reason: an administrator is there to read it, which nobody is when it runs.
    """
    try:
        config = read_config(json.loads(orthanc.GetConfiguration()), os.environ)
    except ConfigRefused as refused:
        orthanc.LogError(str(refused))
        raise
    if not config.enable:
        orthanc.LogWarning(f"{wire.SECTION}: not enabled")
        return None
    bridge = Bridge(orthanc, config, os.environ)
    bridge.register()
    return bridge
