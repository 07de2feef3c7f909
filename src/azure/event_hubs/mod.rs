//! A pipelined producer for Azure Event Hubs, on AMQP 1.0.
//!
//! One task owns one link to one hub. It connects at the first use (TCP, TLS, SASL ANONYMOUS, a token through
//! `$cbs`), keeps many batches in flight, and opens a new link when one ends. Only the hub's *accepted* counts as
//! success.
//!
//! | file or folder | what it holds |
//! |---|---|
//! | `producer` | [`EventHub`], which callers use |
//! | `driver` | the task: queues, sends, retries |
//! | `link` | a link: opened, used, closed |
//! | `wire` | the byte stream, the checks on incoming frames, the encoding of batches |
//! | `auth` | tokens and `$cbs` |
//! | `fault` | which failures are retried |

mod address;
mod attempt;
mod auth;
mod driver;
mod fault;
mod link;
mod options;
mod producer;
pub(super) mod wire;

pub use address::HubAddress;
pub use auth::{HUB_SCOPE, HubCredential};
pub use options::HubOptions;
pub use producer::EventHub;
