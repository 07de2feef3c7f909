//! A quarantine in memory.

use flowlog_forwarder::flow_log::rope::Rope;
use flowlog_forwarder::ports::quarantine::{ItemName, Note, Quarantine, QuarantineError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug, Default)]
pub struct MemoryQuarantine {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    staged: HashMap<(ItemName, u32), Vec<u8>>,
    items: HashMap<ItemName, (Note, Vec<u8>)>,
    finished: u64,
}

impl MemoryQuarantine {
    /// The items, by blob and offset.
    pub fn items(&self) -> Vec<(Note, Vec<u8>)> {
        let mut items: Vec<_> = self.state.lock().unwrap().items.values().cloned().collect();
        items.sort_by_key(|(note, _)| (note.blob.clone(), note.range.start));
        items
    }

    pub fn item(&self, item: &ItemName) -> Option<(Note, Vec<u8>)> {
        self.state.lock().unwrap().items.get(item).cloned()
    }

    /// How often an item was finished, counting repeats.
    pub fn finished(&self) -> u64 {
        self.state.lock().unwrap().finished
    }
}

impl Quarantine for MemoryQuarantine {
    async fn stage(&self, item: &ItemName, piece: u32, bytes: Rope) -> Result<(), QuarantineError> {
        self.state.lock().unwrap().staged.insert((item.clone(), piece), bytes.to_bytes().to_vec());
        Ok(())
    }

    async fn finish(&self, item: &ItemName, pieces: u32, note: &Note) -> Result<(), QuarantineError> {
        let mut state = self.state.lock().unwrap();
        let bytes = (0..pieces).flat_map(|piece| state.staged[&(item.clone(), piece)].clone()).collect();
        state.items.insert(item.clone(), (note.clone(), bytes));
        state.finished += 1;
        Ok(())
    }
}
