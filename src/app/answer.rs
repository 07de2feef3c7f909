//! The answer to the host after a run: whether Event Grid must deliver the event again, and why.

use crate::forward::{Completion, Forwarded};
use crate::host::Handled;

/// Why only another delivery of the event would soon continue unfinished work; without a reason the next
/// sweep continues it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Redelivery {
    #[error("the process is stopping")]
    Stopping,
    #[error("its hour ended more than an hour ago, so no sweep rescans it soon")]
    HourSettled,
}

impl Redelivery {
    pub(super) fn needed(hour_is_settled: bool, stopping: bool) -> Option<Self> {
        if stopping { Some(Self::Stopping) } else { hour_is_settled.then_some(Self::HourSettled) }
    }
}

/// The result of an event about the blob at `url`. Unfinished work counts as a failure only if it needs a
/// `redelivery`.
pub(super) fn event_result(stats: &Forwarded, url: &str, redelivery: Option<Redelivery>) -> Handled {
    let Forwarded { records, messages, quarantined, .. } = stats;
    let nothing = *records == 0 && *quarantined == 0;
    let text = match stats.completion {
        Completion::Deleted => return Handled::Nothing(format!("{url} no longer exists")),
        Completion::Complete if nothing && !stats.broken => {
            return Handled::Nothing(format!("{url} has no new records"));
        }
        Completion::ClaimedElsewhere if nothing => {
            format!("{url} is claimed by another worker; this commit is recorded for it")
        }
        _ => format!("{records} records in {messages} messages from {url}"),
    };
    let rewritten =
        if stats.rewritten.is_some() { " (rewritten, and forwarded again from the start)" } else { "" };
    let quarantine = match quarantined {
        0 => String::new(),
        count => format!("; {count} put into quarantine"),
    };
    let rest = match stats.completion {
        Completion::LeftOver => "; the rest is left for the next attempt",
        Completion::ClaimedElsewhere if !nothing => "; the rest is claimed by another worker",
        _ => "",
    };
    let text = format!("{text}{rewritten}{quarantine}{rest}");
    if let (Completion::LeftOver | Completion::ClaimedElsewhere, Some(reason)) =
        (stats.completion, redelivery)
    {
        return Handled::Failed(format!("{text}; {reason}: Event Grid has to deliver this event again"));
    }
    match stats.completion {
        _ if stats.broken => Handled::Broken(format!(
            "{text}. Some of its bytes are not complete flow-log records and are not forwarded: search the log for \
             `quarantined`, look into the container flowlog-quarantine, and find out what else writes to the blob"
        )),
        Completion::ClaimedElsewhere if nothing => Handled::Nothing(text),
        _ => Handled::Forwarded(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::Continuity;

    const SETTLED: Option<Redelivery> = Some(Redelivery::HourSettled);
    const STOPPING: Option<Redelivery> = Some(Redelivery::Stopping);

    fn ended(end: Completion) -> Forwarded {
        Forwarded { completion: end, ..Forwarded::default() }
    }

    #[test]
    fn work_that_a_sweep_continues_needs_no_other_delivery() {
        let none = event_result(&ended(Completion::ClaimedElsewhere), "b", None);
        assert_eq!(
            none,
            Handled::Nothing("b is claimed by another worker; this commit is recorded for it".to_owned())
        );
        let some = Forwarded { records: 3, messages: 1, ..ended(Completion::LeftOver) };
        let line = "3 records in 1 messages from b; the rest is left for the next attempt";
        assert_eq!(event_result(&some, "b", None), Handled::Forwarded(line.to_owned()));
        assert!(matches!(event_result(&ended(Completion::LeftOver), "b", None), Handled::Forwarded(_)));
    }

    #[test]
    fn work_that_no_sweep_continues_fails_with_the_reason() {
        for end in [Completion::LeftOver, Completion::ClaimedElsewhere] {
            for (redelivery, why) in [(SETTLED, "no sweep rescans it soon"), (STOPPING, "is stopping")] {
                for records in [0, 3] {
                    let stats = Forwarded { records, messages: records, broken: records > 0, ..ended(end) };
                    let Handled::Failed(line) = event_result(&stats, "b", redelivery) else {
                        panic!("{stats:?}")
                    };
                    assert!(line.contains(why) && line.contains("deliver this event again"), "{line}");
                }
            }
        }
    }

    #[test]
    fn complete_work_needs_no_other_delivery() {
        for redelivery in [None, SETTLED, STOPPING] {
            let nothing = Handled::Nothing("b has no new records".to_owned());
            assert_eq!(event_result(&ended(Completion::Complete), "b", redelivery), nothing);
            assert_eq!(
                event_result(&ended(Completion::Deleted), "b", redelivery),
                Handled::Nothing("b no longer exists".to_owned())
            );
            let stats = Forwarded {
                records: 2,
                messages: 1,
                quarantined: 1,
                rewritten: Some(Continuity::Altered),
                ..ended(Completion::Complete)
            };
            let line = "2 records in 1 messages from b (rewritten, and forwarded again from the start); 1 put into quarantine";
            assert_eq!(event_result(&stats, "b", redelivery), Handled::Forwarded(line.to_owned()));
        }
    }

    #[test]
    fn a_broken_blob_never_looks_healthy() {
        for end in [Completion::Complete, Completion::LeftOver, Completion::ClaimedElsewhere] {
            for records in [0, 3] {
                let stats = Forwarded { records, broken: true, ..ended(end) };
                let Handled::Broken(line) = event_result(&stats, "b", None) else { panic!("{stats:?}") };
                assert!(line.contains("not forwarded") && line.contains("flowlog-quarantine"), "{line}");
            }
        }
    }
}
