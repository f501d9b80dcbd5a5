"""An archive of five phantoms, one of which is asked about by the routes of others."""

import json
from dataclasses import dataclass
from typing import Any

from similar_cases import wire
from similar_cases.demo.phantoms import LesionKind, Phantom
from tests.integration.archive_client import ArchiveClient

#: three CTs and an MR, each of a patient of its own; "alone" is a PET that nothing is similar to
KEYS = {"ct-1": "CT", "ct-2": "CT", "ct-3": "CT", "mr": "MR", "alone": "PT"}


def phantom(key: str) -> Phantom:
    return Phantom(
        kind=LesionKind.SPICULATED if key == "ct-3" else LesionKind.SOLID,
        modality=KEYS[key],
        shape=(12, 48, 48),
        spacing_mm=(4.0, 3.0, 3.0),
        lesion_radius_mm=12.0,
        patient_id=key,
        patient_name="Ямада^Тарō" if key == "ct-2" else f"Phantom^{key}",
        patient_birth_date="19500101" if key == "ct-1" else "19800101",
        study_key=key,
        series_key=key,
        series_number=len(key),
    )


@dataclass(frozen=True)
class Asked:
    """An archive, and the series that is asked about."""

    archive: ArchiveClient
    study: str
    series: str
    tracking_uid: str

    def get(self, accept: str | None = None, **parameters: Any) -> Any:
        headers = {"Accept": accept} if accept else {}
        return self.archive.similar(self.study, self.series, params=parameters, headers=headers)

    def post(self, body: object, accept: str = wire.JSON, content_type: str = wire.JSON) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Accept": accept, "Content-Type": content_type}
        return self.archive.ask(wire.ROUTE_SIMILAR, "POST", data=data, headers=headers)

    @property
    def ref(self) -> dict[str, str]:
        return {"study": self.study, "series": self.series}
