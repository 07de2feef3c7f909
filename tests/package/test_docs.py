"""What the documentation and the workflows say about the code is true: links lead somewhere, and settings, log lines, tests
and make targets exist."""

import json
import re
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests"))

import settings_page  # noqa: E402

TROUBLESHOOTING = ROOT / "docs/troubleshooting.md"
DOCS = sorted((ROOT / "docs").rglob("*.md"))
FIRST = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
PAGES = [*FIRST, ROOT / "infra/README.md", ROOT / "rig/README.md", *DOCS]

# Names that are not settings of the forwarder: of the host, the Azure CLI, GitHub, the emulator, the packager, the Makefile
# and tools.
FOREIGN = {
    "FUZZ_SECONDS", "INSTA_UPDATE",
    "FUNCTIONS_WORKER_RUNTIME", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_CLIENT_ID", "AZURE_TENANT_ID",
    "AZURE_SUBSCRIPTION_ID", "ACCEPT_EULA", "SOURCE_DATE_EPOCH", "SHA256SUMS",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
}


BLOCK = re.compile(r"^ *```.*?^ *```$", flags=re.M | re.S)


def deployment_variables():
    """The environment variables that scripts/deploy.sh and the parameters files read."""
    sources = [ROOT / "scripts/deploy.sh", *(ROOT / "infra/parameters").glob("*.bicepparam")]
    found = re.findall(r"^(\w+)=\$\{\1|readEnvironmentVariable\('(\w+)'", "\n".join(map(Path.read_text, sources)), flags=re.M)
    return {name for names in found for name in names if name}


def prose(text):
    return BLOCK.sub("", text)


def examples(text):
    return "\n".join(BLOCK.findall(text))


def spans(text):
    """Inline code."""
    return re.findall(r"`([^`\n]+)`", prose(text))


def written_texts():
    """The strings of the code, without those of tests and comments."""
    texts = []
    for path in sorted((ROOT / "src").rglob("*.rs")):
        if "tests" in (path.stem, path.parent.name):
            continue
        code = path.read_text().partition("#[cfg(test)]\nmod tests {")[0]
        code = re.sub(r"(?m)^\s*//.*$", "", code)
        # Joins strings that continue on the next line.
        texts += [re.sub(r"\\\n\s*", "", text) for text in re.findall(r'"((?:[^"\\]|\\.)*)"', code, flags=re.S)]
    return "\n".join(texts)


def constants(path):
    """The values of the numeric constants in a Rust file: bytes, seconds or a count."""
    found = {"MIB": 1 << 20, "KIB": 1 << 10, "u128::BITS": 128}
    for name, value in re.findall(r"const (\w+): [\w:]+ =\s+(.*?);", path.read_text(), flags=re.S):
        value = re.sub(r"BodyLimit \{ bytes: (.*?),.*\}", r"\1", value)
        for unit, seconds in {"millis": 0.001, "secs": 1, "mins": 60, "hours": 3600}.items():
            value = re.sub(rf"Duration::from_{unit}\((\d+)\)", rf"\1 * {seconds}", value)
        value = re.sub(r"u128::BITS|[A-Za-z_]\w*", lambda name: str(found.get(name[0], name[0])), value)
        if re.fullmatch(r"[\d_. *<]+", value):
            found[name] = eval(value)
    return found


def tests():
    """The names of all tests in Rust and Python."""
    rust = [path.read_text() for folder in ("src", "tests") for path in (ROOT / folder).rglob("*.rs")]
    attribute = r"#\[(?:\w+::)?test(?:\([^)]*\))?\](?:\s|#\[[^\]]*\]|//[^\n]*)*(?:async )?fn (\w+)"
    python = [path.read_text() for path in (ROOT / "tests").glob("*/test_*.py")]
    return set(re.findall(attribute, "\n".join(rust)) + re.findall(r"def (test_\w+)", "\n".join(python)))


def make_targets():
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))


def anchors(path):
    headings = re.findall(r"^#+ (.*)$", prose(path.read_text()), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class Links(unittest.TestCase):
    def test_every_relative_link_has_a_target(self):
        for page in PAGES:
            for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
                if re.match(r"[a-z]+:", link):
                    continue
                name, _, anchor = link.partition("#")
                target = (page.parent / name).resolve() if name else page
                with self.subTest(page=page.name, link=link):
                    self.assertTrue(target.exists())
                    if anchor:
                        self.assertIn(anchor, anchors(target))

    def test_the_index_links_every_page(self):
        index = (ROOT / "docs/README.md").read_text()
        for page in DOCS:
            if page.name != "README.md":
                self.assertIn(f"]({page.relative_to(ROOT / 'docs')})", index)

    def test_every_file_and_target_that_is_named_exists(self):
        for page in [*FIRST, *DOCS]:
            text = page.read_text()
            commands = [*spans(text), *examples(text).splitlines()]
            for target in (words[5:].split()[0] for words in commands if words.startswith("make ")):
                self.assertIn(target, make_targets(), page.name)
            for path in re.findall(r"`((?:src|tests|rig|fuzz|benches|docs|scripts|infra|\.github)/[\w./-]*)`", text):
                self.assertTrue((ROOT / path).exists(), f"{page.name}: {path}")


class Quotations(unittest.TestCase):
    def test_every_named_setting_exists(self):
        known = settings_page.names() | settings_page.parts() | deployment_variables() | FOREIGN
        for page in [*FIRST, *DOCS]:
            # Constants are named with their module, and are no settings.
            text = re.sub(r"`\w+(::\w+)+`", "", page.read_text())
            named = {span.partition("=")[0] for span in spans(text)}
            named |= set(re.findall(r"^ *(?:env |export )?(\w+)=", examples(text), flags=re.M))
            named |= set(re.findall(r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?:__\w+)?)", prose(text)))
            for name in named:
                if re.fullmatch(r"([A-Z][A-Z0-9]*(_[A-Z0-9]+)+|AzureWebJobsStorage)?(__\w+)?", name) and name:
                    with self.subTest(page=page.name):
                        self.assertIn(name, known)

    def test_every_quoted_log_line_is_in_the_code(self):
        written = written_texts()
        rows = [row.split("|")[1] for row in TROUBLESHOOTING.read_text().splitlines()
                if row.startswith("| ") and not row.startswith("| what")]
        quoted = [span for row in rows for span in spans(row)]
        quoted += [span for span in spans(TROUBLESHOOTING.read_text()) if span.count(" ") > 1 and "*" not in span]
        for page in DOCS:
            text = page.read_text()
            quoted += [line for line in [*spans(text), *examples(text).splitlines()] if "…" in line and "{" not in line]
        quoted += [line for line in examples(TROUBLESHOOTING.read_text()).splitlines() if "```" not in line]
        self.assertGreater(len(quoted), 40)
        for line in {re.sub(r"https://\S+", "…", line) for line in quoted} - NOT_LINES:
            for part in re.split(COMPOSED, line):
                fixed = [words.strip(" :;,`()") for words in re.split(r"…|\b\d[\w:]*", part)]
                pattern = ".*".join(rf"(?<!\w){re.escape(words)}(?!\w)" for words in fixed if words)
                with self.subTest(line=line):
                    self.assertTrue(re.search(pattern, written), pattern)


class Tests(unittest.TestCase):
    def test_their_names_are_short(self):
        self.assertGreater(len(tests()), 500)
        long = sorted(name for name in tests() if len(name) > 70)
        self.assertEqual(long, [], "at most 70 characters")


class ThreatModel(unittest.TestCase):
    TEXT = (ROOT / "docs/security.md").read_text()

    def test_every_named_test_exists(self):
        known = tests()
        named = {span for span in spans(self.TEXT) if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+){2,}", span)}
        self.assertGreater(len(named), 60)
        for name in sorted(named):
            with self.subTest(test=name):
                self.assertTrue(name in known)

    def test_every_bound_names_a_test(self):
        for heading, part in re.findall(r"^### (.*?)$(.*?)(?=^##|\Z)", self.TEXT, flags=re.M | re.S):
            rows = [row for row in part.splitlines() if row.startswith("| ")]
            self.assertGreater(len(rows), 1, heading)
            for row in rows[1:]:
                held_by = row.split("|")[3]
                with self.subTest(row=row):
                    self.assertRegex(held_by, r"`\w+_\w+_\w+`|not held by a test")

    def test_every_number_equals_its_constant(self):
        units = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "s": 1, "minute": 60, "minutes": 60, "hour": 3600}
        bounds = re.findall(r"(\d[\d,]*)(?: (\w+))?[^`|;,]*\(`([\w:]+)::([A-Z_]+)`\)", self.TEXT)
        self.assertEqual(len(bounds), len(re.findall(r"::[A-Z_]+`", self.TEXT)), "a constant without a number before it")
        self.assertGreater(len(bounds), 20)
        for number, unit, module, name in bounds:
            folder = ROOT / "src" / module.replace("::", "/")
            path = folder / "mod.rs" if folder.is_dir() else folder.with_suffix(".rs")
            with self.subTest(constant=f"{module}::{name}"):
                self.assertTrue(path.exists(), path)
                self.assertEqual(int(number.replace(",", "")) * units.get(unit, 1), constants(path).get(name))


# Where two strings of the code meet in one line: an outcome and its reason, a sentence and its counts, an error and a status.
COMPOSED = r"""(?x) (?<=forwarded):[ ] | (?<=nothing\ to\ forward):[ ] | (?<=the\ blob)[ ](?=is\ not\ a) |
               (?<=flow\ log): | (?<=settings\ are)[ ](?=wrong) | ;[ ] | ,[ ](?=oldest) | [ ](?=\(\d) | [ ](?=HTTP) """

# Quoted, but not log lines.
NOT_LINES = {"in_flight", "amqp:not-found"}


class FirstPage(unittest.TestCase):
    TEXT = (ROOT / "README.md").read_text()

    def test_it_is_short(self):
        self.assertLessEqual(len(self.TEXT.splitlines()), 120)

    def test_it_shows_the_demo_and_the_tests_that_ci_runs(self):
        commands = re.findall(r"^```\n(make \w+)\n```", self.TEXT, flags=re.M)
        self.assertEqual(commands, ["make demo", "make test"])
        self.assertIn("make test", (ROOT / ".ci/run").read_text().splitlines())

    def test_the_guarantee_is_that_of_the_code(self):
        (code,) = re.findall(r"^//! # The guarantee\n(.*?)\n//!\n", (ROOT / "src/lib.rs").read_text(), flags=re.M | re.S)
        (quoted,) = re.findall(r"((?:^> .*\n)+)", self.TEXT, flags=re.M)
        self.assertEqual(re.sub(r"^> ", "", quoted, flags=re.M).split(), re.sub(r"^//! ", "", code, flags=re.M).split())

    def test_every_line_of_the_demo_is_one_that_the_demo_writes(self):
        written = "".join(path.read_text() for path in [ROOT / "rig/demo.mjs", *(ROOT / "rig/demo").glob("*.mjs")])
        (output,) = re.findall(r"^```text\n(.*?)^```", self.TEXT, flags=re.M | re.S)
        for line in filter(None, output.splitlines()):
            label = re.split(r" {2,}|\d+", line.strip())[0].strip()
            with self.subTest(line=line):
                self.assertIn(label, written)

    def test_the_repository_has_one_address(self):
        address = re.search(r'^repository = "(.+)"', (ROOT / "Cargo.toml").read_text(), flags=re.M)[1]
        contacts = (ROOT / ".github/ISSUE_TEMPLATE/config.yml").read_text()
        for url in re.findall(r"url: (\S+)", contacts):
            self.assertTrue(url.startswith(f"{address}/"), url)


class Workflows(unittest.TestCase):
    def setUp(self):
        self.texts = {path.name: path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml")}

    def test_they_build_with_the_rust_version_of_the_manifest(self):
        required = re.search(r'^rust-version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(), flags=re.M).group(1)
        for name, text in self.texts.items():
            for version in re.findall(r'^  RUST: "([^"]+)"', text, flags=re.M):
                self.assertEqual(version.split(".")[:2], required.split(".")[:2], name)

    def test_they_run_existing_make_targets(self):
        for name, text in self.texts.items():
            for target in re.findall(r"\bmake ([a-z-]+)", text):
                self.assertIn(target, make_targets(), name)

    def test_the_deployment_sets_every_variable_that_it_reads(self):
        given = set(re.findall(r"^ {10}(\w+): ", self.texts["deploy.yml"], flags=re.M))
        # For these, the defaults are right.
        self.assertEqual(deployment_variables() - given, {"PACKAGE", "TEST_BLOB"})

    def test_every_action_has_a_version(self):
        for name, text in self.texts.items():
            for action in re.findall(r"uses: (\S+)", text):
                self.assertRegex(action, r"@(v\d+|[0-9a-f]{40})$", name)


class Local(unittest.TestCase):
    def test_the_example_settings_name_the_emulators_hub(self):
        config = json.loads((ROOT / "docs/local/config.json").read_text())
        (namespace,) = config["UserConfig"]["NamespaceConfig"]
        example = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
        self.assertIn(example["EVENT_HUB_NAME"], [entity["Name"] for entity in namespace["Entities"]])
        self.assertIn("UseDevelopmentEmulator=true", example["EVENT_HUB_CONNECTION"])

    def test_the_compose_file_publishes_the_ports_of_the_settings(self):
        compose = (ROOT / "docs/local/compose.yaml").read_text()
        for port in (10000, 10001, 10002, 5672):
            self.assertIn(f'"127.0.0.1:{port}:{port}"', compose)
        self.assertIn("./config.json:", compose)


if __name__ == "__main__":
    unittest.main()
