//! Compares what a consumer of the hub receives with what was committed.

use crate::support::received::Received;
use crate::support::records::records_of;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

/// What happened to the records of one or more blobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Records that were committed.
    pub records: usize,
    /// Records that did not arrive.
    pub lost: usize,
    /// Messages that arrived again under the same id, with the same records.
    pub repeated: usize,
    /// Records that arrived again under another id.
    pub doubled: usize,
    /// Records that were not committed, and ids that arrived again with other records.
    pub altered: usize,
    /// Messages that arrived before an earlier one of the same blob, without repeats.
    pub overtook: usize,
}

impl Verdict {
    /// Whether the guarantee was kept: nothing is lost or altered, and repeats have the same id.
    pub fn is_kept(&self) -> bool {
        (self.lost, self.doubled, self.altered) == (0, 0, 0)
    }
}

impl AddAssign for Verdict {
    fn add_assign(&mut self, other: Self) {
        self.records += other.records;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.doubled += other.doubled;
        self.altered += other.altered;
        self.overtook += other.overtook;
    }
}

/// Judges what arrived of one blob. The `committed` records are in order; those from before a rewrite come first.
pub fn judge(committed: &[String], arrivals: &[Received]) -> Verdict {
    judge_by(committed, arrivals, |record| vec![record])
}

/// The same by `tuples`, which must all differ, for records that may arrive in parts.
pub fn judge_tuples(tuples: &[String], arrivals: &[Received]) -> Verdict {
    judge_by(tuples, arrivals, |record| {
        let record: Value = serde_json::from_str(&record).unwrap();
        let groups = record["flowRecords"]["flows"][0]["flowGroups"].as_array().unwrap();
        let tuples = groups.iter().flat_map(|group| group["flowTuples"].as_array().unwrap());
        tuples.map(|tuple| tuple.as_str().unwrap().to_owned()).collect()
    })
}

fn judge_by(committed: &[String], arrivals: &[Received], units: impl Fn(String) -> Vec<String>) -> Verdict {
    let mut verdict = Verdict { records: committed.len(), ..Verdict::default() };
    let mut first: HashMap<&str, Vec<String>> = HashMap::new();
    let mut eras: Vec<(&str, BTreeMap<u64, &str>)> = Vec::new();
    for arrival in arrivals {
        let records: Vec<String> = records_of(&arrival.body).into_iter().flat_map(&units).collect();
        if let Some(before) = first.get(&*arrival.id) {
            let again = if *before == records { &mut verdict.repeated } else { &mut verdict.altered };
            *again += 1;
            continue;
        }
        first.insert(&arrival.id, records);
        let (blob, _) = arrival.id.rsplit_once('-').and_then(|(rest, _)| rest.rsplit_once('-')).unwrap();
        if !eras.iter().any(|(era, _)| *era == blob) {
            eras.push((blob, BTreeMap::new()));
        }
        let (_, era) = eras.iter_mut().find(|(era, _)| *era == blob).unwrap();
        verdict.overtook +=
            usize::from(era.last_key_value().is_some_and(|(last, _)| *last > arrival.range.start));
        // Two messages with one offset: their records are compared below.
        if let Some(other) = era.insert(arrival.range.start, &arrival.id) {
            verdict.doubled += first[other].len();
        }
    }
    let mut missing: HashMap<&str, usize> = HashMap::new();
    for record in committed {
        *missing.entry(record).or_default() += 1;
    }
    let messages = eras.iter().flat_map(|(_, era)| era.values());
    for record in messages.flat_map(|id| &first[id]) {
        match missing.get_mut(&**record) {
            Some(0) => verdict.doubled += 1,
            Some(count) => *count -= 1,
            None => verdict.altered += 1,
        }
    }
    verdict.lost = missing.values().sum();
    verdict
}

/// A row of the printed table: fault, runs, lost, doubled, altered, time or deliveries to recover.
pub struct Row<'a> {
    pub fault: &'a str,
    pub runs: usize,
    pub verdict: Verdict,
    pub recovered: Recovery,
}

/// How long it took until every event succeeded.
#[derive(Clone, Copy, Debug)]
pub enum Recovery {
    /// The most deliveries of one event.
    Deliveries(usize),
    /// Time from the end of the fault.
    Within(Duration),
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, runs, verdict, recovered } = self;
        let Verdict { lost, repeated, doubled, altered, .. } = verdict;
        write!(
            f,
            "| {fault} | {runs} | {lost} | {doubled} (and {repeated} messages again under their own id) | {altered} | "
        )?;
        match recovered {
            Recovery::Deliveries(most) => write!(f, "{most} deliveries |"),
            Recovery::Within(time) => write!(f, "{:.1} s |", time.as_secs_f64()),
        }
    }
}

/// Prints a row or a figure.
#[expect(clippy::print_stdout, reason = "the table is for people")]
pub fn show(what: &impl fmt::Display) {
    println!("{what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(id: &str, records: &[&str]) -> Received {
        let body = format!("{{\"records\":[{}]}}", records.join(",")).into_bytes();
        let mut numbers = id.split('-').skip(1).map(|number| number.parse().unwrap());
        let range = numbers.next().unwrap()..numbers.next().unwrap();
        Received {
            id: id.into(),
            source: String::new(),
            etag: String::new(),
            range,
            partition_key: None,
            body,
        }
    }

    fn judged(arrivals: &[Received]) -> Verdict {
        let committed = ["1", "2", "3", "3"].map(String::from);
        judge(&committed, arrivals)
    }

    #[test]
    fn each_kind_of_fault_is_counted_on_its_own() {
        let all = [arrival("b-12-15", &["1", "2"]), arrival("b-16-19", &["3", "3"])];
        let good = Verdict { records: 4, ..Verdict::default() };
        assert_eq!(judged(&all), good);
        assert_eq!(judged(&all[..1]), Verdict { lost: 2, ..good });
        assert_eq!(judged(&[&all[..], &all[..1]].concat()), Verdict { repeated: 1, ..good });
        let other = arrival("b-12-17", &["1", "2", "3"]);
        assert_eq!(judged(&[&all[..], &[other]].concat()).doubled, 2 + 1);
        let other = arrival("b-14-15", &["2"]);
        assert_eq!(judged(&[&all[..], &[other]].concat()), Verdict { doubled: 1, overtook: 1, ..good });
        let other = arrival("b-12-15", &["1", "9"]);
        assert_eq!(judged(&[&all[..], &[other]].concat()), Verdict { altered: 1, ..good });
        assert_eq!(judged(&[all[1].clone(), all[0].clone()]), Verdict { overtook: 1, ..good });
    }
}
