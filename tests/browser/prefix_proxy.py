"""A reverse proxy that takes a prefix away before Orthanc, as a hospital's nginx does."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PREFIX = "/pacs"


@contextmanager
def behind_a_prefix(orthanc_url: str) -> Iterator[str]:
    """Yield the address under which `orthanc_url` is seen through the proxy, the prefix included."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            if not self.path.startswith(PREFIX + "/"):
                self.send_error(404)
                return
            upstream = http.client.HTTPConnection(urlsplit(orthanc_url).netloc, timeout=120)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            told = {**self.headers, "X-Forwarded-Prefix": PREFIX, "X-Forwarded-Host": self.headers["Host"]}
            upstream.request(self.command, self.path.removeprefix(PREFIX), body or None, told)
            came = upstream.getresponse()
            content = came.read()
            self.send_response(came.status)
            for name, value in came.getheaders():
                if name.lower() not in ("connection", "content-length", "transfer-encoding", "keep-alive"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            upstream.close()

        do_GET = do_POST = answer  # noqa: N815  the names that http.server asks for

        def log_message(self, format: str, *values: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{PREFIX}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
