"""Tests scripts/deploy.sh with a fake `az`: the order of the steps, where it stops, and its messages."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "deploy.sh"
HERE = Path(__file__).resolve().parent

SOURCES = "contoso\tlogs\tsub-1\tcontoso-flowlogs\nfabrikam\tlogs\tsub-2\tfabrikam-flowlogs\n"
ROLES = "\n".join(
    [
        "Storage Blob Data Owner",
        "Storage Table Data Contributor",
        "Storage Blob Data Reader",
        "Azure Event Hubs Data Sender",
        "",
    ]
)
SETTINGS = "\n".join(
    [
        "AzureWebJobsStorage__accountName",
        "FLOWLOG_STORAGE__blobServiceUri",
        "EVENT_HUB_CONNECTION__fullyQualifiedNamespace",
        "EVENT_HUB_NAME",
        "FLOWLOG_SWEEP_SCHEDULE",
        "",
    ]
)
NAMESPACE = "/subscriptions/sub-1/resourceGroups/flows/providers/Microsoft.EventHub/namespaces/ns"
STORAGE = "/subscriptions/sub-1/resourceGroups/flows/providers/Microsoft.Storage/storageAccounts/host"

# Azure's answers when everything works. A test puts its own answers before these.
SUCCESS = [
    {"when": ["account", "show"], "out": "sub-1\n"},
    {"when": ["provider", "show"], "out": "Registered\n"},
    {"when": ["group", "exists"], "out": "true\n"},
    {"when": ["group", "show", "tags.application"], "out": "flowlog-forwarder\n"},
    {"when": ["deployment", "group", "show", "{sources:"], "out": '{"sources": {"value": []}}\n'},
    {"when": ["deployment", "group", "show", "sources.value[]"], "out": SOURCES},
    {"when": ["deployment", "group", "show", "functionAppName"], "out": "app\n"},
    {"when": ["deployment", "group", "show", "principalId"], "out": "principal\n"},
    {"when": ["deployment", "group", "show", "hostStorageId"], "out": STORAGE + "\n"},
    {"when": ["deployment", "group", "show", "namespaceId"], "out": NAMESPACE + "\n"},
    {"when": ["deployment", "group", "show", "huntersEventHub"], "out": "flowlogs\n"},
    {"when": ["deployment", "group", "show", "huntersSubscriptionId"], "out": "sub-1\n"},
    {"when": ["deployment", "group", "show", "huntersResourceGroup"], "out": "flows\n"},
    {"when": ["deployment", "group", "show", "huntersNamespace"], "out": "ns\n"},
    {"when": ["deployment", "group", "show", "huntersConsumerGroup"], "out": "hunters\n"},
    {"when": ["functionapp", "function", "list"], "out": "app/FlowLogBlobCreated\napp/FlowLogSweep\n"},
    {"when": ["functionapp", "config", "appsettings"], "out": SETTINGS},
    {"when": ["role", "assignment", "list", "--scope"], "out": ROLES},
    {"when": ["role", "assignment", "list", "--all"], "out": "assignment-1\nassignment-2\n"},
    {"when": ["event-subscription", "show"], "out": "Succeeded\n"},
    {"when": ["system-topic", "show", "contoso-flowlogs"], "out": "flowlog-forwarder\n"},
    {"when": ["system-topic", "show"], "out": "None\n"},
    {"when": ["monitor", "metrics"], "out": "7.0\n"},
]


class Deploy(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        tools = self.folder / "bin"
        tools.mkdir()
        shutil.copy(HERE / "fake_az.py", tools / "az")
        (tools / "az").chmod(0o755)
        # Skips all waits.
        (tools / "sleep").write_text(f'#!/bin/sh\necho "$1" >> {self.folder}/sleeps\n')
        (tools / "sleep").chmod(0o755)
        self.package = self.folder / "package.zip"
        self.package.write_bytes(b"zip")
        self.environment = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "FAKE_AZ": str(self.folder),
            "RESOURCE_GROUP": "flows",
            "PACKAGE": str(self.package),
            "YES": "1",
        }

    def run_script(self, *arguments, answers=(), **environment):
        (self.folder / "calls").write_text("")
        (self.folder / "answers.json").write_text(json.dumps([*answers, *SUCCESS]))
        done = subprocess.run(
            [SCRIPT, *arguments],
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.calls = [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        return done

    def position(self, *words):
        for number, call in enumerate(self.calls):
            text = " ".join(call)
            if all(word in text for word in words):
                return number
        self.fail(f"no call with {words} among {self.calls}")

    def count(self, *words):
        return sum(all(word in " ".join(call) for word in words) for call in self.calls)

    def test_the_steps_run_in_order(self):
        done = self.run_script()
        self.assertEqual(done.returncode, 0, done.stderr)
        order = [
            self.position("account show"),
            self.position("group what-if"),
            self.position("deployment group create", "--name flowlog-forwarder --parameters"),
            self.position("deployment source config-zip", str(self.package)),
            self.position("functionapp function list"),
            self.position("deployment group create", "infra/events.bicep"),
            self.position("appsettings list"),
            self.position("role assignment list"),
            self.position("event-subscription show"),
            self.position("monitor metrics"),
        ]
        self.assertEqual(order, sorted(order))

    def test_the_values_for_hunters_are_printed_last(self):
        lines = self.run_script().stdout.strip().splitlines()[-5:]
        values = [line.split(":")[1].strip() for line in lines]
        self.assertEqual(values, ["sub-1", "flows", "ns", "flowlogs", "hunters"])

    def test_nothing_is_called_without_a_package(self):
        done = self.run_script(PACKAGE="missing.zip")
        self.assertEqual((done.returncode, self.calls), (1, []))
        self.assertIn("make package", done.stderr)

    def test_nothing_is_called_without_a_resource_group(self):
        done = self.run_script(RESOURCE_GROUP="")
        self.assertEqual((done.returncode, self.calls), (1, []))
        self.assertIn("RESOURCE_GROUP is not set", done.stderr)

    def test_a_missing_login_is_reported(self):
        done = self.run_script(answers=[{"when": ["account", "show"], "code": 1}])
        self.assertEqual((done.returncode, len(self.calls)), (1, 1))
        self.assertIn("az login", done.stderr)

    def test_only_missing_providers_are_registered(self):
        answers = [{"when": ["provider", "show", "Microsoft.EventGrid"], "out": "NotRegistered\n"}]
        self.run_script(answers=answers)
        self.assertEqual(self.count("provider register"), 1)
        self.position("provider register", "Microsoft.EventGrid", "--wait")

    def test_a_group_is_created_only_if_it_does_not_exist(self):
        self.run_script()
        self.assertEqual(self.count("group create", "--location"), 0)
        absent = [{"when": ["group", "exists"], "out": "false\n"}]
        self.run_script(answers=absent, LOCATION="westeurope")
        self.position("group create", "--name flows", "--location westeurope", "application=flowlog-forwarder")
        done = self.run_script(answers=absent)
        self.assertEqual(done.returncode, 1)
        self.assertIn("set LOCATION", done.stderr)

    def test_a_refused_template_changes_nothing(self):
        done = self.run_script(answers=[{"when": ["what-if"], "code": 1}])
        self.assertEqual(done.returncode, 1)
        self.assertIn("nothing was changed", done.stderr)
        self.assertEqual(self.count("group create"), 0)

    def test_without_a_terminal_nothing_is_confirmed(self):
        done = self.run_script(YES="")
        self.assertEqual(done.returncode, 1)
        self.assertIn("YES=1", done.stderr)
        self.assertEqual(self.count("group create"), 0)

    def test_a_failed_step_stops_the_script_and_is_named(self):
        later = {
            "infrastructure": (["group", "create", "--name", "flowlog-forwarder", "--parameters"], "config-zip"),
            "package": (["config-zip"], "infra/events.bicep"),
            "event subscriptions": (["infra/events.bicep"], "appsettings"),
        }
        for what, (words, next_step) in later.items():
            with self.subTest(what):
                done = self.run_script(answers=[{"when": words, "code": 3}])
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn("deploy.sh: the " + what, done.stderr)
                self.assertEqual(self.count(next_step), 0)

    def test_publishing_is_retried_until_roles_are_effective(self):
        done = self.run_script(answers=[{"when": ["config-zip"], "code": 1, "times": 3}])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.count("config-zip"), 4)

    def test_missing_functions_stop_it_before_the_subscription(self):
        answers = [{"when": ["function", "list"], "out": "app/FlowLogBlobCreated\n"}]
        done = self.run_script(answers=answers)
        self.assertEqual((done.returncode, self.count("infra/events.bicep")), (1, 0))
        self.assertIn("does not show FlowLogBlobCreated FlowLogSweep", done.stderr)

    def test_check_changes_nothing(self):
        done = self.run_script("check")
        self.assertEqual(done.returncode, 0, done.stderr)
        for word in ["create", "delete", "register", "config-zip", "upload"]:
            self.assertEqual(self.count(word), 0, word)

    def test_check_names_the_problem(self):
        missing = {
            "lacks the setting EVENT_HUB_NAME": {
                "when": ["appsettings"],
                "out": SETTINGS.replace("EVENT_HUB_NAME\n", ""),
            },
            "beside the identity's": {"when": ["appsettings"], "out": SETTINGS + "EVENT_HUB_CONNECTION\n"},
            "lacks the role Azure Event Hubs Data Sender on flowlogs": {
                "when": ["role", "--scope", "/eventhubs/flowlogs"],
                "out": "Reader\n",
            },
            "lacks the role Storage Blob Data Reader on fabrikam": {
                "when": ["role", "--scope", "storageAccounts/fabrikam"],
                "out": "Storage Blob Data Owner\n",
            },
            "lacks the role Storage Table Data Contributor": {
                "when": ["role", "--scope", "storageAccounts/host"],
                "out": "Storage Blob Data Owner\n",
            },
            "subscription of contoso is in the state Failed": {"when": ["event-subscription"], "out": "Failed\n"},
            "has no event subscription": {"when": ["event-subscription"], "code": 3},
            "can't read the hub's metrics": {"when": ["monitor", "metrics"], "code": 1},
        }
        for message, answer in missing.items():
            with self.subTest(message):
                done = self.run_script("check", answers=[answer])
                self.assertEqual(done.returncode, 1)
                self.assertIn(message, done.stderr)

    def test_every_account_is_checked_in_its_subscription(self):
        self.run_script("check")
        for account, subscription in [("contoso", "sub-1"), ("fabrikam", "sub-2")]:
            self.position("event-subscription show", f"--subscription {subscription}", f"{account}-flowlogs")
            self.position("role assignment list", f"storageAccounts/{account}", f"--subscription {subscription}")

    def test_a_test_blob_is_written_on_request_and_deleted(self):
        self.run_script("check")
        self.assertEqual(self.count("blob upload"), 0)
        counted = [{"when": ["monitor", "metrics"], "out": "7.0\n", "times": 3}, {"when": ["monitor"], "out": "8.0\n"}]
        done = self.run_script("check", answers=counted, TEST_BLOB="1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("counted by the hub", done.stdout)
        self.assertLess(self.position("blob upload", "--auth-mode login"), self.position("blob delete"))
        self.assertEqual(self.count("monitor metrics"), 4)

    def test_a_test_blob_that_does_not_arrive_is_a_failure(self):
        done = self.run_script("check", TEST_BLOB="1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no message was counted", done.stderr)

    def test_undeploy_deletes_subscriptions_first_and_keeps_other_topics(self):
        done = self.run_script("undeploy")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.count("event-subscription delete"), 2)
        self.position("system-topic delete", "contoso-flowlogs")
        self.assertEqual(self.count("system-topic delete", "fabrikam-flowlogs"), 0)
        # Two subscriptions, two assignments in each.
        self.assertEqual(self.count("role assignment delete"), 4)
        self.assertLess(self.position("event-subscription delete"), self.position("group delete"))
        self.assertLess(self.position("role assignment delete"), self.position("group delete"))

    def test_undeploy_deletes_only_a_group_that_deploy_created(self):
        answers = [
            {"when": ["group", "show", "tags.application"], "out": "None\n"},
            {"when": ["resource", "list", "[].id"], "out": "id-1\nid-2\n", "times": 1},
        ]
        done = self.run_script("undeploy", answers=answers)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.position("resource delete", "--ids id-1 id-2")
        self.assertEqual(self.count("group delete --name flows"), 0)

    def test_undeploy_without_a_group_deletes_nothing(self):
        done = self.run_script("undeploy", answers=[{"when": ["group", "exists"], "out": "false\n"}])
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.count("delete"), 0)

    def test_an_unknown_command_shows_the_usage(self):
        done = self.run_script("destroy")
        self.assertEqual((done.returncode, self.calls), (64, []))
        self.assertIn("usage:", done.stderr)

    def test_shellcheck_finds_nothing(self):
        done = subprocess.run(["shellcheck", SCRIPT], capture_output=True, text=True)
        self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    unittest.main()
