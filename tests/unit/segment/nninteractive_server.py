"""A server that speaks nnInteractive's protocol, in place of the true one, whose weights cannot be had here.

Routes, headers, statuses and the packing of arrays are those of nnInteractive 2.6.0 (``inference/server/app.py``); the
official client, which the adapter uses, is what asks. What it "predicts" is by rule: a ball round each point inside,
less a ball round each point outside, and all of a box.
"""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from nnInteractive.inference.remote.serialization import pack_array, unpack_array

RADIUS, HOLE = 9.0, 3.0


@dataclass
class Session:
    """One lease, and what was done under it."""

    image: np.ndarray | None = None
    target: np.ndarray | None = None
    seen_at: float = 0.0


@dataclass
class Behaviour:
    """What a test makes of the server."""

    key: str = ""
    max_sessions: int = 1
    liveness_seconds: float = 60.0
    delay_seconds: float = 0.0
    takes_3d_boxes: bool = False
    fault: tuple[str, int] = ("", 0)
    garbage: bool = False
    forget_leases: bool = False


@dataclass
class Double:
    """The server's state, for a test to look at."""

    behaviour: Behaviour
    sessions: dict[str, Session] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    url: str = ""

    def bodies(self, path: str) -> list[Any]:
        return [body for one, body in self.asked if one == path]


@contextmanager
def served(**behaviour: Any) -> Iterator[Double]:
    """Run a server on a free port of this machine."""
    double = Double(Behaviour(**behaviour))
    handler = type("Handler", (_Handler,), {"double": double})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Gone(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    double: Double
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        behaviour = self.double.behaviour
        try:
            if behaviour.key and self.headers.get("Authorization") != f"Bearer {behaviour.key}":
                raise _Gone(401, "Invalid bearer token")
            if self.path == behaviour.fault[0]:
                raise _Gone(behaviour.fault[1], "as the test wants")
            content, meta = self._done(body)
            self._send(200, content, meta)
        except _Gone as gone:
            self._send(gone.status, json.dumps({"detail": str(gone)}).encode(), None)

    def _send(self, status: int, content: bytes, meta: dict[str, Any] | None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/octet-stream" if meta is not None else "application/json")
        if meta is not None:
            self.send_header("X-Meta", json.dumps(meta))
        self.end_headers()
        self.wfile.write(content)

    def _done(self, body: bytes) -> tuple[bytes, dict[str, Any] | None]:
        name = self.path.strip("/")
        if name == "claim":
            return self._claim(), None
        if name == "release":
            self.double.sessions.pop(self.headers.get("X-Lease-Token", ""), None)
            self.double.asked.append((name, None))
            return b'{"released": true}', None
        if name == "capabilities":
            return json.dumps(self._capabilities()).encode(), None
        session = self._session()
        if name == "heartbeat":
            self.double.asked.append((name, None))
            return b'{"remaining_seconds": 599.0}', None
        time.sleep(self.double.behaviour.delay_seconds)
        return self._act(name, session, body)

    def _claim(self) -> bytes:
        if len(self.double.sessions) >= self.double.behaviour.max_sessions:
            raise _Gone(503, f"server is at capacity ({self.double.behaviour.max_sessions} sessions)")
        token = uuid.uuid4().hex
        self.double.sessions[token] = Session()
        told = {
            "lease_token": token,
            "idle_timeout_seconds": 600.0,
            "liveness_timeout_seconds": self.double.behaviour.liveness_seconds,
            "max_sessions": self.double.behaviour.max_sessions,
        }
        return json.dumps(told).encode()

    def _capabilities(self) -> dict[str, Any]:
        boxes = self.double.behaviour.takes_3d_boxes
        return {
            "supported_interactions": {
                "points": True,
                "scribble": True,
                "lasso": True,
                "bbox2d": True,
                "bbox3d": boxes,
            },
            "channel_mapping": {"points": [3, 4], "bbox2d": [1, 2], "bbox3d": [1, 2], "initial_seg": 0},
            "num_interaction_channels": 7,
            "supports_initial_label": True,
            "supports_zero_shot_label_refinement": True,
            "preferred_scribble_thickness": [2, 2, 2],
            "interaction_decay": 0.9,
            "patch_size": [192, 192, 192],
            "do_autozoom": True,
            "inference_session_version": 2,
            "license": "CC BY-NC-SA 4.0",
        }

    def _session(self) -> Session:
        session = self.double.sessions.get(self.headers.get("X-Lease-Token", ""))
        if session is None or self.double.behaviour.forget_leases:
            raise _Gone(410, "lease expired or unknown")
        return session

    def _act(self, name: str, session: Session, body: bytes) -> tuple[bytes, dict[str, Any] | None]:
        if name in ("set_image", "add_initial_seg_interaction"):
            array, meta = unpack_array(body), json.loads(self.headers["X-Meta"])
            self.double.asked.append((name, (array, meta)))
            if name == "set_image":
                if array.ndim != 4:
                    raise _Gone(400, f"expected a 4d image as input, got {array.ndim}d")
                session.image = array
                return json.dumps({"original_image_shape": list(array.shape)}).encode(), None
            session.target[:] = array
            return b"", {"ran_prediction": bool(meta["run_prediction"]), "bbox": None}
        told = json.loads(body)
        self.double.asked.append((name, told))
        if name == "set_target_buffer":
            session.target = np.zeros(told["shape"], dtype=told["dtype"])
            return b"{}", None
        if name == "add_point_interaction":
            return self._drawn(session, *_ball(told, session.target.shape))
        if name == "add_bbox_interaction":
            spans = told["bbox_coords"]
            if not self.double.behaviour.takes_3d_boxes and all(high - low > 1 for low, high in spans):
                raise _Gone(400, "This is not supported by the loaded model checkpoint.")
            mask = np.zeros(session.target.shape, bool)
            mask[tuple(slice(low, high) for low, high in spans)] = True
            return self._drawn(session, mask, told["include_interaction"])
        raise _Gone(404, "Not Found")

    def _drawn(self, session: Session, mask: np.ndarray, is_inside: bool) -> tuple[bytes, dict[str, Any]]:
        session.target[mask] = int(is_inside)
        spans = [np.flatnonzero(mask.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
        box = [[int(span[0]), int(span[-1]) + 1] for span in spans]
        part = session.target[tuple(slice(low, high) for low, high in box)]
        content = b"garbage" if self.double.behaviour.garbage else pack_array(part)
        return content, {"ran_prediction": True, "bbox": box, "dtype": str(part.dtype), "shape": list(part.shape)}


def _ball(told: dict[str, Any], shape: tuple[int, ...]) -> tuple[np.ndarray, bool]:
    k, j, i = ((np.arange(n) - c) ** 2 for n, c in zip(shape, told["coordinates"], strict=True))
    radius = RADIUS if told["include_interaction"] else HOLE
    return k[:, None, None] + j[None, :, None] + i[None, None, :] <= radius**2, told["include_interaction"]
