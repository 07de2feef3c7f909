//! The range that an unfinished run may have sent, the bounds of its messages, and the rules for both.

/// What determines the bounds of messages, besides the records. A run that repeats messages uses the stored
/// bounds, whatever the settings are now, so that each repeat is identical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The longest message body, bytes.
    pub max_body: u64,
    /// Whether messages have a partition key per network interface.
    pub by_nic: bool,
    /// The version of the packing rules: see [`crate::message::batch::PACKING_VERSION`].
    pub layout: u32,
}

impl Bounds {
    /// The bounds of the next run: those `stored` with the range in flight, so that it repeats the same
    /// messages. Its `own` if none are stored, if the packing rules have changed, or if the hub no longer
    /// accepts such long bodies: `largest` is the longest that it accepts, bytes.
    #[must_use]
    pub fn for_run(stored: Option<Self>, own: Self, largest: u64) -> Self {
        stored.filter(|stored| stored.layout == own.layout && stored.max_body <= largest).unwrap_or(own)
    }
}

/// A range from [`Progress::offset`](super::Progress::offset) on that a run may have sent in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlightRange {
    /// The offset at which it ends.
    pub until: u64,
    /// The bounds of its messages; `None` in a row of an older build.
    pub bounds: Option<Bounds>,
}

impl InFlightRange {
    /// The same range, with `bounds` if it has none.
    #[must_use]
    pub fn or_bounds(self, bounds: Option<Bounds>) -> Self {
        Self { bounds: self.bounds.or(bounds), ..self }
    }
}

impl From<u64> for InFlightRange {
    fn from(until: u64) -> Self {
        Self { until, bounds: None }
    }
}

/// How a run ended, as far as it decides whether the range in flight is cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// It reached the end of the version, of the range in flight, or of the records before a break. The hub
    /// accepted everything sent.
    Complete,
    /// It ended before that, because the time was over or another version was committed. The hub accepted
    /// everything sent.
    StoppedEarly {
        /// Whether it repeats a range that an earlier run left in flight.
        repeats: bool,
        /// Whether it sent only a part of its last record.
        within_record: bool,
    },
    /// A call failed. The hub may have accepted messages without an acknowledgement.
    Failed,
}

impl RunOutcome {
    /// Whether nothing stays in flight, so that the next run may choose its own bounds.
    ///
    /// After an early stop the range stays if an earlier run may have sent messages behind the offset, or if
    /// the hub has a part of a record: the next run must send the same messages.
    #[must_use]
    pub fn clears_in_flight(self) -> bool {
        match self {
            Self::Complete => true,
            Self::StoppedEarly { repeats, within_record } => !repeats && !within_record,
            Self::Failed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Bounds = Bounds { max_body: 1_000, by_nic: false, layout: 2 };

    #[test]
    fn a_run_without_stored_bounds_uses_its_own() {
        assert_eq!(Bounds::for_run(None, OWN, 5_000), OWN);
    }

    #[test]
    fn stored_bounds_are_used_whatever_the_settings_are_now() {
        for max_body in [500, 1_000, 5_000] {
            let stored = Bounds { max_body, by_nic: true, ..OWN };
            assert_eq!(Bounds::for_run(Some(stored), OWN, 5_000), stored);
        }
    }

    #[test]
    fn stored_bounds_that_the_hub_no_longer_accepts_are_replaced() {
        let stored = Bounds { max_body: 5_001, ..OWN };
        assert_eq!(Bounds::for_run(Some(stored), OWN, 5_000), OWN);
    }

    #[test]
    fn stored_bounds_of_other_packing_rules_are_replaced() {
        for layout in [1, 3] {
            assert_eq!(Bounds::for_run(Some(Bounds { layout, ..OWN }), OWN, 5_000), OWN);
        }
    }

    #[test]
    fn only_a_run_that_leaves_nothing_to_repeat_clears_its_range() {
        let early = |repeats, within_record| RunOutcome::StoppedEarly { repeats, within_record };
        for outcome in [RunOutcome::Complete, early(false, false)] {
            assert!(outcome.clears_in_flight(), "{outcome:?}");
        }
        for outcome in [RunOutcome::Failed, early(true, false), early(false, true), early(true, true)] {
            assert!(!outcome.clears_in_flight(), "{outcome:?}");
        }
    }
}
