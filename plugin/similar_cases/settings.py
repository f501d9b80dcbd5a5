"""The worker's settings: frozen sections named as the packages.

Order, first wins: flag, environment (``SIMILAR_CASES_SECTION__NAME``), TOML file, default. A name that is not here
is refused wherever it stands. Secrets come by environment alone.
"""

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic.types import StringConstraints

from similar_cases.domain.errors import InvalidSettings

ENV_PREFIX = "SIMILAR_CASES_"
#: names under the prefix that are no settings: the folder of real images for tests, and the TOML file
OTHER_ENV = ("SIMILAR_CASES_DATA", "SIMILAR_CASES_SETTINGS")
#: section → name → value
Layer = Mapping[str, Mapping[str, object]]


FromJson = BeforeValidator(lambda value: json.loads(value) if isinstance(value, str) else value)
FromCommas = BeforeValidator(
    lambda value: tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value
)
ViewerAddress = Annotated[str, Field(pattern=r"^(/[^/]|https?://|weasis://).*\{study\}")]


class Section(BaseModel):
    """What every section shares: frozen, and no name that is not declared."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)


class PacsSettings(Section):
    """The archive: where it is, and how much of it may come at once."""

    orthanc_url: str = Field(default="http://127.0.0.1:8042", description="Orthanc's HTTP address.")
    dicomweb_path: str = Field(default="/dicom-web", description="Where Orthanc's DICOMweb plugin listens.")
    username: str = Field(default="", description="User of Orthanc; empty for none.")
    password: SecretStr = Field(default=SecretStr(""), description="Password of that user.")
    authorization: SecretStr = Field(
        default=SecretStr(""), description="Whole Authorization header, instead of user and password."
    )
    ca_file: Path | None = Field(default=None, description="Certificates to trust, PEM, for an Orthanc behind HTTPS.")
    timeout_seconds: float = Field(default=60.0, gt=0, description="How long one answer of Orthanc may take.")
    max_instances: int = Field(default=20_000, gt=0, description="Largest series, in instances.")
    max_instance_mib: int = Field(default=2048, gt=0, description="Largest instance, in MiB, inflated.")
    max_series_mib: int = Field(default=6144, gt=0, description="Largest series, in MiB.")
    max_nesting: int = Field(default=24, gt=0, description="Deepest nesting of sequences in an object.")

    @field_validator("orthanc_url")
    @classmethod
    def _http(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return url.rstrip("/")


class SegmentSettings(Section):
    """What turns prompts into regions."""

    backend: str = Field(
        default="region_growing",
        description="Which segmenter: region_growing, promptable, or a name or kind of `similar-cases models list`.",
    )
    auto: Literal["off", "annotations", "everything", "classes"] = Field(
        default="annotations",
        description="Of which regions SEG and SR are written: none, those that annotations tell of, those that were "
        "found without a hint too, or those of `segment.classes`. All are indexed.",
    )
    classes: tuple[str, ...] = Field(
        default=(), description="Codes SCHEME:VALUE:MEANING, such as SCT:10200004:Liver, for auto = classes."
    )
    everything_points: int = Field(
        default=8,
        ge=0,
        le=512,
        description="Points at which a series without annotations is searched for regions; 0 for none.",
    )
    everything_regions: int = Field(default=4, ge=0, le=100, description="Regions that such a search may give.")
    bundle: Path | None = Field(
        default=None, description="Folder of the MONAI bundle of promptable; without it, the one that is shipped."
    )
    weights: Path | None = Field(default=None, description="Weights, where backend is a kind that comes without.")
    weights_sha256: str = Field(default="", description="What those weights hash to; a folder's is in the docs.")
    server_url: str = Field(default="", description="Address of the server, where backend is nninteractive.")
    server_key: SecretStr = Field(default=SecretStr(""), description="What that server was started with as --api-key.")
    command: str = Field(
        default="TotalSegmentator", description="The site's command, where backend is totalsegmentator."
    )
    timeout_seconds: float = Field(
        default=600.0, gt=0, description="How long a segmenter that runs elsewhere may take for one answer."
    )


class DescribeSettings(Section):
    """What describes regions and series. A change here is followed by `similar-cases reindex`."""

    embedder: str = Field(
        default="region-token",
        description="Which network gives the vectors: a name or a kind of `similar-cases models list`.",
    )
    weights: Path | None = Field(default=None, description="Weights, where embedder is a kind that comes without.")
    weights_sha256: str = Field(default="", description="What those weights hash to.")
    text_model: Literal["", "minilm"] = Field(
        default="", description="Sentence model of captions and reports, of the extra `text`; empty for words alone."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Where it computes.")
    body_position: bool = Field(
        default=False,
        description="Whether a model's word on where in the body a region of a CT lies is kept and asked.",
    )
    bin_count: int = Field(default=128, gt=1, description="Grey levels over a region's range.")
    bin_width: float = Field(default=0.0, ge=0, description="Width of a grey level; above 0 it replaces bin_count.")
    spacing_mm: float = Field(default=1.5, ge=0, description="Isotropic spacing for radiomics; 0 keeps the grid's own.")


class RecordSettings(Section):
    """What is written back to the archive."""

    enabled: bool = Field(default=True, description="Whether SEG and SR are stored in the archive.")
    content_qualification: Literal["PRODUCT", "RESEARCH", "SERVICE"] = Field(
        default="RESEARCH", description="Content Qualification (0018,9004) of SEG and SR."
    )
    device_serial_number: str = Field(
        default="1", min_length=1, max_length=64, description="Device Serial Number of this installation."
    )


class IndexSettings(Section):
    """Where the catalogue lies, and how the nearest are found."""

    data_dir: Path = Field(
        default=Path("~/.local/share/similar-cases"), description="Folder of the catalogue; needs a local disk."
    )
    url: str = Field(default="", description="SQLAlchemy address of the catalogue; empty for SQLite in data_dir.")
    engine: str = Field(
        default="exact",
        description="What finds the nearest: exact, or faiss-flat, -sq8, -hnsw, -ivfpq, -lsh; see performance.md.",
    )

    @field_validator("data_dir")
    @classmethod
    def _expanded(cls, path: Path) -> Path:
        return path.expanduser()


class RankSettings(Section):
    """How answers are ranked."""

    ranking: str = Field(default="default", description="Name of the ranking of questions that name none.")
    rankings: Annotated[dict[str, dict[str, Any]], FromJson] = Field(
        default={}, description="Rankings of the site's own by name; in the environment as JSON."
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default={}, description="Weight of parts by name; parts left out keep the ranking's own weight."
    )

    @field_validator("weights", mode="before")
    @classmethod
    def _paired(cls, value: object) -> object:
        if isinstance(value, str):
            return {pair.partition("=")[0].strip(): pair.partition("=")[2] for pair in value.split(",")}
        return value


class WorkerSettings(Section):
    """The job loop."""

    modalities: Annotated[tuple[Annotated[str, StringConstraints(to_upper=True)], ...], FromCommas] = Field(
        default=("CT", "MR", "PT"), description="Modalities that are indexed; in the environment separated by commas."
    )
    attempts: int = Field(default=5, gt=0, description="How often a job is tried before it is given up.")
    niceness: int = Field(default=10, ge=0, le=19, description="Priority of the job process, 19 the lowest.")
    max_regions: int = Field(
        default=200, gt=0, description="Regions of one series; further ones are left out, with a note."
    )
    job_time_limit_seconds: float = Field(
        default=1800.0, gt=0, description="A job that takes longer is ended and retried."
    )
    reconcile_seconds: float = Field(
        default=30.0, gt=0, description="How often Orthanc's changes are read without a nudge."
    )


class WebSettings(Section):
    """The HTTP side."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8043, ge=0, le=65535, description="Port to listen on.")
    prefix: str = Field(default="/similar-cases", description="Where the routes begin; the same as in Orthanc.")
    token: SecretStr = Field(
        default=SecretStr(""), description="What the bridge shows in every request; needed to serve."
    )
    threads: int = Field(default=8, gt=0, description="Requests that are answered at the same time.")
    max_body_kib: int = Field(default=2048, gt=0, description="Largest body of a request; masks are the large ones.")
    max_limit: int = Field(default=100, gt=0, description="Largest page of similar cases.")
    viewers: Annotated[dict[str, ViewerAddress], FromJson] = Field(
        default={},
        description="Viewers besides Orthanc's own: address by name, with {study}, {series}; JSON in the env.",
    )
    caller_credentials: Annotated[tuple[Annotated[str, StringConstraints(to_lower=True)], ...], FromCommas] = Field(
        default=(),
        description="Headers by which Orthanc is asked what a caller may read; none: whoever may ask sees everything.",
    )
    audit_days: int = Field(
        default=365, ge=0, description="How long the catalogue keeps who asked what; 0 leaves the log's lines alone."
    )

    @field_validator("prefix")
    @classmethod
    def _rooted(cls, prefix: str) -> str:
        trimmed = "/" + prefix.strip("/")
        if not all(part.replace("-", "").replace("_", "").isalnum() for part in trimmed[1:].split("/")):
            raise ValueError("must be a path of letters, digits, - and _, such as /similar-cases")
        return trimmed


class Settings(Section):
    """All sections."""

    pacs: PacsSettings = PacsSettings()
    segment: SegmentSettings = SegmentSettings()
    describe: DescribeSettings = DescribeSettings()
    record: RecordSettings = RecordSettings()
    index: IndexSettings = IndexSettings()
    rank: RankSettings = RankSettings()
    worker: WorkerSettings = WorkerSettings()
    web: WebSettings = WebSettings()


@dataclass(frozen=True)
class SettingName:
    """One setting: its place, what it is, and its names."""

    section: str
    name: str
    field: FieldInfo

    @property
    def path(self) -> str:
        """``section.name``."""
        return f"{self.section}.{self.name}"

    @property
    def env(self) -> str:
        """The environment variable."""
        return f"{ENV_PREFIX}{self.section}__{self.name}".upper()

    @property
    def is_secret(self) -> bool:
        """Whether it may come by environment alone."""
        return self.field.annotation is SecretStr

    @property
    def default(self) -> Any:
        """The value where nothing else is said."""
        return self.field.get_default(call_default_factory=True, validated_data={})


@dataclass(frozen=True)
class Effective:
    """The settings in force, and where each came from: ``flag``, ``environment``, ``file`` or ``default``."""

    settings: Settings
    origins: Mapping[str, str]

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Yield (path, value, origin) of every setting, secrets masked."""
        for known in setting_names():
            value = getattr(getattr(self.settings, known.section), known.name)
            yield known.path, shown(value), self.origins[known.path]


def setting_names() -> Iterator[SettingName]:
    """Yield every setting in the order of the classes."""
    for section, holder in Settings.model_fields.items():
        for name, field in _fields_of(holder).items():
            yield SettingName(section, name, field)


def load_settings(
    flags: Layer | None = None,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Effective:
    """Return the settings in force.

    Args:
        flags: section → name → value, from the command line.
        file: a TOML file; None for none.
        environment: None for the process's own.

    Raises:
        InvalidSettings: for a file that cannot be read, an unknown name, a value that cannot work, or a secret in
            the file.
    """
    variables = os.environ if environment is None else environment
    refuse_unknown_names(variables)
    layers = {"file": _from_file(file), "environment": _from_environment(variables), "flag": flags or {}}
    merged: dict[str, dict[str, object]] = {}
    origins = {known.path: "default" for known in setting_names()}
    for origin, layer in layers.items():
        for section, values in layer.items():
            merged.setdefault(section, {}).update(values)
            origins.update({f"{section}.{name}": origin for name in values})
    try:
        return Effective(Settings.model_validate(merged), origins)
    except ValidationError as error:
        raise InvalidSettings(_in_words(error, origins)) from None


def refuse_unknown_names(variables: Mapping[str, str]) -> None:
    """Refuse an environment variable under our prefix that no setting has, and name the nearest one.

    Raises:
        InvalidSettings: for the first such name.

    >>> refuse_unknown_names({"SIMILAR_CASES_PAX__USERNAME": "x"})
    Traceback (most recent call last):
    similar_cases.domain.errors.InvalidSettings: unknown SIMILAR_CASES_PAX__USERNAME; did you mean SIMILAR_CASES_PACS__USERNAME?
    """  # noqa: E501
    known = [setting.env for setting in setting_names()]
    for name in sorted(variables):
        if name.upper().startswith(ENV_PREFIX) and name not in known and name not in OTHER_ENV:
            nearest = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.0)
            raise InvalidSettings(f"unknown {name}; did you mean {nearest[0]}?")


def shown(value: object) -> str:
    """Return a value as people read it; a secret is masked, and an empty one is told to be empty.

    >>> shown(SecretStr("abc")), shown(("CT", "MR"))
    ('********', 'CT, MR')
    """
    if isinstance(value, SecretStr):
        return "********" if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name}={weight}" for name, weight in value.items())
    return "" if value is None else str(value)


def _fields_of(holder: FieldInfo) -> dict[str, FieldInfo]:
    section = holder.annotation
    assert isinstance(section, type)
    assert issubclass(section, Section)
    return section.model_fields


def _from_environment(variables: Mapping[str, str]) -> Layer:
    """Return the settings that stand in `variables`; an empty value says nothing, as compose files write it."""
    layer: dict[str, dict[str, object]] = {}
    for known in setting_names():
        if text := variables.get(known.env, ""):
            layer.setdefault(known.section, {})[known.name] = text
    return layer


def _from_file(path: Path | None) -> Layer:
    if path is None:
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(f"settings file {path} cannot be read: {error}") from None
    for name, section in values.items():
        if not isinstance(section, dict):
            raise InvalidSettings(f"settings file {path}: {name!r} stands outside a section")
    for known in setting_names():
        if known.is_secret and known.name in values.get(known.section, {}):
            raise InvalidSettings(f"settings file {path}: {known.path} is a secret; give it as {known.env}")
    return values


def _in_words(error: ValidationError, origins: Mapping[str, str]) -> str:
    """Return the first fault in one line: where, from which origin, and what."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = ".".join(str(part) for part in fault["loc"][:2])
    if fault["type"] == "extra_forbidden":
        nearest = difflib.get_close_matches(path, [known.path for known in setting_names()], n=1, cutoff=0.0)
        return f"unknown setting {path}; did you mean {nearest[0]}?"
    origin = origins.get(path, "")
    return f"setting {path}{f' ({origin})' if origin else ''}: {fault['msg'].removeprefix('Value error, ')}"
