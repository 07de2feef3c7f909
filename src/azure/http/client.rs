//! Timeouts of the HTTP clients.

use std::time::Duration;

/// To connect. Event Grid waits 30 s for everything together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest pause within one answer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Builds a client with our timeouts. It follows no redirects: a request carries a credential for one host.
pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
}
