//! How far each blob has been forwarded, who is at work on it, and the rules by which that changes.
//!
//! A [`Checkpoint`] is one row of the checkpoint table. All rules here are synchronous and know
//! neither clock nor network: times come in as milliseconds since the Unix epoch. Whatever a rule
//! returns is written back by compare-and-swap (see [`CheckpointStore`]), so two workers can never
//! both believe that they moved the same row.

mod scan;
mod store;

pub use scan::{CheckpointTable, Continuation, LARGEST_PAGE, RowPage, Rows, StoredRow};
pub use store::{CheckpointStore, RowVersion, StoreError};

use ring::digest;
use std::fmt::Write as _;
use std::time::Duration;

/// How long a claim lasts unless it is renewed. Longer than an invocation works (25 s), so that a
/// healthy owner never loses it; short enough that a killed owner holds up nothing but one minute.
pub const CLAIM: Duration = Duration::from_mins(1);

/// How many bytes before the offset the guard covers. A record ends with its last tuple, which names a
/// millisecond, two addresses, two ports and four counters: 160 bytes hold it (some 75 bytes with IPv4, 150
/// with IPv6) and the brackets behind it. They are read anew with every event, 1 % of a minute of 16 kB.
pub const GUARD_BYTES: u64 = 160;

/// A fingerprint of the bytes just before a checkpoint's offset.
///
/// When they are still there, the blob has only grown and the offset still means what it meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard(String);

impl Guard {
    /// The guard over `bytes`: the last [`GUARD_BYTES`] before an offset, or fewer near the start.
    #[must_use]
    pub fn over(bytes: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, bytes);
        // 16 bytes tell two contents apart as surely as 32 would, in half the row.
        Self(hash.as_ref()[..16].iter().fold(String::with_capacity(32), |mut hex, byte| {
            // Writing to a String never fails.
            let _ = write!(hex, "{byte:02x}");
            hex
        }))
    }

    /// The guard as text, for the row.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Guard {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// How far a blob has been forwarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Byte position behind the last forwarded record; 0 when none was.
    pub offset: u64,
    /// Fingerprint of the bytes just before `offset`; at offset 0, of the blob's first bytes, from when
    /// a run has set out to send them.
    pub guard: Option<Guard>,
    /// The blob version that was forwarded to its end, without quotes; none while work is left over.
    pub etag: Option<String>,
    /// Length in bytes of the newest blob version that was read.
    pub length: u64,
    /// How often the blob was found rewritten: tells message ids of different contents apart.
    pub generation: u32,
    /// Where the blob stops being flow-log records, if it does.
    pub broken: Option<Broken>,
    /// How many bytes before `offset` are in quarantine and were not forwarded.
    pub set_aside: u64,
}

/// How long a blob whose hour is over must have stayed as it is before a record without an end is put
/// into quarantine: until then another commit may bring the rest.
pub const GRACE: Duration = Duration::from_mins(10);

impl Progress {
    /// Whether bytes of a broken blob are to be put into quarantine at `now`: its hour ended at `hour_end`,
    /// and an unfinished record had its time to be finished. Both in milliseconds since the Unix epoch.
    #[must_use]
    pub fn owes_quarantine(&self, hour_end: u64, now: u64) -> bool {
        self.broken.is_some_and(|broken| {
            let due = if broken.unfinished {
                hour_end.max(broken.since).saturating_add(millis(GRACE))
            } else {
                hour_end
            };
            broken.kept < self.length && due <= now
        })
    }

    /// Whether some of what was committed is not forwarded and can't be.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.is_some() || self.set_aside > 0
    }
}

/// A blob of which nothing from `Progress::offset` on is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The byte at which the structure breaks; where the record starts that has no end.
    pub at: u64,
    /// How far the bytes are in quarantine; `at` or less when none are.
    pub kept: u64,
    /// When the blob was first found as it is, in milliseconds since the Unix epoch.
    pub since: u64,
    /// Whether the blob ends inside a record, which a later commit may finish.
    pub unfinished: bool,
}

/// Who works on a blob, and until when nobody else may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Unique to one run of one process.
    pub owner: String,
    /// Milliseconds since the Unix epoch.
    pub until: u64,
}

/// A commit that somebody asked for while another had the claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The commit's `ETag`, without quotes.
    pub etag: String,
    /// The blob's length at that commit, bytes; 0 when the event did not say.
    pub length: u64,
}

/// One row: progress, claim and what is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// The blob's URL, for people who read the table.
    pub blob: String,
    /// How far the blob has been forwarded.
    pub progress: Progress,
    /// The end of what an unfinished run set out to send, in bytes: messages between
    /// `progress.offset` and here may have been sent already. A run that finds it goes exactly that
    /// far first, so that every repeated message has the bounds, and so the id, that it had before.
    pub in_doubt: Option<u64>,
    /// Who works on the blob now.
    pub claim: Option<Claim>,
    /// The newest commit that the owner was asked to look at.
    pub wanted: Option<Wanted>,
}

impl Checkpoint {
    /// The row of a blob of which nothing has been forwarded.
    #[must_use]
    pub fn new(blob: String) -> Self {
        Self { blob, ..Self::default() }
    }

    /// Whether the commit named by `etag` has been forwarded to its end.
    #[must_use]
    pub fn covers(&self, etag: &str) -> bool {
        self.progress.etag.as_deref() == Some(etag)
    }

    /// Whether anybody holds an unexpired claim at `now`.
    #[must_use]
    pub fn is_claimed(&self, now: u64) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.until > now)
    }

    /// Whether nothing is left to do at `now` for the commit named by `etag`, of a blob whose hour ends at
    /// `hour_end`; both in milliseconds since the Unix epoch.
    #[must_use]
    pub fn settles(&self, etag: &str, hour_end: u64, now: u64) -> bool {
        self.covers(etag) && !self.progress.owes_quarantine(hour_end, now)
    }

    /// Whether somebody other than `me` holds an unexpired claim at `now`.
    #[must_use]
    pub fn is_held_by_another(&self, me: &str, now: u64) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.owner != me && claim.until > now)
    }

    /// Whether `me` holds the claim, expired or not: nobody took it over.
    #[must_use]
    pub fn is_held_by(&self, me: &str) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.owner == me)
    }

    /// The row with the claim taken (or renewed) by `me` for a run that will send up to `end`.
    /// An older run's doubt stays: see [`Checkpoint::in_doubt`].
    #[must_use]
    pub fn claimed(&self, me: &str, now: u64, end: u64) -> Self {
        let claim = Claim { owner: me.to_owned(), until: now + millis(CLAIM) };
        Self { claim: Some(claim), in_doubt: Some(self.in_doubt.unwrap_or(end)), ..self.clone() }
    }

    /// The row with `wanted` noted for the owner; none when it already says so.
    #[must_use]
    pub fn wanting(&self, wanted: &Wanted) -> Option<Self> {
        (self.wanted.as_ref() != Some(wanted)).then(|| Self { wanted: Some(wanted.clone()), ..self.clone() })
    }

    /// The row with its owner's progress saved and the claim renewed, in the middle of a run.
    #[must_use]
    pub fn advanced(&self, progress: Progress, now: u64) -> Self {
        let claim = self.claim.as_ref().map(|claim| Claim { until: now + millis(CLAIM), ..claim.clone() });
        Self { progress, claim, ..self.clone() }
    }

    /// The row after its owner's run ended at `progress` and gave the claim back.
    /// What the run had set out to send stays in doubt unless the run `finished`.
    #[must_use]
    pub fn released(&self, progress: Progress, finished: bool) -> Self {
        let in_doubt = if finished { None } else { self.in_doubt };
        Self { blob: self.blob.clone(), progress, in_doubt, claim: None, wanted: None }
    }

    /// The row of a blob whose stored bytes are no longer those that were forwarded: everything
    /// will be forwarded again, under new message ids.
    #[must_use]
    pub fn rewritten(&self) -> Self {
        let generation = self.progress.generation.saturating_add(1);
        let progress = Progress { generation, ..Progress::default() };
        Self { progress, in_doubt: None, ..self.clone() }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(etag: &str) -> Wanted {
        Wanted { etag: etag.into(), length: 7 }
    }

    #[test]
    fn a_claim_keeps_others_out_until_it_expires() {
        let row = Checkpoint::new("b".into()).claimed("a", 1_000, 50);
        assert!(row.is_held_by_another("b", 1_000));
        assert!(row.is_held_by_another("b", 60_999));
        assert!(!row.is_held_by_another("b", 61_000), "expired");
        assert!(!row.is_held_by_another("a", 1_000), "one's own claim");
    }

    #[test]
    fn a_takeover_keeps_what_the_dead_owner_left_in_doubt() {
        let dead = Checkpoint::new("b".into()).claimed("a", 0, 50);
        let taken = dead.claimed("b", 70_000, 90);
        assert_eq!(taken.in_doubt, Some(50));
        assert!(taken.is_held_by("b") && !taken.is_held_by("a"));
    }

    #[test]
    fn a_failed_run_leaves_its_end_in_doubt_and_a_finished_one_does_not() {
        let row = Checkpoint::new("b".into()).claimed("a", 0, 50);
        let progress = Progress { offset: 20, ..Progress::default() };
        assert_eq!(row.released(progress.clone(), false).in_doubt, Some(50));
        assert_eq!(row.released(progress, true).in_doubt, None);
    }

    #[test]
    fn wanting_the_same_commit_twice_changes_nothing() {
        let row = Checkpoint::new("b".into());
        let asked = row.wanting(&wanted("e1")).unwrap();
        assert_eq!(asked.wanting(&wanted("e1")), None);
        assert_eq!(asked.wanting(&wanted("e2")).unwrap().wanted, Some(wanted("e2")));
    }

    #[test]
    fn a_rewrite_starts_over_in_a_new_generation_and_keeps_the_claim() {
        let mut row = Checkpoint::new("b".into()).claimed("a", 0, 50);
        row.progress = Progress { offset: 40, guard: Some(Guard::over(b"x")), ..Progress::default() };
        let again = row.rewritten();
        assert_eq!(again.progress, Progress { generation: 1, ..Progress::default() });
        assert_eq!(again.in_doubt, None);
        assert!(again.is_held_by("a"));
    }

    #[test]
    fn guards_tell_contents_apart() {
        assert_eq!(Guard::over(b"abc"), Guard::over(b"abc"));
        assert_ne!(Guard::over(b"abc"), Guard::over(b"abd"));
        assert_eq!(Guard::over(b"abc").as_str().len(), 32);
    }
}
