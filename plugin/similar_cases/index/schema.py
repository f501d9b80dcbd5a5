"""The catalogue's tables. A change of a table raises `SCHEMA_VERSION`; a database of another version is refused."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

SCHEMA_VERSION = 1

metadata = MetaData()

#: name → number: ``schema`` version, ``generation`` of the vectors; and the cursors of Orthanc's feed of changes
meta = Table(
    "meta", metadata, Column("name", String(64), primary_key=True), Column("value", BigInteger, nullable=False)
)

series = Table(
    "series",
    metadata,
    Column("series_uid", String(64), primary_key=True),
    Column("study_uid", String(64), nullable=False, index=True),
    Column("series_orthanc_id", String(64), nullable=False, default="", index=True),
    Column("study_orthanc_id", String(64), nullable=False, default="", index=True),
    Column("patient_orthanc_id", String(64), nullable=False, default="", index=True),
    Column("kind", String(16), nullable=False),
    Column("modality", String(16), nullable=False, default=""),
    Column("instance_count", Integer, nullable=False, default=0),
    #: a SeriesState; null for a series that has no job (ours, other)
    Column("state", String(16), index=True),
    Column("reason", Text, nullable=False, default=""),
    Column("attempts", Integer, nullable=False, default=0),
    #: what the series was last brought to: the job key of its content and of the pipeline; empty before
    Column("content_key", String(64), nullable=False, default=""),
    Column("pipeline", String(32), nullable=False, default=""),
    Column("timings", JSON, nullable=False, default=dict),
    Column("notes", JSON, nullable=False, default=list),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("indexed_at", Float),
)

#: which image series an annotation series (RTSTRUCT, SEG, SR, PR) refers to; an empty one stands for every image
#: series of the annotation's own study, for annotations that name frames of reference or instances alone
annotation_links = Table(
    "annotation_links",
    metadata,
    Column("annotation_series_uid", String(64), primary_key=True),
    Column("image_series_uid", String(64), primary_key=True, index=True),
    Column("annotation_study_uid", String(64), nullable=False),
)

cases = Table(
    "cases",
    metadata,
    Column("uid", String(64), primary_key=True),
    Column("level", String(8), nullable=False),
    Column("series_uid", String(64), nullable=False, index=True),
    Column("study_uid", String(64), nullable=False, index=True),
    Column("volume_number", Integer, nullable=False),
    Column("volume_label", Text, nullable=False),
    Column("tracking_uid", String(64), nullable=False, index=True),
    Column("space_id", String(12), nullable=False),
    Column("key_frame", JSON, nullable=False),
    Column("location", JSON),
    Column("region", JSON),
    # SeriesFacts, one column each, as filters read them
    Column("patient_id", Text, nullable=False, index=True),
    Column("patient_name", Text, nullable=False),
    #: every group of the name, folded, between ``=``: PatientName matches in either case (PS3.4 C.2.2.2.1)
    Column("patient_name_folded", Text, nullable=False),
    Column("patient_sex", Text, nullable=False),
    Column("patient_birth_date", Text, nullable=False),
    Column("patient_age_years", Float),
    Column("study_date", Text, nullable=False, index=True),
    Column("study_time", Text, nullable=False),
    Column("study_description", Text, nullable=False),
    Column("accession_number", Text, nullable=False, index=True),
    Column("modality", Text, nullable=False),
    Column("series_number", BigInteger),
    Column("series_description", Text, nullable=False),
    Column("body_part_examined", Text, nullable=False),
    Column("manufacturer", Text, nullable=False),
    Column("manufacturer_model_name", Text, nullable=False),
)

#: every EmbeddingSpace that ever had vectors
spaces = Table(
    "spaces",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("space", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
)

#: half-precision little-endian vectors of Cases; `generation` grows with every change, over both tables
vectors = Table(
    "vectors",
    metadata,
    Column("case_uid", String(64), primary_key=True),
    Column("space_id", String(12), primary_key=True),
    Column("series_uid", String(64), nullable=False, index=True),
    Column("vector", LargeBinary, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Index("ix_vectors_space_generation", "space_id", "generation"),
)

#: Cases that are gone, so that the indexes of other processes forget them too; one row a Case, ever
removed = Table(
    "removed",
    metadata,
    Column("case_uid", String(64), primary_key=True),
    Column("space_id", String(12), primary_key=True),
    Column("generation", BigInteger, nullable=False, index=True),
)

slice_vectors = Table(
    "slice_vectors",
    metadata,
    Column("case_uid", String(64), primary_key=True),
    Column("space_id", String(12), nullable=False),
    Column("series_uid", String(64), nullable=False, index=True),
    Column("slices", Integer, nullable=False),
    Column("vectors", LargeBinary, nullable=False),
)

#: which Frames the rows of `slice_vectors` are: [k, SOP Instance UID, frame number or null] each, of one SOP Class
slice_frames = Table(
    "slice_frames",
    metadata,
    Column("case_uid", String(64), primary_key=True),
    Column("series_uid", String(64), nullable=False, index=True),
    Column("sop_class_uid", String(64), nullable=False),
    Column("frames", JSON, nullable=False),
)

#: the recipe of radiomics values, and the order of the names in their blobs; names only grow
recipes = Table(
    "recipes",
    metadata,
    Column("fingerprint", String(12), primary_key=True),
    Column("recipe", JSON, nullable=False),
    Column("names", JSON, nullable=False),
)

#: float64 little-endian values in the order of the recipe's names, NaN for absent, why in `missing`
radiomics = Table(
    "radiomics",
    metadata,
    Column("case_uid", String(64), primary_key=True),
    Column("fingerprint", String(12), nullable=False),
    Column("series_uid", String(64), nullable=False, index=True),
    Column("values", LargeBinary, nullable=False),
    Column("missing", JSON, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Index("ix_radiomics_fingerprint_generation", "fingerprint", "generation"),
)

#: words on a Case: a caption of its coded facts, and the text of its Study's reports
captions = Table(
    "captions",
    metadata,
    Column("case_uid", String(64), primary_key=True),
    Column("series_uid", String(64), nullable=False, index=True),
    Column("level", String(8), nullable=False),
    Column("caption", Text, nullable=False),
    Column("report", Text, nullable=False),
    Column("generation", BigInteger, nullable=False, index=True),
)

#: SOP Instance UIDs of the SEG and the SR that were stored for a Case
results = Table(
    "results",
    metadata,
    Column("case_uid", String(64), primary_key=True),
    Column("kind", String(3), primary_key=True),
    Column("sop_instance_uid", String(64), nullable=False, index=True),
    Column("series_uid", String(64), nullable=False, index=True),
)

#: what people said of answers: one word of one user on one answer to one question
feedback = Table(
    "feedback",
    metadata,
    #: what was asked about, derived from the series, the region or the prompts
    Column("asked_uid", String(64), primary_key=True),
    Column("case_uid", String(64), primary_key=True),
    Column("user", String(128), primary_key=True),
    Column("asked_study_uid", String(64), nullable=False),
    Column("asked_series_uid", String(64), nullable=False, index=True),
    Column("asked_tracking_uid", String(64), nullable=False),
    #: points and box, LPS mm, as they were sent
    Column("asked_prompts", JSON, nullable=False),
    Column("case_series_uid", String(64), nullable=False, index=True),
    Column("case_tracking_uid", String(64), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("rank", Integer),
    Column("score", Float),
    Column("told_at", Float, nullable=False),
)

#: who asked what; never forgotten with a series, but after a number of days
audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", Float, nullable=False, index=True),
    Column("user", String(128), nullable=False),
    Column("route", String(64), nullable=False),
    Column("kinds", JSON, nullable=False),
    Column("asked", JSON, nullable=False),
    Column("cases", Integer, nullable=False),
    Column("shown", JSON, nullable=False),
)
