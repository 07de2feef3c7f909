"""Tests the package: its files, their size, reproducibility, and a start on an old system.

`make package-test` builds the package and runs them.
"""

import calendar
import json
import os
import platform
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import package  # noqa: E402

ARCH = os.environ.get("ARCH", "x86_64")
BINARY = "flowlog-forwarder"
FOLDER = ROOT / "dist" / (BINARY if ARCH == "x86_64" else f"{BINARY}-{ARCH}")
ZIP = FOLDER.with_name(FOLDER.name + ".zip")
SBOM = ROOT / "dist" / "flowlog-forwarder.cdx.json"
RUNS_HERE = unittest.skipUnless(sys.platform == "linux" and platform.machine() == ARCH, f"built for {ARCH} Linux")

# A cold start downloads and unpacks the package. These limits leave room for growth, but not for debug symbols.
LARGEST_ZIP = 8 << 20
LARGEST_BINARY = 16 << 20

SETTINGS = {
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "FLOWLOG_STORAGE": "UseDevelopmentStorage=true",
    "EVENT_HUB_CONNECTION": "Endpoint=sb://localhost;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true;",
    "EVENT_HUB_NAME": "eh1",
}


def functions():
    return sorted(path.parent.name for path in ROOT.glob("*/function.json"))


def expected():
    return sorted(["host.json", BINARY, *(f"{name}/function.json" for name in functions())])


def unpack(folder):
    """Unpacks the zip with the modes of its entries."""
    with zipfile.ZipFile(ZIP) as zipped:
        for entry in zipped.infolist():
            path = Path(zipped.extract(entry, folder))
            path.chmod(stat.S_IMODE(entry.external_attr >> 16))


class Contents(unittest.TestCase):
    def test_the_zip_has_exactly_the_files_that_the_host_needs(self):
        with zipfile.ZipFile(ZIP) as zipped:
            self.assertEqual(zipped.namelist(), expected())
        self.assertIn("FlowLogBlobCreated", functions())

    def test_the_folder_equals_the_zip(self):
        files = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file())
        self.assertEqual(files, expected())
        with zipfile.ZipFile(ZIP) as zipped:
            for name in files:
                self.assertEqual((FOLDER / name).read_bytes(), zipped.read(name), name)

    def test_the_files_are_those_of_the_repository(self):
        for name in expected():
            if name != BINARY:
                self.assertEqual((FOLDER / name).read_bytes(), (ROOT / name).read_bytes(), name)

    def test_only_the_binary_that_host_json_names_is_executable(self):
        with zipfile.ZipFile(ZIP) as zipped:
            for entry in zipped.infolist():
                mode = 0o755 if entry.filename == BINARY else 0o644
                self.assertEqual(entry.create_system, 3, "modes are ignored unless the zip is from Unix")
                self.assertEqual(entry.external_attr >> 16, stat.S_IFREG | mode, entry.filename)
                self.assertEqual(stat.S_IMODE((FOLDER / entry.filename).stat().st_mode), mode, entry.filename)
        host = json.loads((FOLDER / "host.json").read_text())
        self.assertEqual(host["customHandler"]["description"]["defaultExecutablePath"], BINARY)

    def test_it_is_small(self):
        self.assertLess(ZIP.stat().st_size, LARGEST_ZIP)
        self.assertLess((FOLDER / BINARY).stat().st_size, LARGEST_BINARY)

    def test_packing_again_gives_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as scratch:
            again = Path(scratch)
            with zipfile.ZipFile(ZIP) as zipped:
                when = calendar.timegm((*zipped.infolist()[0].date_time, 0, 0, 0))
            package.pack(FOLDER / BINARY, again / "again.zip", again / "again", when)
            self.assertTrue((again / "again.zip").read_bytes() == ZIP.read_bytes())

    def test_the_date_can_be_given(self):
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch)
            package.pack(FOLDER / BINARY, out / "p.zip", out / "p", 1_000_000_000)
            with zipfile.ZipFile(out / "p.zip") as zipped:
                self.assertEqual({entry.date_time for entry in zipped.infolist()}, {(2001, 9, 9, 1, 46, 40)})


class Binary(unittest.TestCase):
    def setUp(self):
        self.bytes = (FOLDER / BINARY).read_bytes()

    def test_it_needs_no_newer_glibc_than_the_build_targets(self):
        newest = max(tuple(map(int, found)) for found in re.findall(rb"GLIBC_(\d+)\.(\d+)", self.bytes))
        self.assertLessEqual(newest, tuple(map(int, package.GLIBC.split("."))))
        self.assertNotIn(b"GLIBC_ABI_DT_RELR", self.bytes, "requires glibc 2.36")

    def test_it_needs_only_glibcs_libraries(self):
        needed = set(re.findall(rb"\0((?:lib[\w+-]+|ld-linux-[\w-]+)\.so(?:\.\d+)*)(?=\0)", self.bytes))
        own = {b"libc.so.6", b"libm.so.6", b"libdl.so.2", b"libpthread.so.0", b"librt.so.1"}
        loader = {"x86_64": b"ld-linux-x86-64.so.2", "aarch64": b"ld-linux-aarch64.so.1"}[ARCH]
        self.assertLessEqual(needed, own | {loader})
        self.assertIn(b"libc.so.6", needed)

    def test_it_has_no_path_of_the_build_machine(self):
        for place in {str(ROOT), str(Path.home() / ".cargo"), os.environ.get("CARGO_HOME", str(ROOT))}:
            self.assertNotIn(place.encode(), self.bytes)

    @RUNS_HERE
    def test_it_starts_from_the_zip_and_answers_the_hosts_probe(self):
        with tempfile.TemporaryDirectory() as scratch:
            unpack(scratch)
            with socket.socket() as found:
                found.bind(("127.0.0.1", 0))
                port = found.getsockname()[1]
            environment = {**SETTINGS, "FUNCTIONS_CUSTOMHANDLER_PORT": str(port)}
            process = subprocess.Popen(["./" + BINARY], cwd=scratch, env=environment, stdout=subprocess.PIPE)
            self.addCleanup(process.stdout.close)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            self.assertEqual(self.probe(process, port), 200)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=20), 0)

    @RUNS_HERE
    def test_without_settings_it_names_them_and_exits_with_64(self):
        ended = subprocess.run([FOLDER / BINARY], env={}, capture_output=True, text=True, check=False, timeout=20)
        self.assertEqual(ended.returncode, 64)
        for name in ("FLOWLOG_STORAGE", "EVENT_HUB_CONNECTION"):
            self.assertIn(name, ended.stderr)

    def probe(self, process, port):
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                    return answer.status
            except urllib.error.HTTPError as error:
                return error.code
            except OSError:
                time.sleep(0.05)
        return f"no answer, exit code {process.poll()}"


@unittest.skipUnless(SBOM.exists(), f"no {SBOM.name}: run `make sbom`")
class Components(unittest.TestCase):
    def setUp(self):
        self.text = SBOM.read_text()
        self.listed = json.loads(self.text)

    def test_it_lists_every_crate_with_its_checksum(self):
        self.assertEqual((self.listed["bomFormat"], self.listed["specVersion"]), ("CycloneDX", "1.5"))
        self.assertEqual(self.listed["metadata"]["component"]["name"], BINARY)
        for component in self.listed["components"]:
            self.assertTrue(component["purl"].startswith("pkg:cargo/"), component["name"])
            self.assertIn("SHA-256", [checksum["alg"] for checksum in component["hashes"]], component["name"])

    def test_it_agrees_with_the_lock_file(self):
        lock = (ROOT / "Cargo.lock").read_text()
        locked = set(re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"', lock))
        listed = {(component["name"], component["version"]) for component in self.listed["components"]}
        self.assertLessEqual(listed, locked)
        self.assertLessEqual({"azure_core", "fe2o3-amqp", "ring", "rustls", "tokio"}, {name for name, _ in listed})

    def test_it_has_no_path_of_the_machine(self):
        self.assertNotIn(str(ROOT), self.text)


class Funcignore(unittest.TestCase):
    """`.funcignore`, for publishing from the repository's root, matched as Core Tools does: unlike in `.gitignore`, each
    line is the beginning of a path, up to a word boundary."""

    def setUp(self):
        lines = (line.strip() for line in (ROOT / ".funcignore").read_text().splitlines())
        patterns = [line.lstrip("/") for line in lines if line and not line.startswith("#")]
        self.assertFalse([pattern for pattern in patterns if pattern.startswith("!")], "negated patterns are not supported here")
        parts = [re.escape(pattern).replace(r"\*\*", "(.+)").replace(r"\*", "([^/]+)") for pattern in patterns]
        self.ignored = re.compile(f"^(({')|('.join(parts)}))\\b", re.ASCII)

    def published(self, paths):
        return sorted(path for path in paths if not self.ignored.match(path))

    def test_of_all_tracked_files_only_the_package_is_published(self):
        tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
        self.assertEqual(self.published([*tracked.stdout.splitlines(), BINARY]), expected())

    def test_build_results_and_local_files_are_not_published(self):
        local = ["target/release/flowlog-forwarder", "dist/flowlog-forwarder.zip", "local.settings.json",
                 "rig/node_modules/a/b.js", "node_modules/a.js", ".git/config", ".venv/bin/python",
                 "__blobstorage__/a", "__azurite_db_blob__.json", "fuzz/target/a", "flowlog-forwarder.cdx.json"]
        self.assertEqual(self.published(local), [])


class Building(unittest.TestCase):
    def test_a_missing_target_is_reported_with_the_command_to_install_it(self):
        package.TRIPLES["none"] = "riscv64gc-unknown-linux-gnu"
        self.addCleanup(package.TRIPLES.pop, "none")
        if package.has_std(package.TRIPLES["none"]):
            self.skipTest("installed here")
        with self.assertRaisesRegex(package.Failure, "rustup target add riscv64gc-unknown-linux-gnu"):
            package.compile_binary("none")

    def test_packing_deletes_old_files_of_the_folder(self):
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch)
            (out / "p").mkdir()
            (out / "p" / "local.settings.json").write_text("{}")
            package.pack(FOLDER / BINARY, out / "p.zip", out / "p", package.epoch())
            self.assertFalse((out / "p" / "local.settings.json").exists())
            shutil.rmtree(out / "p")


if __name__ == "__main__":
    unittest.main()
