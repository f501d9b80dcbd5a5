"""A Case: one indexed Region or Series; and the states that a Series goes through."""

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum

from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.description import Description, Level
from similar_cases.domain.prompts import PointLps
from similar_cases.domain.references import FrameRef, SeriesRef
from similar_cases.domain.region import Region
from similar_cases.domain.volume import SeriesFacts, Volume


def derived_uid(*parts: object) -> str:
    """Return the UID under 2.25 (PS3.5 B.2) that `parts` always give.

    >>> derived_uid("a", 1) == derived_uid("a", 1), derived_uid("a") != derived_uid("b")
    (True, True)
    """
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()[:16]
    # version and variant bits make it a UUID in the sense of RFC 4122, as 2.25 asks
    number = int.from_bytes(digest) & ~(0xF << 76) & ~(0x3 << 62) | (0x5 << 76) | (0x2 << 62)
    return f"2.25.{number}"


class SeriesState(StrEnum):
    """Where a Series stands."""

    #: a job waits
    WAITING = "waiting"
    #: a worker holds its lease
    WORKING = "working"
    #: SEG and SR were read back from the PACS, the catalogue row is committed, the vector is findable
    INDEXED = "indexed"
    #: it makes no volume, or the site's rules leave it out; the reason is kept
    REFUSED = "refused"
    #: given up after the last attempt; the reason is kept
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class RegionSummary:
    """What the catalogue keeps of a Region; its mask lies in the SEG in the PACS."""

    tracking_uid: str
    label: str = field(default="", repr=False)
    finding: CodedConcept | None = None
    finding_site: CodedConcept | None = None
    authorship: str = ""
    origin: str = ""
    source_sop_instance_uid: str = ""
    algorithm: str = ""
    quality: float | None = None
    volume_ml: float
    centroid_lps: PointLps
    #: corners of the box in the Volume, (k, j, i), the upper one exclusive
    lower_index: tuple[int, int, int]
    upper_index: tuple[int, int, int]
    #: the Frame of the slice through the centroid
    key_frame: FrameRef
    seg_sop_instance_uid: str = ""
    sr_sop_instance_uid: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One indexed Region (`region` is set) or one indexed Volume of a Series.

    Attributes:
        uid: derived from Series, volume number and tracking UID; the tie-break of every ranking.
        key_frame: the Frame to show: through the Region's centroid, or the middle one.
    """

    uid: str
    level: Level
    series: SeriesRef
    volume_number: int
    volume_label: str
    facts: SeriesFacts
    key_frame: FrameRef
    description: Description
    region: RegionSummary | None = None

    @classmethod
    def of_region(cls, volume: Volume, region: Region, description: Description, results: tuple[str, str]) -> "Case":
        """Make the Case of one Region; `results` are the SOP Instance UIDs of its SEG and its SR, empty for none."""
        middle = round(float(volume.geometry.lps_to_index(region.centroid_lps)[0][0]))
        key_frame = volume.frames[min(max(middle, 0), len(volume.frames) - 1)]
        k, j, i = (low + size for low, size in zip(region.lower_index, region.mask.shape, strict=True))
        summary = RegionSummary(
            tracking_uid=region.tracking_uid,
            label=region.label,
            finding=region.finding,
            finding_site=region.finding_site,
            authorship=region.authorship.value,
            origin=region.origin.value,
            source_sop_instance_uid=region.source_sop_instance_uid,
            algorithm=f"{region.algorithm.name} {region.algorithm.version}" if region.algorithm else "",
            quality=region.quality,
            volume_ml=region.volume_ml,
            centroid_lps=region.centroid_lps,
            lower_index=region.lower_index,
            upper_index=(k, j, i),
            key_frame=key_frame,
            seg_sop_instance_uid=results[0],
            sr_sop_instance_uid=results[1],
        )
        return cls(
            uid=derived_uid("case", volume.series.series_uid, volume.number, region.tracking_uid),
            level=Level.REGION,
            series=volume.series,
            volume_number=volume.number,
            volume_label=volume.label,
            facts=volume.facts,
            key_frame=key_frame,
            description=description,
            region=summary,
        )

    @classmethod
    def of_volume(cls, volume: Volume, description: Description) -> "Case":
        """Make the Case of one Volume."""
        return cls(
            uid=derived_uid("case", volume.series.series_uid, volume.number),
            level=Level.SERIES,
            series=volume.series,
            volume_number=volume.number,
            volume_label=volume.label,
            facts=volume.facts,
            key_frame=volume.frames[len(volume.frames) // 2],
            description=description,
        )
