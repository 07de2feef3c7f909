//! The files that the Functions host reads agree with the code and with each other.

use flowlog_forwarder::config::SWEEP_SCHEDULE;
use flowlog_forwarder::host::{EVENT_FUNCTION, SWEEP_FUNCTION};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn json(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&std::fs::read(root().join(path)).unwrap()).unwrap()
}

#[test]
fn the_event_function_has_the_path_that_the_server_serves() {
    // The host calls a function by the name of its folder.
    let function = json(format!("{EVENT_FUNCTION}/function.json"));
    let bindings = function["bindings"].as_array().unwrap();
    assert_eq!(bindings.len(), 1, "an output binding would send messages of its own");
    assert_eq!(bindings[0]["type"], "eventGridTrigger");
    assert_eq!(bindings[0]["direction"], "in");
}

#[test]
fn the_sweep_runs_by_a_timer_whose_schedule_is_a_setting() {
    let function = json(format!("{SWEEP_FUNCTION}/function.json"));
    let bindings = function["bindings"].as_array().unwrap();
    assert_eq!(bindings.len(), 1);
    assert_eq!(bindings[0]["type"], "timerTrigger");
    assert_eq!(bindings[0]["direction"], "in");
    assert_eq!(bindings[0]["schedule"], format!("%{SWEEP_SCHEDULE}%"));
    assert_eq!(bindings[0]["useMonitor"], true, "the host makes up for a missed run");
    assert_eq!(bindings[0]["runOnStartup"], false, "a scale-out starts no sweep");
    let example = json("local.settings.json.example");
    let schedule = example["Values"][SWEEP_SCHEDULE].as_str().unwrap();
    assert_eq!(schedule.split(' ').count(), 6, "NCRONTAB begins with seconds");
}

#[test]
fn the_host_starts_the_binary_at_the_root_of_the_app() {
    let host = json("host.json");
    assert_eq!(host["version"], "2.0");
    let executable = host["customHandler"]["description"]["defaultExecutablePath"].as_str().unwrap();
    let built = PathBuf::from(env!("CARGO_BIN_EXE_flowlog-forwarder"));
    assert_eq!(built.file_name().unwrap(), executable);
    assert_eq!(host["extensionBundle"]["id"], "Microsoft.Azure.Functions.ExtensionBundle");
    assert_eq!(host["extensionBundle"]["version"], "[4.*, 5.0.0)");
    assert_eq!(host.get("retry"), None, "Event Grid retries already");
}

#[test]
fn no_published_file_is_ignored() {
    let ignored = std::fs::read_to_string(root().join(".funcignore")).unwrap();
    let ignored: Vec<_> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    for needed in ["host.json", EVENT_FUNCTION, SWEEP_FUNCTION, "flowlog-forwarder"] {
        assert!(!ignored.contains(&needed), "{needed}");
    }
    for needless in ["src", "target", "tests", "local.settings.json"] {
        assert!(ignored.contains(&needless), "{needless}");
    }
}
