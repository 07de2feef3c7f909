//! Credentials for storage accounts and the event hub. Secrets are never shown by `Debug`.

use secrecy::SecretString;

/// A managed identity of the function app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The client ID of a user-assigned identity; `None` is the system-assigned one.
    pub client_id: Option<String>,
}

/// Credentials for a storage account.
#[derive(Clone, Debug)]
pub enum StorageAccess {
    /// A managed identity; the account's addresses are https then.
    Identity(Identity),
    /// The account's key.
    Key {
        /// The account's name.
        account: String,
        /// The key, valid base64.
        key: SecretString,
    },
    /// A shared access signature, without a leading `?`.
    Sas(SecretString),
}

/// Credentials for an event hub.
#[derive(Clone, Debug)]
pub enum HubAccess {
    /// A managed identity.
    Identity(Identity),
    /// A shared access policy, whose key signs short-lived tokens.
    Key {
        /// The policy's name.
        name: String,
        /// The policy's key, as written in the connection string.
        key: SecretString,
    },
    /// A shared access signature made elsewhere: `SharedAccessSignature sr=…`.
    Signature(SecretString),
}
