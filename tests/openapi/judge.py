"""Judges the OpenAPI document, and real answers by it: neither the document nor the answers are read by anything of ours.

    judge.py DOCUMENT < exchanges

An exchange is a line of JSON: method, path with its query, what was sent (or null), status, content type, the whole header as
pairs, what came back. A header that is not in the document is no complaint where any answer over HTTP may have it.
Says what does not hold, and fails; each operation must have been answered with a yes and, where it can refuse, with a no.
"""

import json
import re
import sys

from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

GENERAL = {"cache-control", "connection", "content-length", "content-type", "date", "transfer-encoding"}


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    validate(document)
    resource = Resource(contents=document, specification=DRAFT202012)
    registry = Registry().with_resource("urn:document", resource)
    operations = {}
    for path, methods in document["paths"].items():
        pattern = re.compile("^" + re.sub(r"\\\{[a-z]+\\\}", "[^/]+", re.escape(path)) + "$")
        for method, operation in methods.items():
            operations[operation["operationId"]] = (method, path, pattern, operation)
    complaints, done, refused = [], set(), set()
    for line in sys.stdin:
        exchange = json.loads(line)
        name = f"{exchange['method']} {exchange['path']} ({exchange['status']})"
        path, _, query = exchange["path"].partition("?")
        found = [
            (identity, operation)
            for identity, (method, template, pattern, operation) in operations.items()
            if method == exchange["method"].lower() and pattern.match(path)
        ]
        # A path that is written out is nearer than one with a member in its place.
        found.sort(key=lambda one: operations[one[0]][1].count("{"))
        if not found:
            complaints.append(f"{name}: no operation")
            continue
        identity, operation = found[0]
        (done if exchange["status"] < 400 else refused).add(identity)
        at = f"#/paths/{operations[identity][1].replace('~', '~0').replace('/', '~1')}/{operations[identity][0]}"
        at = at.replace("{", "%7B").replace("}", "%7D")

        def check(pointer, instance, what):
            schema = {"$ref": f"urn:document{pointer}"}
            validator = Draft202012Validator(schema, registry=registry, format_checker=FormatChecker())
            for error in validator.iter_errors(instance):
                complaints.append(f"{name}: {what}: {error.json_path}: {error.message[:300]}")

        known = {one["name"] for one in operation["parameters"] if one["in"] == "query"}
        for said in filter(None, query.split("&")):
            if said.partition("=")[0] not in known and exchange["status"] < 400:
                complaints.append(f"{name}: took {said}, which is not in the document")
        if exchange["sent"] is not None and exchange["status"] < 400:
            check(f"{at}/requestBody/content/application~1json/schema", exchange["sent"], "sent")
        answer = operation["responses"].get(str(exchange["status"]))
        if answer is None:
            complaints.append(f"{name}: a status that is not in the document: {exchange['body'][:200]}")
            continue
        pointer = f"{at}/responses/{exchange['status']}"
        if "$ref" in answer:
            pointer = answer["$ref"]
            answer = document["components"]["responses"][pointer.rsplit("/", 1)[1]]
        sent = {name.lower(): value for name, value in exchange["headers"]}
        known = {name.lower(): (name, header) for name, header in answer.get("headers", {}).items()}
        for name_sent in sorted(set(sent) - set(known) - GENERAL):
            complaints.append(f"{name}: the header {name_sent} is not in the document")
        for name_known, (spelled, header) in known.items():
            if name_known in sent:
                value = sent[name_known]
                is_number = header["schema"].get("type") == "integer" and value.isdecimal()
                step = spelled.replace("~", "~0").replace("/", "~1")
                check(f"{pointer}/headers/{step}/schema", int(value) if is_number else value, spelled)
            elif header.get("required", False):
                complaints.append(f"{name}: there is no header {spelled}")
        if "content" not in answer:
            if exchange["body"]:
                complaints.append(f"{name}: a body where there is none in the document")
            continue
        content_type = exchange["type"]
        if content_type not in answer["content"]:
            complaints.append(f"{name}: {content_type} is not in the document")
            continue
        instance = json.loads(exchange["body"]) if content_type.endswith("json") else exchange["body"]
        step = content_type.replace("~", "~0").replace("/", "~1")
        check(f"{pointer}/content/{step}/schema", instance, "answered")
    for identity, (_, _, _, operation) in operations.items():
        can_refuse = any("$ref" in answer for answer in operation["responses"].values())
        if identity not in done:
            complaints.append(f"{identity}: never answered with a yes")
        if can_refuse and identity not in refused:
            complaints.append(f"{identity}: never refused")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


sys.exit(main())
