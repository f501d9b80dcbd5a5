# ruff: noqa: N802 - the names are the SDK's
"""Calls of Orthanc's REST API, named as in its Python SDK."""

import requests

TIMEOUT_SECONDS = 60.0


class OrthancException(Exception):
    """Orthanc answered a call of its REST API with an error, or not at all."""


class RestApi:
    """The REST API of a running Orthanc.

    Attributes:
        url: its address, without a slash at the end.
        session: with what it takes to be let in.
    """

    def __init__(self, url: str, session: requests.Session) -> None:
        self.url = url.rstrip("/")
        self.session = session

    def RestApiGet(self, uri: str, /) -> bytes:
        """Return what GET answers.

        Raises:
            OrthancException: when the status is an error's.
        """
        return self._call("GET", uri)

    def RestApiPost(self, uri: str, body: bytes | str, /) -> bytes:
        """Return what POST of `body` answers."""
        return self._call("POST", uri, body)

    def RestApiPut(self, uri: str, body: bytes | str, /) -> bytes:
        """Return what PUT of `body` answers."""
        return self._call("PUT", uri, body)

    def RestApiDelete(self, uri: str, /) -> None:
        """DELETE a resource."""
        self._call("DELETE", uri)

    # Over HTTP the routes of Orthanc's plugins are always among the others.
    RestApiGetAfterPlugins = RestApiGet
    RestApiPostAfterPlugins = RestApiPost
    RestApiPutAfterPlugins = RestApiPut
    RestApiDeleteAfterPlugins = RestApiDelete

    def _call(self, method: str, uri: str, body: bytes | str | None = None) -> bytes:
        try:
            answer = self.session.request(method, self.url + uri, data=body, timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            raise OrthancException(f"{method} {uri}: {error}") from error
        if not answer.ok:
            raise OrthancException(f"{method} {uri}: status {answer.status_code}")
        return answer.content
