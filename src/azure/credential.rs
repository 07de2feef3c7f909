//! Managed identities.

use crate::config::Identity;
use azure_core::credentials::TokenCredential;
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use std::sync::Arc;

/// The credential of `identity`: the system-assigned one, or the user-assigned one that it names.
/// No token is fetched yet.
///
/// Under Functions the identity endpoint is App Service's (`IDENTITY_ENDPOINT` and
/// `IDENTITY_HEADER` in the environment); on a virtual machine it is the instance metadata service.
///
/// # Errors
/// When the environment names an identity service that the SDK does not support.
pub fn credential(identity: &Identity) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let options = ManagedIdentityCredentialOptions {
        user_assigned_id: identity.client_id.clone().map(UserAssignedId::ClientId),
        ..ManagedIdentityCredentialOptions::default()
    };
    Ok(ManagedIdentityCredential::new(Some(options))?)
}
