"""Other people's indexes over the same vectors, asked the same questions: FAISS HNSW, pgvector and Milvus Lite.

Each is built once into a folder and found there by the next run. A question is a vector,
how many, and one of `FILTERS`.
"""

import os
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from tests.benchmark.synthetic_archive import SIZE, Attributes

#: name of a filter → its condition, in the words that SQL and Milvus share
FILTERS: Mapping[str, str] = MappingProxyType(
    {
        "none": "",
        "10 %": "modality = 'PT'",
        "0.1 %": "study_date >= 20150601 and study_date <= 20150607",
    }
)
BATCH = 10_000


class Rival(Protocol):
    """An index of someone else."""

    def nearest(self, query: NDArray[np.float32], count: int, filtered: str) -> list[int]:
        """Return positions of the nearest, most similar first; `filtered` is a name in FILTERS."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


def kept(attributes: Attributes) -> dict[str, NDArray[np.bool_] | None]:
    """Return name of a filter → which positions pass it; None for all."""
    days = attributes.date.astype(np.int64)
    return {
        "none": None,
        "10 %": attributes.modality == "PT",
        "0.1 %": (days >= 20150601) & (days <= 20150607),
    }


class FaissHnsw:
    """``IndexHNSWFlat`` with M 16, built with efConstruction 40, asked with efSearch 512; a bitmap for the filter."""

    def __init__(self, folder: Path, vectors: NDArray[np.float16], attributes: Attributes) -> None:
        path = folder / "hnsw.faiss"
        if not path.exists():
            index = faiss.IndexHNSWFlat(SIZE, 16, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = 40
            for start in range(0, len(vectors), BATCH):
                index.add(vectors[start : start + BATCH].astype(np.float32))
            faiss.write_index(index, str(path))
        self._index = faiss.read_index(str(path))
        self._bits = {
            name: None if one is None else np.packbits(one, bitorder="little") for name, one in kept(attributes).items()
        }

    def nearest(self, query: NDArray[np.float32], count: int, filtered: str) -> list[int]:
        bits = self._bits[filtered]
        chosen = {} if bits is None else {"sel": faiss.IDSelectorBitmap(bits)}
        found = self._index.search(query[None], count, params=faiss.SearchParametersHNSW(efSearch=512, **chosen))[1][0]
        return [int(one) for one in found if one >= 0]

    def close(self) -> None:
        del self._index


class PgVector:
    """pgvector's HNSW (m 16, ef_construction 64; asked with ef_search 128) beside indexes on the filters' columns."""

    def __init__(self, folder: Path, vectors: NDArray[np.float16], attributes: Attributes) -> None:
        import pgserver
        import psycopg

        (folder / "run").mkdir(mode=0o700, exist_ok=True)
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder / "run"))
        self._server = pgserver.get_server(folder / "postgres")
        self._connection = psycopg.connect(self._server.get_uri(), autocommit=True)
        do = self._connection.execute
        if do("select to_regclass('regions_built')").fetchone() == (None,):
            self._fill(vectors, attributes)
        do("set hnsw.ef_search = 128")
        do("set max_parallel_workers_per_gather = 2")

    def _fill(self, vectors: NDArray[np.float16], attributes: Attributes) -> None:
        do = self._connection.execute
        do("create extension if not exists vector")
        do("drop table if exists regions")
        do(f"create table regions (id int4 primary key, modality text, study_date int4, embedding vector({SIZE}))")
        head = struct.pack(">hh", SIZE, 0)
        with self._connection.cursor().copy("copy regions from stdin with (format binary)") as copy:
            copy.set_types(["int4", "text", "int4", "bytea"])
            for at, (modality, date) in enumerate(zip(attributes.modality, attributes.date, strict=True)):
                copy.write_row((at, str(modality), int(date), head + vectors[at].astype(">f4").tobytes()))
        do("create index on regions (modality)")
        do("create index on regions (study_date)")
        do("set maintenance_work_mem = '3GB'")
        do("set max_parallel_maintenance_workers = 1")
        do("create index on regions using hnsw (embedding vector_ip_ops) with (m = 16, ef_construction = 64)")
        do("analyze regions")
        do("create table regions_built ()")

    def nearest(self, query: NDArray[np.float32], count: int, filtered: str) -> list[int]:
        where = f"where {FILTERS[filtered]}" if FILTERS[filtered] else ""
        asked = f"select id from regions {where} order by embedding <#> %s::vector limit {count}"
        return [row[0] for row in self._connection.execute(asked, [str(query.tolist())])]

    def close(self) -> None:
        self._connection.close()
        self._server.cleanup()


class MilvusLite:
    """Milvus Lite's own choice of index (AUTOINDEX) for inner product."""

    def __init__(self, folder: Path, vectors: NDArray[np.float16], attributes: Attributes) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pymilvus import MilvusClient

        self._client: Any = MilvusClient(str(folder / "milvus.db"))
        self._built = folder / "milvus.built"
        if not self._built.exists():
            self._fill(vectors, attributes)
        self._client.load_collection("regions")

    def _fill(self, vectors: NDArray[np.float16], attributes: Attributes) -> None:
        if self._client.has_collection("regions"):
            self._client.drop_collection("regions")
        self._client.create_collection("regions", dimension=SIZE, metric_type="IP", id_type="int", auto_id=False)
        for start in range(0, len(vectors), BATCH):
            rows = [
                {
                    "id": at,
                    "vector": vectors[at].astype(np.float32).tolist(),
                    "modality": str(attributes.modality[at]),
                    "study_date": int(attributes.date[at]),
                }
                for at in range(start, min(start + BATCH, len(vectors)))
            ]
            self._client.insert("regions", rows)
        self._client.flush("regions")
        self._built.touch()

    def nearest(self, query: NDArray[np.float32], count: int, filtered: str) -> list[int]:
        asked = {"data": [query.tolist()], "limit": count, "filter": FILTERS[filtered].replace(" = ", " == ")}
        return [int(one["id"]) for one in self._client.search("regions", output_fields=["id"], **asked)[0]]

    def close(self) -> None:
        self._client.close()


RIVALS: Mapping[str, Any] = MappingProxyType(
    {"FAISS HNSW": FaissHnsw, "pgvector HNSW": PgVector, "Milvus Lite": MilvusLite}
)
