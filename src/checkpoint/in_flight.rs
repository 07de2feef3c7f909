//! What an unfinished run set out to send, and what decides where its messages begin and end.

/// What decides the bounds of messages, beside the records themselves. A run that sends again what another
/// may have sent goes by the other's, whatever the settings say by then: so a repeat is the same message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most bytes that a message body may have.
    pub max_body: u64,
    /// Whether messages carry a partition key, one for each network interface.
    pub by_nic: bool,
    /// Which rules packed the records: see [`crate::message::batch::PACKING_VERSION`].
    pub layout: u32,
}

/// The range from [`Progress::offset`](super::Progress::offset) on that a run set out to send and has not
/// seen accepted to its end: some of it may have been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InFlightRange {
    /// The byte position at which it ends.
    pub until: u64,
    /// The bounds of its messages; none in a row of a build that did not store them.
    pub bounds: Option<Bounds>,
}

impl InFlightRange {
    /// The same, with `bounds` where none are known.
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
