#!/usr/bin/env python3
"""Checks the templates' resources against Azure's published resource types, like the compiler.

    tests/infra/check_types.py CHECKOUT

CHECKOUT is a clone of the public repository Azure/bicep-types-az (a git directory, with or without a work tree).
Checks for each resource that its type and version exist, that its properties are known and writable, that required
ones are present, and that literal values are allowed. Of computed values, it checks only both sides of a condition.
"""

import functools
import json
import subprocess
import sys

from bicep import TEMPLATES, properties, read, string, text

REQUIRED, READ_ONLY, DEPLOY_TIME = 1, 2, 4


class Types:
    def __init__(self, checkout):
        self.git = lambda *arguments: subprocess.run(
            ["git", "-C", checkout, *arguments], check=True, capture_output=True, text=True
        ).stdout
        listing = self.git("ls-tree", "-r", "--name-only", "HEAD", "generated")
        self.files = [name for name in listing.splitlines() if name.endswith("/types.json")]

    @functools.cache
    def load(self, name):
        return json.loads(self.git("show", f"HEAD:{name}"))

    def find(self, resource):
        kind, version = resource.lower().split("@")
        provider = kind.split("/")[0]
        for name in self.files:
            if name.lower().endswith(f"/{provider}/{version}/types.json"):
                types = self.load(name)
                for entry in types:
                    if entry["$type"] == "ResourceType" and entry["name"].lower() == resource.lower():
                        return types, entry["body"]
        return None


def check(types, reference, node, where, problems):
    entry = types[int(reference["$ref"].removeprefix("#/"))]
    kind = entry["$type"]
    if node.type == "ternary_expression":
        for side in node.named_children[1:]:
            check(types, reference, side, where, problems)
    elif node.type == "parenthesized_expression":
        check(types, reference, node.named_children[0], where, problems)
    elif kind in ("ObjectType", "DiscriminatedObjectType") and node.type == "object":
        known = dict(entry.get("properties") or entry.get("baseProperties") or {})
        given = properties(node)
        if kind == "DiscriminatedObjectType":
            chosen = given.get(entry["discriminator"])
            value = string(chosen) if chosen is not None else None
            if value not in entry["elements"]:
                problems.append(f"{where}: {entry['discriminator']} is {value}, not one of {sorted(entry['elements'])}")
                return
            known |= types[int(entry["elements"][value]["$ref"].removeprefix("#/"))]["properties"]
        others = entry.get("additionalProperties")
        for name, value in given.items():
            if name in known:
                if known[name].get("flags", 0) & READ_ONLY:
                    problems.append(f"{where}.{name} can't be written")
                check(types, known[name]["type"], value, f"{where}.{name}", problems)
            elif others is None and name not in ("parent", "scope", "dependsOn"):
                problems.append(f"{where}.{name} is unknown")
        # Type and version are part of the declaration.
        missing = {name for name, value in known.items() if value.get("flags", 0) & REQUIRED} - set(given) - {"type", "apiVersion"}
        problems.extend(f"{where}.{name} is missing" for name in sorted(missing))
    elif kind == "ArrayType" and node.type == "array":
        for item in node.named_children:
            if item.type != "for_statement":
                check(types, entry["itemType"], item, f"{where}[]", problems)
    elif node.type in ("string", "number", "boolean", "object", "array"):
        expected = list(leaves(types, entry))
        interpolated = node.type == "string" and any(child.type == "interpolation" for child in node.named_children)
        value = {"string": lambda: string(node), "number": lambda: int(text(node))}.get(node.type, lambda: text(node))()
        names = {"string": "StringType", "number": "IntegerType", "boolean": "BooleanType"}
        fits = any(
            option["$type"] in (names.get(node.type), "AnyType")
            or option["$type"] == "StringLiteralType" and (interpolated or option["value"] == value)
            or option["$type"] == "BooleanLiteralType" and str(option["value"]).lower() == value
            for option in expected
        )
        if not fits and node.type in names:
            problems.append(f"{where}: {text(node)} does not fit")
        elif node.type in ("object", "array") and not any(option["$type"] in ("AnyType", "ObjectType") for option in expected):
            problems.append(f"{where}: an {node.type} does not fit {[option['$type'] for option in expected]}")


def leaves(types, entry):
    if entry["$type"] == "UnionType":
        for element in entry["elements"]:
            yield from leaves(types, types[int(element["$ref"].removeprefix("#/"))])
    else:
        yield entry


def main(checkout):
    types, problems, checked = Types(checkout), [], 0
    for path in TEMPLATES:
        for resource in read(path).of("resource").values():
            found = types.find(resource.target)
            where = f"{path.name}: {resource.name}"
            if found is None:
                problems.append(f"{where}: {resource.target} does not exist")
            elif not resource.exists_already:
                check(found[0], found[1], resource.body, where, problems)
                checked += 1
    for problem in problems:
        print(problem)
    print(f"{checked} resources checked, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
