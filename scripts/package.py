#!/usr/bin/env python3
"""Builds the package for Azure: `dist/flowlog-forwarder.zip`, and the same as a folder.

    scripts/package.py build [--arch x86_64|aarch64] [--binary FILE] [--out DIR]
    scripts/package.py sbom  [--out DIR]

The binary is linked against an old glibc, so that it starts on every image of the Functions host. The zip is
reproducible: fixed order and modes of the files, dated SOURCE_DATE_EPOCH or else the time of the commit. Needs Rust and
Python 3.9; installs all other tools under `target/package`.
"""

import argparse
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import time
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "flowlog-forwarder"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TOOLS = TARGET / "package"

# The oldest glibc that can run the binary: Debian 11's.
GLIBC = "2.31"
TRIPLES = {"x86_64": "x86_64-unknown-linux-gnu", "aarch64": "aarch64-unknown-linux-gnu"}

# Zig includes a linker and stubs for every glibc version, so the build needs no old distribution.
BUILD_TOOLS = ["cargo-zigbuild==0.24.0", "ziglang==0.17.1"]
CYCLONEDX = "0.5.9"

# The earliest time of the zip format, 1980-01-01.
EARLIEST = 315_532_800


class Failure(Exception):
    """An error whose text says what to do."""


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], check=False, **options)
    if done.returncode != 0:
        raise Failure(f"`{' '.join(str(part) for part in command)}` exited with {done.returncode}")
    return done


def epoch():
    """The time stamp of all files. It changes with each commit, because some ways of publishing copy only files with a
    new time stamp."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if not given:
        log = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
        given = log.stdout.strip() or EARLIEST
    return max(int(given), EARLIEST)


def contents(binary):
    """The files of the package: name, source, and whether it is executable."""
    functions = sorted(ROOT.glob("*/function.json"))
    if not functions:
        raise Failure(f"no folder in {ROOT} has a function.json")
    files = [("host.json", ROOT / "host.json", False), (NAME, Path(binary), True)]
    files += [(f"{path.parent.name}/{path.name}", path, False) for path in functions]
    return sorted(files)


def pack(binary, zip_path, folder, when):
    """Writes the zip and the folder, replacing existing ones."""
    zip_path.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for name, source, is_executable in contents(binary):
            data, mode = source.read_bytes(), 0o755 if is_executable else 0o644
            entry = zipfile.ZipInfo(name, time.gmtime(when)[:6])
            entry.create_system = 3  # Unix, or the modes would be ignored.
            entry.external_attr = (stat.S_IFREG | mode) << 16
            package.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)
            copy.chmod(mode)
            os.utime(copy, (when, when))


def has_std(triple):
    command = ["rustc", "--print", "target-libdir", "--target", triple]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return bool(found) and any(Path(found).glob("libstd-*"))


def build_tools():
    """Installs cargo-zigbuild and zig, once for each set of versions, and returns their folder."""
    home = TOOLS / "venv"
    installed = home / "installed"
    required = "\n".join(BUILD_TOOLS)
    if not installed.exists() or installed.read_text() != required:
        venv.create(home, clear=True, with_pip=True)
        run(home / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *BUILD_TOOLS)
        installed.write_text(required)
    return home / "bin"


def remapped():
    """Compiler flags that keep this machine's paths out of the binary, for privacy and reproducible builds."""
    home = os.environ.get("CARGO_HOME", Path.home() / ".cargo")
    own = os.environ.get("CARGO_ENCODED_RUSTFLAGS")
    flags = own.split("\x1f") if own else os.environ.get("RUSTFLAGS", "").split()
    return "\x1f".join([*flags, f"--remap-path-prefix={home}=/cargo", f"--remap-path-prefix={ROOT}=/{NAME}"])


def compile_binary(arch):
    triple = TRIPLES[arch]
    if not has_std(triple):
        raise Failure(f"Rust's standard library for {triple} is not installed. Run: rustup target add {triple}")
    environment = {**os.environ, "CARGO_ENCODED_RUSTFLAGS": remapped()}
    environment["PATH"] = f"{build_tools()}{os.pathsep}{environment['PATH']}"
    run("cargo", "zigbuild", "--release", "--locked", "--target", f"{triple}.{GLIBC}", cwd=ROOT, env=environment)
    return TARGET / triple / "release" / NAME


def build(arch, binary, out):
    binary = binary or compile_binary(arch)
    name = NAME if arch == "x86_64" else f"{NAME}-{arch}"
    zip_path, folder = out / f"{name}.zip", out / name
    pack(binary, zip_path, folder, epoch())
    digest = hashlib.sha256(zip_path.read_bytes()).hexdigest()
    print(f"{zip_path}  {zip_path.stat().st_size:,} bytes  sha256 {digest}")
    print(f"{folder}  the same, for `func azure functionapp publish`")


def sbom(out):
    """Lists the crates in the binary, as CycloneDX."""
    tool = TOOLS / f"cyclonedx-{CYCLONEDX}"
    if not (tool / "bin" / "cargo-cyclonedx").exists():
        run("cargo", "install", "cargo-cyclonedx", "--locked", "--version", CYCLONEDX, "--root", tool,
            "--target-dir", TOOLS / "build")
    made = ROOT / f"{NAME}.cdx.json"
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch())}
    environment["PATH"] = f"{tool / 'bin'}{os.pathsep}{environment['PATH']}"
    # Includes procedural macros, but no dependencies of build scripts or tests.
    run("cargo", "cyclonedx", "--format", "json", "--spec-version", "1.5", "--no-build-deps", "--all-features",
        "--target", TRIPLES["x86_64"], "--override-filename", f"{NAME}.cdx", cwd=ROOT, env=environment)
    text = made.read_text().replace(f"file://{ROOT}", f"file:///{NAME}")
    made.unlink()
    out.mkdir(parents=True, exist_ok=True)
    path = out / made.name
    path.write_text(text)
    print(f"{path}  {len(json.loads(text)['components'])} components")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    building = commands.add_parser("build", help="build the zip and the folder")
    building.add_argument("--arch", choices=sorted(TRIPLES), default="x86_64")
    building.add_argument("--binary", type=Path, help="package this binary instead of building one")
    listing = commands.add_parser("sbom", help="write the software bill of materials")
    for command in building, listing:
        command.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    try:
        build(options.arch, options.binary, options.out) if options.command == "build" else sbom(options.out)
    except Failure as failure:
        sys.exit(f"package: {failure}")


if __name__ == "__main__":
    main()
