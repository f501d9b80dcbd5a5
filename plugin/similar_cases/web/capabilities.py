"""What the origin server can do, for programs (PS3.18 8.9): as WADL, and the same as JSON."""

import re
from typing import Any
from xml.etree import ElementTree

from similar_cases.web.operations import OPERATIONS, PATH_PARAMETERS, Operation

_NAMESPACE = "http://wadl.dev.java.net/2009/02"
_TYPES = {"integer": "xs:int", "number": "xs:decimal", "boolean": "xs:boolean", "string": "xs:string"}


def resources(base: str) -> dict[str, Any]:
    """Return every path with its methods, their parameters and the media types of their answers.

    Args:
        base: where the paths begin, as the caller sees it.
    """
    paths = dict.fromkeys(one.path for one in OPERATIONS)
    return {"base": base, "resources": [_resource(path) for path in paths]}


def wadl(base: str) -> bytes:
    """Return the same as a document of the Web Application Description Language."""
    root = ElementTree.Element("application", {"xmlns": _NAMESPACE, "xmlns:xs": "http://www.w3.org/2001/XMLSchema"})
    told = resources(base)
    holder = ElementTree.SubElement(root, "resources", {"base": told["base"].rstrip("/") + "/"})
    for resource in told["resources"]:
        node = ElementTree.SubElement(holder, "resource", {"path": resource["path"].lstrip("/")})
        for parameter in resource["parameters"]:
            _put_parameter(node, parameter, "template")
        for method in resource["methods"]:
            _put_method(node, method)
    written: bytes = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written


def _resource(path: str) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", path)
    return {
        "path": path,
        "parameters": [_parameter(name, *PATH_PARAMETERS[name], required=True) for name in names],
        "methods": [_method(one) for one in OPERATIONS if one.path == path],
    }


def _parameter(name: str, meaning: str, schema: Any, *, required: bool) -> dict[str, Any]:
    told = {"name": name, "type": _TYPES[schema["type"]], "meaning": meaning, "required": required}
    return {**told, "default": str(schema["default"]).lower()} if "default" in schema else told


def _method(operation: Operation) -> dict[str, Any]:
    return {
        "name": operation.method,
        "id": operation.name,
        "summary": operation.summary,
        "parameters": [_parameter(p.name, p.meaning, p.schema, required=p.required) for p in operation.parameters],
        "takes": ["application/json", *operation.also_takes] if operation.body is not None else [],
        "answers": [
            {"status": operation.status, "media_types": list(operation.content)},
            *([{"status": 204, "media_types": []}] if operation.may_be_empty else []),
        ],
        "problems": sorted(operation.problems),
    }


def _put_method(resource: ElementTree.Element, method: dict[str, Any]) -> None:
    node = ElementTree.SubElement(resource, "method", {"name": method["name"], "id": method["id"]})
    ElementTree.SubElement(node, "doc", {"title": method["summary"]})
    asked = ElementTree.SubElement(node, "request")
    for parameter in method["parameters"]:
        _put_parameter(asked, parameter, "query")
    for media_type in method["takes"]:
        ElementTree.SubElement(asked, "representation", {"mediaType": media_type})
    for answer in method["answers"]:
        told = ElementTree.SubElement(node, "response", {"status": str(answer["status"])})
        for media_type in answer["media_types"]:
            ElementTree.SubElement(told, "representation", {"mediaType": media_type})
    if method["problems"]:
        ElementTree.SubElement(node, "response", {"status": " ".join(map(str, method["problems"]))})


def _put_parameter(parent: ElementTree.Element, parameter: dict[str, Any], style: str) -> None:
    named = {"name": parameter["name"], "style": style, "type": parameter["type"]}
    if parameter["required"]:
        named["required"] = "true"
    if "default" in parameter:
        named["default"] = parameter["default"]
    ElementTree.SubElement(ElementTree.SubElement(parent, "param", named), "doc", {"title": parameter["meaning"]})
