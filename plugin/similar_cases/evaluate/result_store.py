"""What was computed of a volume, kept on disk for the next run; each file is named by everything that made it.

A file that is there is right: its name is the fingerprint of the images' files, the model, the recipe and this code's
layout. Arrays are ``.npy``, everything else JSON; both appear whole or not at all.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.description import fingerprint

#: changes when what is stored under a key changes its meaning
_LAYOUT = 1


class ResultStore:
    """A folder of results. Processes may share it: a result that two make at once is the same result."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def array(self, key: object, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """Return the array kept under `key`, made where there is none."""
        path = self._path(key, ".npy")
        if not path.is_file():
            made = make()
            with _written(path) as temporary, temporary.open("wb") as file:
                np.save(file, made, allow_pickle=False)
        return np.asarray(np.load(path, allow_pickle=False))

    def document(self, key: object, make: Callable[[], Any]) -> Any:
        """Return the JSON document kept under `key`, made where there is none."""
        path = self._path(key, ".json")
        if not path.is_file():
            made = make()
            with _written(path) as temporary:
                temporary.write_text(json.dumps(made), encoding="utf-8")
        return json.loads(path.read_text(encoding="utf-8"))

    def _path(self, key: object, ending: str) -> Path:
        name = fingerprint((_LAYOUT, key))
        return self._folder / name[:2] / f"{name}{ending}"


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    """Give a path to write to, and put what was written in place when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid4().hex[:8]}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def files_key(folder: Path) -> str:
    """Return a fingerprint of the names, sizes and times of the files under `folder`, or of one file."""
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    stats = [(str(path.relative_to(folder.parent)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return fingerprint(stats)
