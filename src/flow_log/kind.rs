//! The kinds of flow logs.

/// The container into which Network Watcher writes virtual network flow logs.
pub const VNET_CONTAINER: &str = "insights-logs-flowlogflowevent";

/// Which resource the flow log watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A virtual network, subnet or network interface (`flowLogResourceID=`).
    VNet,
    /// A network security group (`resourceId=`), the older kind.
    Nsg,
}

impl Kind {
    /// The first key of the blob's names, and so the prefix of a listing that finds them.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::VNet => "flowLogResourceID=/",
            Self::Nsg => "resourceId=/",
        }
    }
}
