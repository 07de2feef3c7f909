//! The settings, by name: what the README's table and the example of local settings are tested against.

/// One setting, as documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The full name; `<NAME>` stands for each setting that names a connection.
    pub name: &'static str,
    /// What it means, in one sentence.
    pub meaning: &'static str,
    /// What holds when it is not set.
    pub default: &'static str,
}

/// Every setting that is read, in the order of the documentation. Their names follow the Functions
/// host's own conventions for connections.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "FLOWLOG_STORAGE",
        meaning: "connection string of the storage account that holds the flow logs",
        default: "required, unless `FLOWLOG_STORAGE__blobServiceUri` is set",
    },
    Setting {
        name: "FLOWLOG_STORAGE__blobServiceUri",
        meaning: "blob service addresses of the accounts that hold flow logs, separated by commas, read by managed identity",
        default: "",
    },
    Setting {
        name: "FLOWLOG_STORAGE__accountName",
        meaning: "the same for one account by its name, in the public cloud",
        default: "",
    },
    Setting {
        name: "FLOWLOG_CONTAINERS",
        meaning: "containers whose blobs are forwarded, separated by commas; add `insights-logs-networksecuritygroupflowevent` for NSG flow logs",
        default: "`insights-logs-flowlogflowevent`",
    },
    Setting {
        name: "EVENT_HUB_CONNECTION",
        meaning: "connection string of the Event Hubs namespace or hub",
        default: "required, unless `EVENT_HUB_CONNECTION__fullyQualifiedNamespace` is set",
    },
    Setting {
        name: "EVENT_HUB_CONNECTION__fullyQualifiedNamespace",
        meaning: "host name of the namespace, sent to by managed identity",
        default: "",
    },
    Setting {
        name: "EVENT_HUB_NAME",
        meaning: "name of the event hub",
        default: "the connection string's `EntityPath`",
    },
    Setting {
        name: "EVENT_HUB_PARTITION_KEY",
        meaning: "`none`, or `nic` to send each network interface's records to one partition, in order unless a batch must be sent again",
        default: "`none`",
    },
    Setting {
        name: "MAX_MESSAGE_BYTES",
        meaning: "upper bound for one message, at least 2048; never above what the hub takes",
        default: "what the hub takes",
    },
    Setting {
        name: "CHECKPOINT_STORAGE",
        meaning: "connection string of the storage account for checkpoints and quarantine",
        default: "`AzureWebJobsStorage`",
    },
    Setting {
        name: "CHECKPOINT_STORAGE__blobServiceUri",
        meaning: "blob service address of that account, used by managed identity",
        default: "follows from the table service's",
    },
    Setting {
        name: "CHECKPOINT_STORAGE__tableServiceUri",
        meaning: "table service address of that account, used by managed identity",
        default: "follows from the blob service's",
    },
    Setting {
        name: "CHECKPOINT_STORAGE__accountName",
        meaning: "the same by the account's name, in the public cloud",
        default: "",
    },
    Setting {
        name: "AzureWebJobsStorage",
        meaning: "the Functions host's own storage, used where `CHECKPOINT_STORAGE` is not set, in the same forms",
        default: "",
    },
    Setting {
        name: "AzureWebJobsStorage__blobServiceUri",
        meaning: "as for `CHECKPOINT_STORAGE`",
        default: "",
    },
    Setting {
        name: "AzureWebJobsStorage__tableServiceUri",
        meaning: "as for `CHECKPOINT_STORAGE`",
        default: "",
    },
    Setting { name: "AzureWebJobsStorage__accountName", meaning: "as for `CHECKPOINT_STORAGE`", default: "" },
    Setting {
        name: "<NAME>__credential",
        meaning: "`managedidentity`, the only kind of credential, for each of the four connections above",
        default: "`managedidentity`",
    },
    Setting {
        name: "<NAME>__clientId",
        meaning: "client id of a user-assigned identity for that connection",
        default: "the system-assigned identity",
    },
    Setting {
        name: "CHECKPOINT_RETENTION_DAYS",
        meaning: "days after which checkpoints are deleted, at least 2; how far back a sweep catches up is a day less",
        default: "`7`",
    },
    Setting {
        name: "FLOWLOG_SWEEP_SCHEDULE",
        meaning: "when the sweep runs, an NCRONTAB expression that the Functions host reads; `0 */5 * * * *` is every five minutes",
        default: "required by the host, which can't run `FlowLogSweep` without it",
    },
    Setting {
        name: "FUNCTIONS_CUSTOMHANDLER_PORT",
        meaning: "loopback port to listen on; the Functions host sets it",
        default: "`3000`",
    },
    Setting {
        name: "RUST_LOG",
        meaning: "log filter, as `tracing` reads it: `error`, `warn`, `info`, `debug` or `trace`, or `target=level` pairs, separated by commas",
        default: "`info`",
    },
    Setting {
        name: "LOG_FORMAT",
        meaning: "`text` or `json`",
        default: "`json` under the Functions host, else `text`",
    },
];
