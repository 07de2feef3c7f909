//! Adds to an error of a storage service the endpoint, the credential and what to check.

use crate::azure::http::{describe_error, status};
use crate::config::{Identity, StorageAccess};
use azure_core::Error;

/// A credential as errors name it, and what to check when a service refuses it.
#[derive(Clone, Debug)]
pub(super) struct ErrorContext {
    credential: String,
    advice: String,
}

impl ErrorContext {
    /// For requests with the credential of `setting`. `role` is the role that an identity needs.
    pub(super) fn new(access: &StorageAccess, setting: &str, role: &str) -> Self {
        let (credential, advice) = match access {
            StorageAccess::Identity(Identity { client_id }) => (
                format!("identity {}", client_id.as_deref().unwrap_or("(system-assigned)")),
                format!("check its role {role} there, and the account's firewall"),
            ),
            StorageAccess::Key { .. } => (
                "the key".to_owned(),
                "check the key, this machine's clock, and the account's firewall".to_owned(),
            ),
            StorageAccess::Sas(_) => (
                "the shared access signature".to_owned(),
                "check its expiry, its permissions, and the account's firewall".to_owned(),
            ),
        };
        Self { credential: format!("{credential} of {setting}"), advice }
    }

    /// One line without secrets: `error` of a request to `endpoint`, and what to check.
    pub(super) fn describe(&self, endpoint: &str, error: &Error) -> String {
        let reason = describe_error(error);
        match status(error) {
            Some(401 | 403) => format!("{endpoint} with {}: {reason}; {}", self.credential, self.advice),
            _ => format!("{endpoint}: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use azure_core::error::ErrorKind;
    use azure_core::http::StatusCode;

    fn refused(status: StatusCode) -> Error {
        let error_code = Some("AuthorizationPermissionMismatch".to_owned());
        Error::with_message(ErrorKind::HttpResponse { status, error_code, raw_response: None }, "whole body")
    }

    #[test]
    fn a_refusal_names_endpoint_credential_and_what_to_check() {
        let of = |client_id: Option<&str>| {
            let identity = Identity { client_id: client_id.map(str::to_owned) };
            let access = StorageAccess::Identity(identity);
            ErrorContext::new(&access, "FLOWLOG_STORAGE", "Storage Blob Data Reader")
        };
        let error = refused(StatusCode::Forbidden);
        assert_eq!(
            of(Some("1e3d")).describe("https://a.blob/c", &error),
            "https://a.blob/c with identity 1e3d of FLOWLOG_STORAGE: HTTP 403: AuthorizationPermissionMismatch; \
             check its role Storage Blob Data Reader there, and the account's firewall"
        );
        assert!(of(None).describe("x", &error).contains("identity (system-assigned) of FLOWLOG_STORAGE"));
        let access = StorageAccess::Key { account: "a".into(), key: "hunter2".into() };
        let key = ErrorContext::new(&access, "CHECKPOINT_STORAGE", "any").describe("x", &error);
        assert!(key.contains("check the key, this machine's clock") && !key.contains("role"), "{key}");
        let other = of(None).describe("https://a.blob/c", &refused(StatusCode::ServiceUnavailable));
        assert_eq!(other, "https://a.blob/c: HTTP 503: AuthorizationPermissionMismatch");
    }
}
