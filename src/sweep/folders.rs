//! Classifies folders by their names: the year of a flow log, a folder above one, or something else.

use crate::flow_log::LogKind;
use crate::hour::Hour;

/// A flow log, as the folder that holds its years.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FlowLog {
    pub(super) prefix: String,
    /// Whether the keys of dates are upper case: `Y=` instead of `y=`.
    pub(super) upper: bool,
}

impl FlowLog {
    /// The prefix of the names of all its blobs of `hour`.
    pub(super) fn prefix_of(&self, hour: Hour) -> String {
        let (year, month, day) = hour.date().to_calendar_date();
        let [y, m, d, h] = if self.upper { ["Y", "M", "D", "H"] } else { ["y", "m", "d", "h"] };
        let (prefix, month, hour) = (&self.prefix, u8::from(month), hour.of_day());
        format!("{prefix}{y}={year:04}/{m}={month:02}/{d}={day:02}/{h}={hour:02}/")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FolderKind {
    /// May hold flow logs further down.
    Parent,
    /// One year of a flow log.
    Year { upper: bool },
    /// Holds no flow logs.
    Foreign,
}

/// Classifies the folder `child` of `folder`. At the root of a container only the roots of flow logs count.
pub(super) fn classify(folder: &str, child: &str) -> FolderKind {
    let name = child.strip_prefix(folder).unwrap_or(child).trim_end_matches('/');
    match name.split_once('=') {
        key if folder.is_empty() => {
            let is_root = key.is_some_and(|(key, _)| LogKind::with_root_key(key).is_some());
            if is_root { FolderKind::Parent } else { FolderKind::Foreign }
        }
        Some(("y", year)) if is_year(year) => FolderKind::Year { upper: false },
        Some(("Y", year)) if is_year(year) => FolderKind::Year { upper: true },
        _ => FolderKind::Parent,
    }
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_years_parents_or_foreign() {
        for (folder, child, expected) in [
            ("", "flowLogResourceID=/", FolderKind::Parent),
            ("", "FLOWLOGRESOURCEID=/", FolderKind::Parent),
            ("", "resourceId=/", FolderKind::Parent),
            ("", "resourceId=ABC/", FolderKind::Parent),
            ("", "tenant=/", FolderKind::Foreign),
            ("", "backup/", FolderKind::Foreign),
            ("", "y=2026/", FolderKind::Foreign),
            ("resourceId=/", "resourceId=/SUBSCRIPTIONS/", FolderKind::Parent),
            ("resourceId=/A/", "resourceId=/A/y=2026/", FolderKind::Year { upper: false }),
            ("resourceId=/A/", "resourceId=/A/Y=2026/", FolderKind::Year { upper: true }),
            ("resourceId=/A/", "resourceId=/A/y=old/", FolderKind::Parent),
        ] {
            assert_eq!(classify(folder, child), expected, "{child} in {folder}");
        }
    }

    #[test]
    fn the_prefix_of_an_hour_keeps_the_case_of_its_flow_log() {
        let hour = Hour::new(498_705);
        let folder = |upper| FlowLog { prefix: "flowLogResourceID=/S/F/".into(), upper }.prefix_of(hour);
        assert_eq!(folder(false), "flowLogResourceID=/S/F/y=2026/m=11/d=22/h=09/");
        assert_eq!(folder(true), "flowLogResourceID=/S/F/Y=2026/M=11/D=22/H=09/");
    }
}
