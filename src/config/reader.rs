//! Reads settings by name and keeps what is wrong with them, so that all of it is reported together.

use super::Identity;
use super::problem::{Problem, Wrong};

/// Parts of connections that Functions knows and the forwarder does not read.
pub(super) const REFUSED: [&str; 3] = ["managedIdentityResourceId", "clientSecret", "tenantId"];

pub(super) struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new() }
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Whether the setting exists, empty or not.
    pub(super) fn is_set(&self, name: &str) -> bool {
        (self.lookup)(name).is_some()
    }

    /// The setting's value without surrounding blanks. An empty one is reported, and counts as none.
    pub(super) fn get(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name)?;
        let value = value.trim();
        if value.is_empty() {
            self.report(name, Wrong::Empty);
            return None;
        }
        Some(value.to_owned())
    }

    /// The setting's value, where an empty one is as good as none.
    pub(super) fn non_empty(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.trim().is_empty())
    }

    /// The setting's value read by `parse`, or `default` when it is not set. A wrong value is reported,
    /// and the default stands in so that reading can go on.
    pub(super) fn parse_or<T>(
        &mut self,
        name: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> T {
        let parsed = self.get(name).map(|value| parse(&value));
        parsed.and_then(|parsed| self.check(name, parsed)).unwrap_or(default)
    }

    /// The value of `outcome`; what is wrong is reported under `name`.
    pub(super) fn check<T>(&mut self, name: &str, outcome: Result<T, impl Into<Wrong>>) -> Option<T> {
        outcome.map_err(|wrong| self.report(name, wrong.into())).ok()
    }

    /// Reports what is wrong with the setting, once.
    pub(super) fn report(&mut self, name: &str, wrong: Wrong) {
        let problem = Problem { setting: name.to_owned(), wrong };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// The managed identity that `<connection>__credential` and `<connection>__clientId` name.
    pub(super) fn identity(&mut self, connection: &str) -> Identity {
        let [credential, client_id] = ["credential", "clientId"].map(|part| format!("{connection}__{part}"));
        self.parse_or(&credential, (), |value| {
            // The one credential kind that Functions' own connections know for identities.
            let known = value.eq_ignore_ascii_case("managedidentity");
            if known { Ok(()) } else { Err(Wrong::NotOneOf { allowed: "managedidentity" }) }
        });
        for other in REFUSED {
            let name = format!("{connection}__{other}");
            if self.is_set(&name) {
                self.report(&name, Wrong::Unsupported { client_id: client_id.clone() });
            }
        }
        Identity { client_id: self.parse_or(&client_id, None, |value| parse_client_id(value).map(Some)) }
    }

    /// Reports settings of an identity that stand beside a connection string.
    pub(super) fn refuse_identity(&mut self, connection: &str) {
        for part in ["credential", "clientId"] {
            let name = format!("{connection}__{part}");
            if self.is_set(&name) {
                self.report(&name, Wrong::IdentityBesideString { other: connection.to_owned() });
            }
        }
    }
}

/// A GUID in its usual spelling.
fn parse_client_id(value: &str) -> Result<String, Wrong> {
    let groups = value.split('-').map(str::len);
    let is_guid = groups.eq([8, 4, 4, 4, 12]) && value.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if is_guid { Ok(value.to_owned()) } else { Err(Wrong::NotAClientId) }
}
