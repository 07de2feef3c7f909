//! The answer to the host after a run: whether Event Grid has to deliver again, and why.

use crate::forward::{Completion, Forwarded};
use crate::host::Handled;

/// What decides, beside the run itself, whether work that is left over is taken up without another event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Circumstances {
    /// Whether the blob's hour has been over for so long that no sweep looks at it soon.
    pub(super) settled: bool,
    /// Whether the process is about to end.
    pub(super) stopping: bool,
}

/// What came of a run over `blob`.
///
/// Work that is left over is answered with a failure where only another event brings it soon; otherwise the
/// next sweep does.
pub(super) fn told(done: &Forwarded, blob: &str, circumstances: Circumstances) -> Handled {
    let Forwarded { records, messages, quarantined, .. } = done;
    let nothing = *records == 0 && *quarantined == 0;
    let text = match done.completion {
        Completion::Deleted => return Handled::Nothing(format!("{blob} is gone")),
        Completion::Complete if nothing && !done.broken => {
            return Handled::Nothing(format!("{blob} brought nothing new"));
        }
        Completion::ClaimedElsewhere if nothing => {
            format!("{blob} is at work elsewhere, where this commit is noted")
        }
        _ => format!("{records} records in {messages} messages from {blob}"),
    };
    let again =
        if done.rewritten.is_some() { " (rewritten, and forwarded again from the start)" } else { "" };
    let aside = match quarantined {
        0 => String::new(),
        count => format!("; {count} put into quarantine"),
    };
    let rest = match done.completion {
        Completion::LeftOver => "; the rest is left for the next attempt",
        Completion::ClaimedElsewhere if !nothing => "; the rest is at work elsewhere",
        _ => "",
    };
    let text = format!("{text}{again}{aside}{rest}");
    if let (Completion::LeftOver | Completion::ClaimedElsewhere, Some(why)) =
        (done.completion, why_again(circumstances))
    {
        return Handled::Failed(format!("{text}; {why}: Event Grid has to deliver this event again"));
    }
    match done.completion {
        _ if done.broken => Handled::Broken(format!(
            "{text}. Some of what was committed to it is no flow log, or a record without an end, and is not forwarded: see \
             the log for `quarantined`, the container flowlog-quarantine, and what else writes to the blob"
        )),
        Completion::ClaimedElsewhere if nothing => Handled::Nothing(text),
        _ => Handled::Forwarded(text),
    }
}

fn why_again(Circumstances { settled, stopping }: Circumstances) -> Option<&'static str> {
    match () {
        () if stopping => Some("the process is stopping"),
        () if settled => Some("its hour has been over for more than an hour, and no sweep looks at it soon"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::plan::Continuity;

    const OPEN: Circumstances = Circumstances { settled: false, stopping: false };
    const SETTLED: Circumstances = Circumstances { settled: true, stopping: false };
    const STOPPING: Circumstances = Circumstances { settled: false, stopping: true };

    fn ended(end: Completion) -> Forwarded {
        Forwarded { completion: end, ..Forwarded::default() }
    }

    #[test]
    fn what_a_sweep_will_take_up_needs_no_other_event() {
        let none = told(&ended(Completion::ClaimedElsewhere), "b", OPEN);
        assert_eq!(none, Handled::Nothing("b is at work elsewhere, where this commit is noted".to_owned()));
        let some = Forwarded { records: 3, messages: 1, ..ended(Completion::LeftOver) };
        let line = "3 records in 1 messages from b; the rest is left for the next attempt";
        assert_eq!(told(&some, "b", OPEN), Handled::Forwarded(line.to_owned()));
        assert!(matches!(told(&ended(Completion::LeftOver), "b", OPEN), Handled::Forwarded(_)));
    }

    #[test]
    fn work_left_in_an_hour_that_no_sweep_reaches_fails_with_the_reason() {
        for end in [Completion::LeftOver, Completion::ClaimedElsewhere] {
            for (circumstances, why) in [(SETTLED, "no sweep looks at it soon"), (STOPPING, "is stopping")] {
                for records in [0, 3] {
                    let done = Forwarded { records, messages: records, broken: records > 0, ..ended(end) };
                    let Handled::Failed(line) = told(&done, "b", circumstances) else { panic!("{done:?}") };
                    assert!(line.contains(why) && line.contains("deliver this event again"), "{line}");
                }
            }
        }
    }

    #[test]
    fn nothing_left_needs_no_other_event_however_old_the_hour() {
        for circumstances in [OPEN, SETTLED, STOPPING] {
            let nothing = Handled::Nothing("b brought nothing new".to_owned());
            assert_eq!(told(&ended(Completion::Complete), "b", circumstances), nothing);
            assert_eq!(
                told(&ended(Completion::Deleted), "b", circumstances),
                Handled::Nothing("b is gone".to_owned())
            );
            let done = Forwarded {
                records: 2,
                messages: 1,
                quarantined: 1,
                rewritten: Some(Continuity::Altered),
                ..ended(Completion::Complete)
            };
            let line = "2 records in 1 messages from b (rewritten, and forwarded again from the start); 1 put into quarantine";
            assert_eq!(told(&done, "b", circumstances), Handled::Forwarded(line.to_owned()));
        }
    }

    #[test]
    fn a_broken_blob_never_looks_healthy() {
        for end in [Completion::Complete, Completion::LeftOver, Completion::ClaimedElsewhere] {
            for records in [0, 3] {
                let done = Forwarded { records, broken: true, ..ended(end) };
                let Handled::Broken(line) = told(&done, "b", OPEN) else { panic!("{done:?}") };
                assert!(line.contains("not forwarded") && line.contains("flowlog-quarantine"), "{line}");
            }
        }
    }
}
