//! What a folder's name says: a flow log's year, a folder on the way there, or somebody else's.

use crate::flow_log::LogKind;
use crate::hour::Hour;

/// A folder that holds one flow log's years.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FlowLog {
    pub(super) prefix: String,
    /// Whether `Y=` is written for `y=`, and so the other keys.
    pub(super) upper: bool,
}

impl FlowLog {
    /// What the names of all its blobs of `hour` begin with.
    pub(super) fn prefix_of(&self, hour: Hour) -> String {
        let (year, month, day) = hour.date().to_calendar_date();
        let [y, m, d, h] = if self.upper { ["Y", "M", "D", "H"] } else { ["y", "m", "d", "h"] };
        let (prefix, month, hour) = (&self.prefix, u8::from(month), hour.of_day());
        format!("{prefix}{y}={year:04}/{m}={month:02}/{d}={day:02}/{h}={hour:02}/")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Below {
    /// A folder to look into.
    Folder,
    /// A flow log's year.
    Year { upper: bool },
    /// Somebody else's.
    Foreign,
}

/// What the folder `child` in `folder` is: at the root, flow logs have keys of their own.
pub(super) fn what_is(folder: &str, child: &str) -> Below {
    let name = child.strip_prefix(folder).unwrap_or(child).trim_end_matches('/');
    match name.split_once('=') {
        key if folder.is_empty() => {
            let is_root = key.is_some_and(|(key, _)| LogKind::with_root_key(key).is_some());
            if is_root { Below::Folder } else { Below::Foreign }
        }
        Some(("y", year)) if is_year(year) => Below::Year { upper: false },
        Some(("Y", year)) if is_year(year) => Below::Year { upper: true },
        _ => Below::Folder,
    }
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_are_told_from_folders_and_foreign_roots() {
        for (folder, child, expected) in [
            ("", "flowLogResourceID=/", Below::Folder),
            ("", "FLOWLOGRESOURCEID=/", Below::Folder),
            ("", "resourceId=/", Below::Folder),
            ("", "resourceId=ABC/", Below::Folder),
            ("", "tenant=/", Below::Foreign),
            ("", "backup/", Below::Foreign),
            ("", "y=2026/", Below::Foreign),
            ("resourceId=/", "resourceId=/SUBSCRIPTIONS/", Below::Folder),
            ("resourceId=/A/", "resourceId=/A/y=2026/", Below::Year { upper: false }),
            ("resourceId=/A/", "resourceId=/A/Y=2026/", Below::Year { upper: true }),
            ("resourceId=/A/", "resourceId=/A/y=old/", Below::Folder),
        ] {
            assert_eq!(what_is(folder, child), expected, "{child} in {folder}");
        }
    }

    #[test]
    fn an_hours_prefix_is_spelled_as_the_years_folder_is() {
        let hour = Hour::new(498_705);
        let folder = |upper| FlowLog { prefix: "flowLogResourceID=/S/F/".into(), upper }.prefix_of(hour);
        assert_eq!(folder(false), "flowLogResourceID=/S/F/y=2026/m=11/d=22/h=09/");
        assert_eq!(folder(true), "flowLogResourceID=/S/F/Y=2026/M=11/D=22/H=09/");
    }
}
