//! The managed identity of a connection.

use super::access::Identity;
use super::error::Reason;
use super::reader::SettingsReader;
use super::settings::{CLIENT_ID, CREDENTIAL, UNSUPPORTED_PARTS};

/// The managed identity that `<connection>__credential` and `<connection>__clientId` name.
pub(super) fn identity(reader: &mut SettingsReader<'_>, connection: &str) -> Identity {
    // Only checked: a managed identity is the one kind of credential there is.
    let _ = reader.read_part(connection, &CREDENTIAL);
    for part in UNSUPPORTED_PARTS {
        let name = format!("{connection}__{part}");
        if reader.is_set(&name) {
            reader.report(&name, Reason::UnsupportedCredential { client_id: CLIENT_ID.of(connection) });
        }
    }
    Identity { client_id: reader.read_part(connection, &CLIENT_ID) }
}

/// Reports settings of an identity beside a connection string.
pub(super) fn refuse_identity(reader: &mut SettingsReader<'_>, connection: &str) {
    for name in [CREDENTIAL.of(connection), CLIENT_ID.of(connection)] {
        if reader.is_set(&name) {
            reader
                .report(&name, Reason::IdentityBesideConnectionString { connection: connection.to_owned() });
        }
    }
}
