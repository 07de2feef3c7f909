//! Examples of the texts that are put together at run time.

use crate::app::answer::{Redelivery, event_result};
use crate::flow_log::cut::NotHeld;
use crate::flow_log::{FlowLogBlob, VNET_CONTAINER};
use crate::forward::lease_store::LeaseError;
use crate::forward::{Awaited, Completion, Continuity, ForwardError, Forwarded};
use crate::hour::Hour;
use crate::message::split::SplitError;
use crate::ports::blobs::ReadError;
use crate::ports::hub::HubError;
use crate::ports::quarantine::QuarantineError;
use crate::sweep::SweepReport;
use std::time::Duration;
use url::Url;

/// 2026-11-22T09:05:00Z, milliseconds since the Unix epoch.
const NOW: u64 = 498_705 * 3_600_000 + 300_000;

fn blob() -> FlowLogBlob {
    let service = Url::parse("https://contoso.blob.core.windows.net").unwrap();
    let name = "flowLogResourceID=/S_RG/NW_FL/y=2026/m=11/d=22/h=09/m=00/macAddress=112233ABCDEF/PT1H.json";
    FlowLogBlob::new(&service, VNET_CONTAINER, name).unwrap()
}

/// `text` with a short URL.
fn short(text: &str) -> String {
    text.replace(&blob().url(), "https://…/PT1H.json")
}

/// A healthy sweep, one that found everything there is to find, and one that could do nothing.
pub(super) fn sweeps() -> Vec<String> {
    let healthy = SweepReport {
        started: NOW,
        hours: Some((Hour::new(498_704), Hour::new(498_705))),
        flow_logs: 2,
        scanned: 2,
        listed: 120,
        behind: 1,
        caught_up: 1,
        records: 600,
        messages: 3,
        newest_commit: Some(NOW - 60_000),
        ..SweepReport::default()
    };
    let worrying = SweepReport {
        behind: 9,
        caught_up: 2,
        failed: 1,
        broken: 1,
        first_broken: Some(blob().url()),
        behind_in_closed: 1,
        quarantined: 2,
        claimed_elsewhere: 1,
        left_over: 4,
        rescanned: 24,
        deleted: 30,
        given_up: 5,
        failed_scans: 1,
        oldest_behind: Some(NOW - 26 * 3_600_000),
        missing: vec!["contoso/missing".to_owned()],
        silent: vec!["contoso/silent".to_owned()],
        first_failure: Some(failures().remove(0)),
        ..healthy.clone()
    };
    let failed = SweepReport { started: NOW, failed_scans: 1, ..SweepReport::default() };
    [healthy, worrying, failed].map(|swept| short(&swept.to_string())).to_vec()
}

/// One result for each end of a run, with and without records.
pub(super) fn results() -> Vec<String> {
    let mut lines = Vec::new();
    let ends =
        [Completion::Complete, Completion::LeftOver, Completion::ClaimedElsewhere, Completion::Deleted];
    for end in ends {
        for records in [0, 7] {
            let stats =
                Forwarded { completion: end, records, messages: records.min(1), ..Forwarded::default() };
            for redelivery in [None, Some(Redelivery::Stopping), Some(Redelivery::HourSettled)] {
                lines.push(event_result(&stats, &blob().url(), redelivery).to_string());
            }
        }
    }
    let broken = Forwarded {
        records: 7,
        messages: 1,
        quarantined: 2,
        broken: true,
        rewritten: Some(Continuity::Altered),
        ..Forwarded::default()
    };
    lines.push(event_result(&broken, &blob().url(), None).to_string());
    lines.dedup();
    lines.iter().map(|line| short(line)).collect()
}

/// One error for each variant, with all the things that an attempt waits for.
pub(super) fn failures() -> Vec<String> {
    let (blob, url) = (blob(), blob().url());
    let hub = HubError::Unreachable {
        hub: "contoso.servicebus.windows.net/flow".to_owned(),
        reason: "connection refused".to_owned(),
    };
    let mut errors = vec![
        ForwardError::Read {
            blob: url.clone(),
            cause: ReadError::Failed { range: 0..4_096, reason: "503 Server Busy".to_owned() },
        },
        ForwardError::Checkpoint {
            blob: url.clone(),
            cause: LeaseError::ClaimLost { key: blob.checkpoint_key(), owner: Some("2f6c-17".to_owned()) },
        },
        ForwardError::Send { blob: url.clone(), from: 4_096, cause: hub },
        ForwardError::Quarantine {
            blob: url.clone(),
            cause: QuarantineError { item: "item".to_owned(), reason: "403 Forbidden".to_owned() },
        },
        ForwardError::Split {
            blob: url.clone(),
            cause: SplitError::Changed { record: 14..9_000, offset: 4_096 },
        },
        ForwardError::Oversize { blob: url.clone(), range: 14..9_000, size: 2_000_000 },
        ForwardError::Internal { blob: url.clone(), cause: NotHeld { requested: 0..14, held: 14..9_000 } },
        ForwardError::Stopping { blob: url.clone() },
    ];
    for awaited in [
        Awaited::Lock,
        Awaited::Memory,
        Awaited::Storage,
        Awaited::Table,
        Awaited::Hub,
        Awaited::Quarantine,
        Awaited::NewCommits,
    ] {
        let (budget, waited) = (Duration::from_secs(25), Duration::from_millis(24_960));
        errors.push(ForwardError::OutOfTime { blob: url.clone(), budget, waited, awaited });
    }
    errors.iter().map(|error| short(&error.to_string())).collect()
}
