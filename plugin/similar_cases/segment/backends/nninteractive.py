"""`Segmenter` by a nnInteractive server of the site (Isensee et al., arXiv 2503.08373): points, boxes and masks.

The server is MIC-DKFZ's ``nninteractive-server``; its protocol is spoken by its own client, PyPI's
``nninteractive-client`` (Apache-2.0, an extra of this distribution), which claims a lease, shows signs of life while it
holds it, and gives it back. The released checkpoint is CC BY-NC-SA 4.0: not for commercial use.

Each Region takes a session of its own, so that no slot of the server is held while nobody asks: the image is sent, the
mask so far, the box, and one point after another are given, each with a prediction, as a person would.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.errors import InvalidSettings, SegmentationFailed, SegmenterUnavailable
from similar_cases.domain.prompts import PromptSet
from similar_cases.domain.region import AlgorithmIdentity, Region
from similar_cases.domain.volume import Volume, VoxelUnit
from similar_cases.segment.backends.answer import points_of, refuse_classes, region_of
from similar_cases.segment.backends.promptable.look import Found
from similar_cases.segment.backends.promptable.segmenter import Told, told_of

#: points that are given one after another; further ones would only repeat
MAX_POINTS = 32


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where a server is, and the patience for it.

    Attributes:
        key: what it was started with as ``--api-key``; empty for none.
        timeout_seconds: how long one answer may take; the upload of the image takes what it takes, within ten of these.
    """

    url: str
    key: str = field(default="", repr=False)
    timeout_seconds: float = 60.0


class NnInteractiveSegmenter:
    """A server of nnInteractive. Holds no connection between calls, and may be shared by threads.

    Raises:
        InvalidSettings: without ``nninteractive-client``, or without the server's address.
    """

    def __init__(self, server: Server) -> None:
        if find_spec("nnInteractive") is None:
            raise InvalidSettings("nnInteractive needs its client: pip install 'similar-cases[nninteractive]'")
        if not server.url.startswith(("http://", "https://")):
            raise InvalidSettings("segment.server_url names nnInteractive's server, such as http://gpu.example:1527")
        self._server = server
        where = urlsplit(server.url)
        self._identity = AlgorithmIdentity(
            name="nnInteractive",
            version=version("nninteractive-client"),
            parameters=(("server", f"{where.hostname}:{where.port or 80}"),),
        )

    @property
    def identity(self) -> AlgorithmIdentity:
        """Name, the client's version, and which server; which checkpoint it runs, only its operator knows."""
        return self._identity

    def look(self) -> str:
        """Ask the server what it is.

        Raises:
            SegmenterUnavailable: and InvalidSettings, as `segment`.
        """
        with self._session() as session:
            supported = sorted(name for name, does in session.supported_interactions.items() if does)
            return f"takes {', '.join(supported)}; weights: {session.license or 'licence not told'}"

    def segment(self, volume: Volume, prompts: PromptSet) -> Region:
        """Return the Region that points, a box and a mask so far mean.

        Raises:
            SegmentationFailed: for a class alone, no positive prompt in the volume, or when nothing was found.
            SegmenterUnavailable: when the server does not answer in time, is full, or gives another fault of its own.
            InvalidSettings: when it does not take the key.
        """
        refuse_classes(prompts, "nnInteractive")
        told = told_of(prompts, volume.geometry)
        image = _sent(volume)[None]  # (1, k, j, i)
        with self._session() as session:
            session.set_image(image, {"spacing": list(volume.geometry.spacing_mm)})
            drawn = np.zeros(volume.geometry.shape, dtype=np.uint8)
            session.set_target_buffer(drawn)
            _interact(session, told, volume)
        found = Found(drawn > 0, np.zeros(3, dtype=np.int64), quality=0.0)
        return region_of(found, volume, prompts, self._identity)

    @contextmanager
    def _session(self) -> Iterator[Any]:
        """Claim a session, give it, and give it back; the server's faults become ours, told in words."""
        import httpx
        from nnInteractive.inference.remote.remote_session import ServerAtCapacityError, SessionExpiredError

        url, seconds = self._server.url, self._server.timeout_seconds
        try:
            session = _client()(
                url,
                # an empty key would make the client read one from the environment
                api_key=self._server.key or "none",
                connect_timeout=min(10.0, seconds),
                read_timeout=seconds,
                set_image_read_timeout=10 * seconds,
                write_timeout=10 * seconds,
            )
            with session:
                yield session
        except ServerAtCapacityError as error:
            raise SegmenterUnavailable(f"nnInteractive at {url} has no session free: {error}") from None
        except SessionExpiredError as error:
            raise SegmenterUnavailable(f"nnInteractive at {url} let go of the session: {error}") from None
        except httpx.HTTPStatusError as error:
            raise _fault(url, error.response.status_code, _detail(error.response)) from None
        except httpx.TimeoutException:
            raise SegmenterUnavailable(f"nnInteractive at {url} gave no answer within {seconds:g} s") from None
        except httpx.HTTPError as error:
            raise SegmenterUnavailable(f"nnInteractive at {url} does not answer: {error}") from None
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise SegmenterUnavailable(f"nnInteractive at {url} answers in words of another version: {error}") from None


def _client() -> Any:
    """Return the client's class, which also cleans up when its construction fails.

    Its clean-up (2.6.0) asks for attributes that a refused claim never lets it set, and would leave its connections to
    the garbage collector.
    """
    from nnInteractive.inference.remote.remote_session import nnInteractiveRemoteInferenceSession

    unset = {"_stop_heartbeat": threading.Event(), "_heartbeat_thread": None}
    return type("Client", (nnInteractiveRemoteInferenceSession,), unset)


def _interact(session: Any, told: Told, volume: Volume) -> None:
    """Give all prompts; the session draws into the buffer that it was given."""
    if told.drawn is not None:
        session.add_initial_seg_interaction(_whole(told, volume), run_prediction=False)
    if told.box is not None:
        session.add_bbox_interaction(_box(told.box, takes_3d=bool(session.supported_interactions.get("bbox3d"))), True)
    inside = [tuple(voxel) for voxel in told.inside.tolist()]
    if not inside and told.box is None:
        deepest = volume.geometry.lps_to_index(points_of(told, volume.geometry).inside_lps)
        inside = [tuple(voxel) for voxel in np.rint(deepest).astype(int).tolist()]
    outside = [tuple(voxel) for voxel in told.outside.tolist()]
    for voxel, is_inside in [*((one, True) for one in inside), *((one, False) for one in outside)][:MAX_POINTS]:
        session.add_point_interaction(voxel, is_inside)


def _box(box: NDArray[np.int64], *, takes_3d: bool) -> list[list[int]]:
    """Return a box as half-open spans (k, j, i); of one slice, the middle one, where the model takes no 3-D boxes."""
    spans = [[int(first), int(last) + 1] for first, last in box.T]
    if not takes_3d and all(last - first > 1 for first, last in spans):
        middle = sum(spans[0]) // 2
        spans[0] = [middle, middle + 1]
    return spans


def _whole(told: Told, volume: Volume) -> NDArray[np.uint8]:
    """Return the mask so far over the whole volume."""
    assert told.drawn is not None
    mask = np.zeros(volume.geometry.shape, dtype=np.uint8)
    lower = np.rint(volume.geometry.lps_to_index(told.drawn.geometry.affine[:3, 3])[0]).astype(int)
    mask[tuple(slice(a, a + n) for a, n in zip(lower, told.drawn.mask.shape, strict=True))] = told.drawn.mask
    return mask


def _sent(volume: Volume) -> NDArray[Any]:
    """Return the voxels as they are sent: whole HU as int16, which halves the way, others as they are."""
    finite = np.nan_to_num(volume.array, nan=0.0, posinf=0.0, neginf=0.0)
    if volume.unit is VoxelUnit.HU and np.abs(finite).max(initial=0.0) < 2**15:
        whole = finite.astype(np.int16)
        if np.array_equal(whole, finite):
            return whole
    return finite.astype(np.float32)


def _detail(response: Any) -> str:
    """Return what a fault says of itself, shortened."""
    try:
        told = response.json().get("detail", "")
    except (ValueError, AttributeError):
        told = ""
    return str(told)[:200]


def _fault(url: str, status: int, detail: str) -> Exception:
    if status in (401, 403):
        return InvalidSettings(f"nnInteractive at {url} does not take the key; set SIMILAR_CASES_SEGMENT__SERVER_KEY")
    if status in (400, 413):
        return SegmentationFailed(f"nnInteractive refuses: {detail or status}")
    return SegmenterUnavailable(f"nnInteractive at {url} answers {status} {detail}".strip())
