"""What the archive already knows, as prompts: RTSTRUCT contours, SEG segments, reports, presentation states.

Read in this order: ``references`` (what an object is about), ``read`` (one object → prompts), then a module a kind:
``rtstruct`` (with ``contours`` and ``findings``), ``seg``, ``sr`` and ``pr`` (with ``shapes``); ``expert`` keeps a mask
as drawn; ``attributes`` reads hostile objects within bounds.
"""

from similar_cases.segment.prompts.expert import region_of_expert
from similar_cases.segment.prompts.findings import is_anatomy
from similar_cases.segment.prompts.read import read_prompts
from similar_cases.segment.prompts.references import (
    is_annotation,
    is_ours,
    referenced_frames_of_reference,
    referenced_instances,
    referenced_series,
)

__all__ = [
    "is_anatomy",
    "is_annotation",
    "is_ours",
    "read_prompts",
    "referenced_frames_of_reference",
    "referenced_instances",
    "referenced_series",
    "region_of_expert",
]
