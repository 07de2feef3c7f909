"""The table of docs/settings.md, which a test in Rust compares with the code."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs/settings.md"
# What stands for each connection's name in the table.
ANY = "<NAME>"


def defaults():
    """The default of each setting, by its name in the table."""
    return dict(re.findall(r"^\| `([^`]+)` \|.*\| (.*?) \|$", PAGE.read_text(), flags=re.M))


def parts():
    """The parts that every connection has, such as `__clientId`."""
    return {name.removeprefix(ANY) for name in defaults() if name.startswith(ANY)}


def names():
    """The full names of all settings."""
    whole = {name for name in defaults() if not name.startswith(ANY)}
    connections = {name.split("__")[0] for name in whole if "__" in name}
    return whole | {connection + part for connection in connections for part in parts()}
