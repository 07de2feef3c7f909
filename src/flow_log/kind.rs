//! The kinds of flow logs: everything that differs between them, in one table.
//!
//! # How to add a kind
//! Add an entry to [`KINDS`]. The parser of blob names, the sweep's discovery and the splitter of large
//! records all read this table; no other code changes. The root key and the wrapper must differ from those
//! of the other kinds, and the tuples must lie in three nested lists. Then add a record of the new kind to
//! the splitter's tests, and the container to the description of `FLOWLOG_CONTAINERS`.

/// How many nested lists lead to the tuples of a record.
pub const LISTS: usize = 3;

/// No member name in [`KINDS`] has this many bytes.
pub(crate) const LONGEST_MEMBER: usize = 16;

/// Which resource a flow log watches, and what follows for names and records.
///
/// Sources: learn.microsoft.com, *Virtual network flow logs* and *Flow logging for network security groups*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogKind {
    /// The container that Network Watcher writes to.
    pub container: &'static str,
    /// The key in a blob's first folder, `{root_key}=`.
    pub root_key: &'static str,
    /// The member of a record that holds the outermost list.
    pub wrapper: &'static str,
    /// The members that hold the lists, from the outermost list to the list of tuples.
    pub lists: [&'static str; LISTS],
}

/// All kinds.
pub const KINDS: &[LogKind] = &[
    LogKind {
        container: "insights-logs-flowlogflowevent",
        root_key: "flowLogResourceID",
        wrapper: "flowRecords",
        lists: ["flows", "flowGroups", "flowTuples"],
    },
    LogKind {
        container: "insights-logs-networksecuritygroupflowevent",
        root_key: "resourceId",
        wrapper: "properties",
        lists: ["flows", "flows", "flowTuples"],
    },
];

/// The container of virtual network flow logs: the default of `FLOWLOG_CONTAINERS`.
pub const VNET_CONTAINER: &str = LogKind::VNET.container;

impl LogKind {
    /// Flow logs of virtual networks, subnets and network interfaces.
    pub const VNET: Self = KINDS[0];

    /// Flow logs of network security groups, the older kind.
    pub const NSG: Self = KINDS[1];

    /// The kind with this root key, compared without case.
    #[must_use]
    pub fn with_root_key(key: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.root_key.eq_ignore_ascii_case(key))
    }

    /// The kind with this wrapper.
    pub(crate) fn with_wrapper(member: &[u8]) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.wrapper.as_bytes() == member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_kinds_share_a_root_key_or_a_wrapper() {
        for kind in KINDS {
            assert_eq!(LogKind::with_root_key(&kind.root_key.to_ascii_uppercase()), Some(kind));
            assert_eq!(LogKind::with_wrapper(kind.wrapper.as_bytes()), Some(kind));
        }
    }

    #[test]
    fn member_names_are_shorter_than_the_bound() {
        let members = KINDS.iter().flat_map(|kind| kind.lists.into_iter().chain([kind.wrapper]));
        assert!(members.into_iter().all(|member| member.len() < LONGEST_MEMBER));
    }
}
