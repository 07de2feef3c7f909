"""Reads the declarations and references of Bicep files with the tree-sitter grammar.

This is not a compiler: it checks names, modules' parameters and outputs and, with `check_types.py`, the properties of
resources, but not the types of expressions.
"""

import functools
import re
from dataclasses import dataclass, field
from pathlib import Path

import tree_sitter
import tree_sitter_bicep

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
MAIN = INFRA / "main.bicep"
TEMPLATES = sorted([*INFRA.glob("*.bicep"), *INFRA.glob("modules/*.bicep")])
PARAMETERS = sorted(INFRA.glob("parameters/*.bicepparam"))

# The Bicep functions in use: any other name is a typing error, or must be added.
FUNCTIONS = set(
    "any cidrSubnet concat contains empty environment guid items join length loadJsonContent loadTextContent map"
    " readEnvironmentVariable replace resourceGroup resourceId split string subscription subscriptionResourceId"
    " toLower union uniqueString".split()
)
DECLARATIONS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
    "type_declaration": "type",
}


def text(node):
    return node.text.decode()


def walk(node):
    yield node
    for child in node.children:
        yield from walk(child)


def string(node):
    """The value of a string without interpolation."""
    return "".join(text(child) for child in node.named_children)


@dataclass
class Declaration:
    kind: str
    name: str
    node: tree_sitter.Node
    decorators: dict = field(default_factory=dict)

    @functools.cached_property
    def named(self):
        return self.node.named_children[1:]

    @functools.cached_property
    def body(self):
        """The object of a resource or module, without its loop and condition."""
        return next(node for node in walk(self.node) if node.type == "object" and node.parent.type != "arguments")

    @functools.cached_property
    def target(self):
        """A resource's type and version, or a module's path."""
        return string(self.named[0])

    @property
    def exists_already(self):
        return any(child.type == "existing" for child in self.node.children)

    @property
    def is_optional(self):
        """Whether a parameter may be omitted."""
        is_nullable = any(node.type == "nullable_type" for node in self.node.named_children[1].named_children)
        return is_nullable or any(child.type == "=" for child in self.node.children)

    @property
    def description(self):
        return self.decorators.get("description", "")


def properties(node):
    """An object's properties by name; an interpolated name keeps its quotes."""
    found = {}
    for child in node.named_children:
        if child.type == "object_property":
            key, value = child.named_children[0], child.named_children[-1]
            plain = key.type == "string" and not any(part.type == "interpolation" for part in key.named_children)
            found[string(key) if plain else text(key)] = value
    return found


class File:
    def __init__(self, path):
        self.path = path
        source = path.read_bytes()
        if path.suffix == ".bicepparam":
            # The grammar supports only templates, whose equivalent statement is `var`.
            source = re.sub(rb"(?m)^param (\w+) =", rb"var \1 =", source)
        parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_bicep.language()))
        self.root = parser.parse(source).root_node
        self.declarations = list(self._declarations())

    def _declarations(self):
        decorators = {}
        for node in self.root.named_children:
            if node.type == "decorators":
                decorators = dict(_decorators(node))
            elif node.type in DECLARATIONS:
                yield Declaration(DECLARATIONS[node.type], text(node.named_children[0]), node, decorators)
                decorators = {}

    def errors(self):
        for node in walk(self.root):
            if node.type == "ERROR" or node.is_missing:
                yield f"{self.path.name}:{node.start_point[0] + 1}: {text(node)[:60]!r}"

    def of(self, *kinds):
        return {found.name: found for found in self.declarations if found.kind in kinds}


def _decorators(node):
    for call in walk(node):
        if call.type == "call_expression":
            name, arguments = text(call.named_children[0]), call.named_children[-1].named_children
            value = arguments[0] if arguments else None
            yield name, string(value) if value is not None and value.type == "string" else value


@functools.cache
def read(path):
    return File(path)
