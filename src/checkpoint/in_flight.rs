//! The range that an unfinished run may have sent, and the bounds of its messages.

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
