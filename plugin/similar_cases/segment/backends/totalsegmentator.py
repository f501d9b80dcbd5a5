"""`Segmenter` by the site's own TotalSegmentator (Wasserthal et al., 10.1148/ryai.230024): organs and bones by class.

Its command runs in a process of its own, on a NIfTI file without a name in a folder that goes with the call, and gives
one label map; names of the labels are read from the map itself. The command gets an environment of few words: it finds
the site's weights (Apache-2.0 for the tasks ``total`` and ``total_mr``, which are used here: CT and MR) and licence,
but counts nothing at its makers' server, and reaches no network: have the weights fetched first, by
``totalseg_download_weights``.

A class prompt gives that structure; a point gives the structure that it lies in. The map of the last volume is kept, so
that all structures of a series cost one run.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from similar_cases.domain.errors import InvalidSettings, SegmentationFailed, SegmenterUnavailable
from similar_cases.domain.prompts import ClassPrompt, PromptSet
from similar_cases.domain.region import AlgorithmIdentity, Region
from similar_cases.domain.volume import Volume, VoxelUnit
from similar_cases.segment.anatomy import Structure, structure_named, structures_meant
from similar_cases.segment.backends.answer import classes_of, has_place, points_of, region_of
from similar_cases.segment.backends.label_map import LabelMap, read_label_map, write_volume
from similar_cases.segment.backends.promptable.look import Found
from similar_cases.segment.backends.promptable.segmenter import told_of

#: variables that a command needs to find its libraries and its GPU; no secret of ours is among them
_PASSED_ON = ("PATH", "HOME", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME", "TMPDIR", "LANG", "LC_ALL")
#: an address at which nobody listens: the command must not fetch or send
_NOWHERE = "http://127.0.0.1:9"
#: characters of what the command said that an error tells
_TOLD = 300


@dataclass(frozen=True, kw_only=True)
class Command:
    """The site's command, the patience for it, and the environment of which it is given what it needs."""

    path: str = "TotalSegmentator"
    device: str = "cpu"
    timeout_seconds: float = 600.0
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class TotalSegmentator:
    """The command of the site. Keeps the label map of the last volume; one run at a time, and shared by threads.

    Raises:
        InvalidSettings: when there is no such command.
    """

    def __init__(self, command: Command) -> None:
        found = shutil.which(command.path)
        if found is None:
            raise InvalidSettings(
                f"no command {command.path}; install TotalSegmentator in an environment of its own, and set "
                "segment.command to its full path"
            )
        self._command = replace(command, path=found)
        self._lock = threading.Lock()
        self._last: tuple[tuple[object, ...], LabelMap] | None = None

    @cached_property
    def identity(self) -> AlgorithmIdentity:
        """Name, and the version that the command tells."""
        return AlgorithmIdentity("TotalSegmentator", self._version(), (("tasks", "total, total_mr"),))

    def look(self) -> str:
        """Say where the command is, and that it runs.

        Raises:
            SegmenterUnavailable: when it does not.
        """
        return f"{self._command.path} ({self.identity.version})"

    def classes_in(self, volume: Volume) -> tuple[ClassPrompt, ...]:
        """Return every structure that the command finds in a volume, as the prompts that give them.

        Raises:
            SegmentationFailed: and SegmenterUnavailable, as `segment`.
        """
        found = self._label_map(volume)
        known = (structure_named(found.names[label]) for label in found.present())
        return tuple(ClassPrompt(one.concept, one.side) for one in known if one is not None)

    def segment(self, volume: Volume, prompts: PromptSet) -> Region:
        """Return the structures that classes mean, or that the points inside lie in, as one Region.

        Raises:
            SegmentationFailed: for another modality than CT and MR, a class that is not there, a point in none of its
                structures, or when the command refuses the volume.
            SegmenterUnavailable: when the command takes too long.
        """
        meant = [one for prompt in classes_of(prompts) for one in structures_meant(prompt)]
        found = self._label_map(volume)
        labels = found.labels_of([one.name for one in meant])
        if has_place(prompts):
            told = told_of(prompts, volume.geometry)
            index = np.rint(volume.geometry.lps_to_index(points_of(told, volume.geometry).inside_lps)).astype(int)
            here = {int(found.array[tuple(voxel)]) for voxel in index} - {0}
            labels = sorted(here & set(labels)) if meant else sorted(here)
        if not labels:
            raise SegmentationFailed(f"TotalSegmentator found {_words(meant)} not there; it knows organs, no lesions")
        mask = np.isin(found.array, labels)
        structure = structure_named(found.names[labels[0]]) if len(labels) == 1 else None
        named = _named(prompts, structure)
        return region_of(Found(mask, np.zeros(3, np.int64), quality=0.0), volume, named, self.identity)

    def _label_map(self, volume: Volume) -> LabelMap:
        """Return what the command says of a volume, from the last run where that was on the same voxels."""
        voxels = zlib.crc32(np.ascontiguousarray(volume.array).data)
        key = (volume.geometry.shape, volume.geometry.affine.tobytes(), volume.unit, volume.facts.modality, voxels)
        with self._lock:
            if self._last is None or self._last[0] != key:
                self._last = (key, self._run(volume, _task_of(volume)))
            return self._last[1]

    def _run(self, volume: Volume, task: str) -> LabelMap:
        with tempfile.TemporaryDirectory(prefix="similar-cases-") as name:
            folder = Path(name)
            write_volume(volume, folder / "image.nii.gz")
            words = ["-i", str(folder / "image.nii.gz"), "-o", str(folder / "labels.nii.gz"), "--ml"]
            words += ["--output_type", "nifti", "--task", task, "--device", _device(self._command.device), "--quiet"]
            self._call(words, folder, self._command.timeout_seconds)
            return read_label_map(folder / "labels.nii.gz", volume.geometry)

    def _version(self) -> str:
        with tempfile.TemporaryDirectory(prefix="similar-cases-") as folder:
            said = self._call(["--version"], Path(folder), self._command.timeout_seconds)
        return (said.strip().splitlines() or ["unknown"])[-1][:64]

    def _call(self, words: list[str], folder: Path, seconds: float) -> str:
        """Run the command, and return what it said; it and all that it started end within `seconds`."""
        log = folder / "said.txt"
        with log.open("wb") as said:
            child = subprocess.Popen(  # noqa: S603  # the site's own command, without a shell
                [self._command.path, *words],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env=_environment(folder, self._command.environment),
                cwd=folder,
                start_new_session=True,
            )
            try:
                status = child.wait(seconds)
            except subprocess.TimeoutExpired:
                raise SegmenterUnavailable(f"TotalSegmentator did not end within {seconds:g} s") from None
            finally:
                _end(child)
        told = log.read_text("utf-8", errors="replace")
        if status != 0:
            raise SegmentationFailed(f"TotalSegmentator ended with status {status}: {' '.join(told[-_TOLD:].split())}")
        return told


def _environment(folder: Path, own: Mapping[str, str]) -> dict[str, str]:
    """Return the command's environment: the site's weights and licence, settings that send nothing, and no way out."""
    home = Path(own.get("TOTALSEG_HOME_DIR") or f"{own.get('HOME', '/tmp')}/.totalsegmentator")  # noqa: S108  # as it does
    theirs = home / "config.json"
    try:
        kept = json.loads(theirs.read_text("utf-8"))
    except (OSError, ValueError):
        kept = {}
    config = {"totalseg_id": "totalseg_local", "prediction_counter": 0, "send_usage_stats": False}
    licence = {"license_number": kept["license_number"]} if isinstance(kept, dict) and "license_number" in kept else {}
    ours = folder / "totalseg-home"
    ours.mkdir(exist_ok=True)
    (ours / "config.json").write_text(json.dumps(config | licence), "utf-8")
    passed = {name: own[name] for name in _PASSED_ON if name in own}
    no_way_out = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), _NOWHERE)
    weights = own.get("TOTALSEG_WEIGHTS_PATH") or str(home / "nnunet" / "results")
    return {**passed, **no_way_out, "TOTALSEG_HOME_DIR": str(ours), "TOTALSEG_WEIGHTS_PATH": weights}


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a command and what it left behind; its session is its own."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        child.wait()


def _task_of(volume: Volume) -> str:
    if volume.unit is VoxelUnit.HU:
        return "total"
    if volume.facts.modality == "MR":
        return "total_mr"
    raise SegmentationFailed("TotalSegmentator takes CT and MR alone; choose another segmenter for this series")


def _device(device: str) -> str:
    return "gpu" if device.startswith("cuda") else "cpu"


def _named(prompts: PromptSet, structure: Structure | None) -> PromptSet:
    """Say what was found, where nobody has said what it is."""
    if structure is None:
        return prompts
    return replace(
        prompts,
        label=prompts.label or structure.name.replace("_", " "),
        finding=prompts.finding or structure.concept,
        finding_site=prompts.finding_site or structure.concept,
    )


def _words(meant: list[Structure]) -> str:
    return ", ".join(one.name for one in meant[:3]) or "anything at the point"
