//! Writes AMQP 1.0 values. (AMQP 1.0, part 1.)

use crate::flow_log::rope::Rope;

pub(super) struct AmqpWriter(Vec<u8>);

impl AmqpWriter {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The descriptor of the section with this code.
    pub(super) fn section(&mut self, code: u8) {
        self.0.extend_from_slice(&[0x00, 0x53, code]);
    }

    pub(super) fn list(&mut self, count: u32, write_values: impl FnOnce(&mut Self)) {
        self.compound(0xd0, count, write_values);
    }

    /// A map; `count` is the number of keys and values together.
    pub(super) fn map(&mut self, count: u32, write_values: impl FnOnce(&mut Self)) {
        self.compound(0xd1, count, write_values);
    }

    fn compound(&mut self, constructor: u8, count: u32, write_values: impl FnOnce(&mut Self)) {
        self.0.push(constructor);
        let size_at = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        self.0.extend_from_slice(&count.to_be_bytes());
        write_values(self);
        let size = length(self.0.len() - size_at - 4);
        self.0[size_at..size_at + 4].copy_from_slice(&size);
    }

    pub(super) fn nulls(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0x40);
    }

    pub(super) fn string(&mut self, text: &str) {
        self.text(0xa1, 0xb1, text);
    }

    pub(super) fn symbol(&mut self, text: &str) {
        self.text(0xa3, 0xb3, text);
    }

    fn text(&mut self, short: u8, long: u8, text: &str) {
        if let Ok(length) = u8::try_from(text.len()) {
            self.0.extend_from_slice(&[short, length]);
        } else {
            self.0.push(long);
            self.0.extend_from_slice(&length(text.len()));
        }
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(super) fn ulong(&mut self, value: u64) {
        self.0.push(0x80);
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn binary(&mut self, rope: &Rope) {
        self.0.push(0xb0);
        self.0.extend_from_slice(&length(rope.len()));
        rope.pieces().for_each(|piece| self.0.extend_from_slice(piece));
    }
}

/// A length as AMQP writes it. Always below 4 GiB: sizes are checked against the link's limit of a few MiB
/// before anything is encoded.
fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}
