"""Compares the templates, the script and the README with the code."""

import json
import re
import sys
import unittest

from bicep import INFRA, MAIN, ROOT, TEMPLATES, properties, read, string, text, walk

sys.path.append(str(ROOT / "tests"))

import settings_page  # noqa: E402

# Settings that only the host reads.
HOST_SETTINGS = {"APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"}

# Settings that a deployment does not write, and why.
NOT_WRITTEN = {
    "FLOWLOG_STORAGE": "a connection string; the deployment uses identities only",
    "FLOWLOG_STORAGE__accountName": "blobServiceUri is used instead, because it allows several accounts",
    "EVENT_HUB_CONNECTION": "a connection string",
    "CHECKPOINT_STORAGE": "checkpoints are in the host's account",
    "CHECKPOINT_STORAGE__blobServiceUri": "checkpoints are in the host's account",
    "CHECKPOINT_STORAGE__tableServiceUri": "checkpoints are in the host's account",
    "CHECKPOINT_STORAGE__accountName": "checkpoints are in the host's account",
    "AzureWebJobsStorage": "a connection string",
    "AzureWebJobsStorage__blobServiceUri": "accountName is used instead",
    "AzureWebJobsStorage__tableServiceUri": "accountName is used instead",
    "FUNCTIONS_CUSTOMHANDLER_PORT": "the host sets it",
    "LOG_FORMAT": "json by default under the host, as the alerts and the workbook require",
}

APP = INFRA / "modules/function-app.bicep"
SUBSCRIPTION = INFRA / "modules/event-subscription.bicep"
README = (INFRA / "README.md").read_text()


CODE = "\n".join(path.read_text() for path in sorted(ROOT.glob("src/**/*.rs")))


def constants(name):
    """The values of all constants of this name in the code."""
    return set(re.findall(rf'const {name}: &str = "([^"]+)"', CODE))


def literals(node):
    """The strings without interpolation under `node`."""
    for found in walk(node):
        if found.type == "string" and not any(child.type == "interpolation" for child in found.named_children):
            yield string(found)


class Settings(unittest.TestCase):
    def setUp(self):
        self.known = settings_page.names()
        variables = read(APP).of("var")
        self.written = set()
        for name in ["settings", "identitySettings", "optionalSettings"]:
            for node in walk(variables[name].node):
                if node.type == "object":
                    self.written |= set(properties(node))

    def test_every_written_setting_is_read(self):
        self.assertGreater(len(self.written), 12)
        self.assertEqual(self.written - self.known - HOST_SETTINGS, set())

    def test_every_setting_is_written_or_omitted_for_a_reason(self):
        omitted = {name for name in self.known - self.written if not re.search("__(credential|clientId)$", name)}
        self.assertEqual(omitted, set(NOT_WRITTEN))

    def test_each_connection_in_use_names_its_identity(self):
        for name in self.written:
            if re.search("__(accountName|blobServiceUri|fullyQualifiedNamespace)$", name):
                connection = name.split("__")[0]
                self.assertLessEqual({f"{connection}__credential", f"{connection}__clientId"}, self.written)

    def test_settings_that_bindings_name_are_written(self):
        for path in ROOT.glob("*/function.json"):
            for name in re.findall(r"%(\w+)%", path.read_text()):
                self.assertIn(name, self.written, path)

    def test_the_script_checks_settings_that_are_written(self):
        script = (ROOT / "scripts/deploy.sh").read_text()
        checked = re.search(r"for name in (AzureWebJobsStorage__.*?); do", script, re.S)[1]
        self.assertLessEqual(set(re.findall(r"\w+", checked)), self.written)

    def test_defaults_equal_those_of_the_code(self):
        parameters = read(MAIN).of("param")
        example = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
        default = {name: text(parameters[name].named[-1]).strip("'") for name in ["sweepSchedule", "checkpointRetentionDays"]}
        self.assertEqual(default["sweepSchedule"], example["FLOWLOG_SWEEP_SCHEDULE"])
        self.assertEqual(f"`{default['checkpointRetentionDays']}`", settings_page.defaults()["CHECKPOINT_RETENTION_DAYS"])


class Functions(unittest.TestCase):
    def trigger(self, folder):
        return json.loads((ROOT / folder / "function.json").read_text())["bindings"][0]["type"]

    def test_events_go_to_the_function_with_the_event_trigger(self):
        target = re.search(r"functions/(\w+)'", (INFRA / "events.bicep").read_text())[1]
        self.assertEqual(self.trigger(target), "eventGridTrigger")
        warm = re.search(r"'function:(\w+)'", APP.read_text())[1]
        self.assertEqual(warm, target)

    def test_each_folder_is_a_route_of_the_code(self):
        folders = [path.parent.name for path in ROOT.glob("*/function.json")]
        self.assertGreater(len(folders), 1)
        self.assertEqual(set(folders), constants("EVENT_FUNCTION") | constants("SWEEP_FUNCTION"))

    def test_the_runtime_is_that_of_a_custom_handler(self):
        self.assertIn("customHandler", json.loads((ROOT / "host.json").read_text()))
        self.assertRegex(APP.read_text(), r"runtime: \{\s+name: 'custom'")


class Events(unittest.TestCase):
    def setUp(self):
        resource = read(SUBSCRIPTION).of("resource")["delivery"]
        self.properties = properties(properties(resource.body)["properties"])
        self.filter = properties(self.properties["filter"])

    def test_the_filter_matches_the_code(self):
        self.assertEqual(set(literals(self.filter["includedEventTypes"])), constants("BLOB_CREATED"))
        self.assertEqual({string(self.filter["subjectEndsWith"])}, constants("FILE_NAME"))
        # KINDS in the code begins with VNet flow logs, the default.
        vnet, *_ = re.findall(r'container: "([^"]+)",\s+root_key:', CODE)
        default = read(MAIN).of("param")["containers"].named[-1]
        self.assertEqual(list(literals(default)), [vnet])
        self.assertIn("/blobServices/default/containers/${containers[0]}/", text(self.filter["subjectBeginsWith"]))

    def test_the_filter_excludes_calls_that_the_code_ignores(self):
        ignored = re.search(r"const NO_CONTENT.*?= \[(.*?)\]", CODE, re.S)[1]
        ignored = set(re.findall(r'"(\w+)"', ignored)) | {"CreateFile"}
        calls = re.search(r"key: 'data.api'\s+values: \[(.*?)\]", SUBSCRIPTION.read_text(), re.S)[1]
        calls = set(re.findall(r"'(\w+)'", calls))
        self.assertTrue(calls)
        self.assertEqual(calls & ignored, set())

    def test_event_grid_retries_as_long_as_possible(self):
        retry = {name: text(value) for name, value in properties(self.properties["retryPolicy"]).items()}
        self.assertEqual(retry, {"maxDeliveryAttempts": "30", "eventTimeToLiveInMinutes": "1440"})

    def test_script_and_template_use_one_subscription_name(self):
        name = re.search(r"SUBSCRIPTION_NAME=(\S+)", (ROOT / "scripts/deploy.sh").read_text())[1]
        self.assertEqual(string(read(INFRA / "events.bicep").of("var")["subscriptionName"].named[-1]), name)


class Names(unittest.TestCase):
    def test_table_and_containers_have_the_names_of_the_code(self):
        variables = read(MAIN).of("var")
        names = {key: string(variables[key].named[-1]) for key in ["checkpointTable", "quarantineContainer", "stateContainer"]}
        self.assertEqual({names["checkpointTable"]}, constants("TABLE"))
        self.assertEqual({names["quarantineContainer"], names["stateContainer"]}, constants("CONTAINER"))

    def test_alerts_and_workbook_search_existing_log_lines(self):
        queries = (INFRA / "modules/alerts.bicep").read_text() + (INFRA / "workbook.json").read_text()
        found = re.findall(r'message\)? (?:startswith|==|contains) \\?"([^"{\\]+)', queries)
        self.assertGreaterEqual(len(set(found)), 7)
        for message in found:
            self.assertIn(message, CODE)


class Alerts(unittest.TestCase):
    def setUp(self):
        names = ["name", "severity", "description", "query", "operator", "threshold"]
        entry = r"\{\s+" + r"\s+".join(rf"{name}: (?P<{name}>'.*'|\d+)" for name in names) + r"\s+\}"
        found = re.finditer(entry, (INFRA / "modules/alerts.bicep").read_text())
        self.alerts = {alert["name"].strip("'"): alert for alert in found}

    def test_lost_or_broken_records_alert_at_the_first_line(self):
        for name in ["quarantined", "never-swept", "table-lost", "broken"]:
            alert = self.alerts[name]
            self.assertEqual((alert["operator"], alert["threshold"], alert["severity"]), ("'GreaterThan'", "0", "1"), name)

    def test_fifteen_minutes_without_a_successful_sweep_alert(self):
        alert = self.alerts["not-swept"]
        (sweep,) = constants("SWEEP_FUNCTION")
        self.assertEqual((alert["operator"], alert["threshold"]), ("'LessThan'", "1"))
        self.assertIn(f'name == "{sweep}" and success == true', alert["query"])
        self.assertIn("windowSize: 'PT15M'", (INFRA / "modules/alerts.bicep").read_text())

    def test_the_sweep_alerts_match_its_log_line(self):
        self.assertIn('"swept {first}', CODE)
        self.assertIn(", {broken} broken", CODE)
        self.assertIn('message !contains ", 0 broken"', self.alerts["broken"]["query"])
        self.assertIn('"; first failure: {failure}"', CODE)
        self.assertIn("where failed and prev(failed)", self.alerts["sweeps-fail"]["query"])

    def test_only_the_sweeps_log_line_begins_with_swept(self):
        files = sorted(path.name for path in (ROOT / "src/sweep").glob("*.rs") if '"swept ' in path.read_text())
        self.assertEqual(files, ["report.rs"])

    def test_alerts_search_beginnings_of_log_lines(self):
        for name in ["quarantined", "never-swept", "table-lost"]:
            (text,) = re.findall(r'startswith "([^{"]+)"', self.alerts[name]["query"])
            self.assertIn(f'"{text}', CODE)


class Roles(unittest.TestCase):
    # Azure's built-in roles.
    BUILT_IN = {
        "storageBlobDataReader": ("Storage Blob Data Reader", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"),
        "storageBlobDataContributor": ("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"),
        "storageBlobDataOwner": ("Storage Blob Data Owner", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"),
        "storageTableDataContributor": ("Storage Table Data Contributor", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"),
        "eventHubsDataSender": ("Azure Event Hubs Data Sender", "2b629674-e913-4c01-ae53-ef4638d8f975"),
        "eventHubsDataReceiver": ("Azure Event Hubs Data Receiver", "a638d3c7-ab3a-418d-83e6-5f17a39d4fde"),
        "monitoringMetricsPublisher": ("Monitoring Metrics Publisher", "3913510d-42f4-4e42-8a64-420c390055eb"),
    }

    def test_the_table_and_the_templates_name_the_same_roles(self):
        roles = json.loads((INFRA / "roles.json").read_text())
        self.assertEqual(roles, {name: id for name, (_, id) in self.BUILT_IN.items()})
        assigned = set()
        for path in TEMPLATES:
            assigned |= set(re.findall(r"roleDefinitions', roles\.(\w+)\)", path.read_text()))
        self.assertEqual(assigned, set(roles))
        rows = set(re.findall(r"^\| \*(.+?)\* \| `([0-9a-f-]{36})` \|", README, re.M))
        self.assertEqual(rows, set(self.BUILT_IN.values()))

    def test_the_name_of_an_assignment_depends_on_what_it_assigns(self):
        for path in TEMPLATES:
            for resource in read(path).of("resource").values():
                if resource.target.startswith("Microsoft.Authorization/roleAssignments"):
                    given = properties(resource.body)
                    inner = properties(given["properties"])
                    role = re.search(r"roles\.\w+", text(inner["roleDefinitionId"]))[0]
                    self.assertEqual(text(given["name"]), f"guid({text(given['scope'])}.id, {text(inner['principalId'])}, {role})")


class Readme(unittest.TestCase):
    def test_every_parameter_is_in_the_table(self):
        rows = re.findall(r"^\| `(\w+)` \|", README, re.M)
        self.assertEqual(sorted(rows), sorted(read(MAIN).of("param")))

    def test_named_files_exist(self):
        for name in re.findall(r"`((?:infra|scripts|tests)/[\w./-]+)`", README):
            self.assertTrue((ROOT / name).exists(), name)


if __name__ == "__main__":
    unittest.main()
