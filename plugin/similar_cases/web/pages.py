"""What people and tools read about the worker: the page, the API's document, its reading, and the capabilities."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from flask import Response, request, send_from_directory
from jinja2 import Environment, FileSystemLoader
from markupsafe import escape

from similar_cases import wire
from similar_cases.web import ask, capabilities, media, openapi, respond
from similar_cases.web.operations import WADL
from similar_cases.web.services import WebOptions

PAGE = Path(__file__).parent / "page"
TEMPLATES = Path(__file__).parent / "templates"


def _markup() -> str:
    # one module asks for the next: named beforehand they all come at once
    modules = "".join(f'\n    <link rel="modulepreload" href="page/{one.name}">' for one in sorted(PAGE.glob("*.js")))
    return (PAGE / "index.html").read_text("utf-8").replace("</title>", f"</title>{modules}", 1)


def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)


@dataclass(frozen=True)
class Pages:
    """One method a route."""

    options: WebOptions
    _markup: str = field(default_factory=_markup)
    _templates: Environment = field(default_factory=_environment)

    def page(self) -> Response:
        """Return the page."""
        # Orthanc hands a path over without the slash at its end, so nobody here knows what the page's own relative
        # addresses would count from: the base says it
        base = f'<head>\n    <base href="{escape(self._server())}/">'
        return Response(self._markup.replace("<head>", base, 1), content_type="text/html; charset=utf-8")

    def asset(self, name: str) -> Response:
        """Return a file of the page."""
        return send_from_directory(PAGE, name)

    def openapi(self) -> Response:
        """Return the OpenAPI document."""
        told = self._document()
        return respond.cached("openapi", told, make=lambda: Response(told, content_type=wire.JSON))

    def reading(self) -> Response:
        """Return the same, to be read by people."""
        told = self._document()

        def made() -> Response:
            text = self._templates.get_template("api.html").render(document=json.loads(told))
            return Response(text, content_type="text/html; charset=utf-8")

        return respond.cached("reading", told, make=made)

    def capabilities(self) -> Response:
        """Return what the origin server can do (PS3.18 8.9), as WADL or JSON."""
        ask.refuse_repeats(request.args, ("accept",))
        offered = (WADL, wire.JSON)
        media_type = media.negotiated(request.headers.get("Accept", ""), request.args.get("accept"), offered)
        base = respond.origin_of_caller(request.headers, self.options.pacs_url).rstrip("/") + self.options.prefix

        def made() -> Response:
            if media_type == wire.JSON:
                return respond.json_response(capabilities.resources(base))
            return Response(capabilities.wadl(base), content_type=WADL)

        response = respond.cached("capabilities", media_type, base, self.options.version, make=made)
        response.headers["Vary"] = "Accept"
        if request.method == "OPTIONS":
            response.headers["Allow"] = "GET, HEAD, OPTIONS"
        return response

    def _server(self) -> str:
        return f"{respond.forwarded_prefix(request.headers)}{self.options.prefix}"

    def _document(self) -> str:
        return openapi.text(self._server(), self.options.version)
