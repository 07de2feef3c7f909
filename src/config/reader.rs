//! Reads declared settings and collects every error, so that all of them are reported together.

use super::error::{ConfigErrors, Reason, SettingError};
use super::setting::Setting;

pub(super) struct SettingsReader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    errors: Vec<SettingError>,
}

impl<'a> SettingsReader<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, errors: Vec::new() }
    }

    /// `config`, unless an error was reported. `None` must have been reported.
    pub(super) fn finish<T>(self, config: Option<T>) -> Result<T, ConfigErrors> {
        config.filter(|_| self.errors.is_empty()).ok_or(ConfigErrors(self.errors))
    }

    /// Whether the setting exists, empty or not.
    pub(super) fn is_set(&self, name: &str) -> bool {
        (self.lookup)(name).is_some()
    }

    /// The setting's value, or else its default. `None` when it has neither, or after reporting an error.
    pub(super) fn read<T: Clone>(&mut self, setting: &Setting<T>) -> Option<T> {
        self.read_as(setting.name, setting)
    }

    /// The same for a part of `connection`.
    pub(super) fn read_part<T: Clone>(&mut self, connection: &str, part: &Setting<T>) -> Option<T> {
        self.read_as(&part.of(connection), part)
    }

    /// The setting's value without regard to its default. An empty setting counts as not set.
    pub(super) fn read_non_empty<T: Clone>(&mut self, setting: &Setting<T>) -> Option<T> {
        let value = (self.lookup)(setting.name).filter(|value| !value.trim().is_empty())?;
        self.check(setting.name, setting.allowed.parse(value.trim()))
    }

    fn read_as<T: Clone>(&mut self, name: &str, setting: &Setting<T>) -> Option<T> {
        let value = (self.lookup)(name).or_else(|| setting.default.value())?;
        let value = value.trim();
        let parsed = if value.is_empty() { Err(Reason::Empty) } else { setting.allowed.parse(value) };
        self.check(name, parsed)
    }

    /// The value of `result`; an error is reported.
    pub(super) fn check<T>(&mut self, name: &str, result: Result<T, Reason>) -> Option<T> {
        result.map_err(|reason| self.report(name, reason)).ok()
    }

    /// Reports that a required setting is missing, and what can be set in its place.
    pub(super) fn report_missing<T>(&mut self, setting: &Setting<T>, alternative: String) {
        self.report(setting.name, Reason::Missing { allowed: setting.allowed.to_string(), alternative });
    }

    /// Reports an error, once.
    pub(super) fn report(&mut self, name: &str, reason: Reason) {
        let error = SettingError { setting: name.to_owned(), reason };
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }
}
