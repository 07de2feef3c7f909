//! Checks incoming frames before `fe2o3-amqp` reads them.
//!
//! That library panics on a frame shorter than its header, and decodes values by recursion, so that deep nesting
//! overflows the stack and ends the process. The service's frames are small and flat: a longer or deeper one ends
//! its connection. (`docs/upstream.md` describes both faults.)
//!
//! Encodings: AMQP 1.0, part 1 (types) and part 2, section 2.3 (framing).

/// The longest frame that we accept, bytes; announced to the service as `max-frame-size`. It sends performatives
/// and answers of `$cbs`, a few hundred bytes each.
pub(crate) const MAX_FRAME_BYTES: u32 = 16 << 10;
/// A frame's header without its extension, bytes.
const FRAME_HEADER: usize = 8;
/// How deep values may be nested. Performatives of the service need about ten levels.
pub(crate) const MAX_DEPTH: usize = 32;
/// The beginning of a protocol header. Read as a frame's length it would be far above the limit.
const PROTOCOL: &[u8] = b"AMQP";
const PROTOCOL_HEADER: usize = 8;

/// Why a frame ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("the peer sent a frame of {0} bytes: {FRAME_HEADER} to {MAX_FRAME_BYTES} are allowed")]
    Length(u32),
    #[error("the peer sent a frame whose header is malformed")]
    Header,
    #[error("the peer sent values nested more than {MAX_DEPTH} deep")]
    Depth,
    #[error("the peer sent a frame whose body does not consist of whole AMQP values")]
    Values,
}

/// The bytes of one connection between the peer and the library.
#[derive(Debug, Default)]
pub(crate) struct FrameCheck {
    buffer: Vec<u8>,
    /// How many bytes of `buffer` are checked and may be passed on.
    checked: usize,
    /// How many of those were passed on.
    passed: usize,
}

impl FrameCheck {
    /// Adds bytes from the peer.
    ///
    /// # Errors
    /// When they begin or complete a frame that must not be passed on.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        self.buffer.drain(..self.passed);
        self.checked -= self.passed;
        self.passed = 0;
        self.buffer.extend_from_slice(bytes);
        while let Some(length) = check_frame(&self.buffer[self.checked..])? {
            self.checked += length;
        }
        Ok(())
    }

    /// The next checked bytes, at most `max`. Returns each byte once.
    pub(crate) fn take(&mut self, max: usize) -> &[u8] {
        let start = self.passed;
        self.passed = self.checked.min(start.saturating_add(max));
        &self.buffer[start..self.passed]
    }
}

/// Checks the frame or protocol header at the start of `bytes`, and returns its length; `None` while it is
/// incomplete.
fn check_frame(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    let Some(first) = bytes.first_chunk::<4>() else { return Ok(None) };
    if first == PROTOCOL {
        return Ok((bytes.len() >= PROTOCOL_HEADER).then_some(PROTOCOL_HEADER));
    }
    let stated = u32::from_be_bytes(*first);
    let length = usize::try_from(stated).map_err(|_| FrameError::Length(stated))?;
    if length < FRAME_HEADER || stated > MAX_FRAME_BYTES {
        return Err(FrameError::Length(stated));
    }
    let Some(frame) = bytes.get(..length) else { return Ok(None) };
    // The body's offset, in words of four bytes, and the frame type: AMQP or SASL.
    let (offset, kind) = (usize::from(frame[4]) * 4, frame[5]);
    if offset < FRAME_HEADER || kind > 1 {
        return Err(FrameError::Header);
    }
    check_body(frame.get(offset..).ok_or(FrameError::Header)?)?;
    Ok(Some(length))
}

/// A value that holds others.
struct Level {
    /// How many inner values follow.
    left: usize,
    /// Where the inner values end, if the encoding says so.
    end: Option<usize>,
    /// The constructor of all inner values, in an array.
    element: Option<u8>,
}

/// Checks that `body` consists of whole values of bounded depth.
fn check_body(body: &[u8]) -> Result<(), FrameError> {
    let mut levels: Vec<Level> = Vec::with_capacity(MAX_DEPTH);
    let mut reader = FrameReader { body, at: 0 };
    loop {
        while let Some(level) = levels.pop_if(|level| level.left == 0) {
            if level.end.is_some_and(|end| end != reader.at) {
                return Err(FrameError::Values);
            }
        }
        let code = match levels.last_mut() {
            None if reader.at == body.len() => return Ok(()),
            None => reader.byte()?,
            Some(level) => {
                level.left -= 1;
                level.element.map_or_else(|| reader.byte(), Ok)?
            }
        };
        if let Some(level) = reader.value(code)? {
            if levels.len() == MAX_DEPTH {
                return Err(FrameError::Depth);
            }
            levels.push(level);
        }
    }
}

struct FrameReader<'a> {
    body: &'a [u8],
    at: usize,
}

impl FrameReader<'_> {
    /// Skips the value after its constructor `code`; for a value that holds others, stops at the first of them.
    fn value(&mut self, code: u8) -> Result<Option<Level>, FrameError> {
        // The upper half of a constructor says how the size is encoded.
        match code {
            // A descriptor and the value that it describes.
            0x00 => return Ok(Some(Level { left: 2, end: None, element: None })),
            0xC0 | 0xC1 | 0xD0 | 0xD1 => return self.compound(code < 0xD0).map(Some),
            0xE0 | 0xF0 => {
                let mut level = self.compound(code == 0xE0)?;
                // Some writers omit the constructor of an empty array.
                if level.left == 0 && level.end == Some(self.at) {
                    return Ok(None);
                }
                let element = self.byte()?;
                // No peer sends arrays of described values, and readers differ on them.
                if element == 0x00 {
                    return Err(FrameError::Values);
                }
                level.element = Some(element);
                return Ok(Some(level));
            }
            0x40..=0x4F => {}
            0x50..=0x5F => self.skip(1)?,
            0x60..=0x6F => self.skip(2)?,
            0x70..=0x7F => self.skip(4)?,
            0x80..=0x8F => self.skip(8)?,
            0x90..=0x9F => self.skip(16)?,
            0xA0..=0xAF => {
                let length = self.byte()?;
                self.skip(usize::from(length))?;
            }
            0xB0..=0xBF => {
                let length = self.number()?;
                self.skip(length)?;
            }
            _ => return Err(FrameError::Values),
        }
        Ok(None)
    }

    /// Size and count of a list, a map or an array.
    fn compound(&mut self, is_short: bool) -> Result<Level, FrameError> {
        let mut read = || if is_short { self.byte().map(usize::from) } else { self.number() };
        let size = read()?;
        let width = if is_short { 1 } else { 4 };
        let end =
            self.at.checked_add(size).filter(|end| *end <= self.body.len()).ok_or(FrameError::Values)?;
        let left = if is_short { self.byte().map(usize::from)? } else { self.number()? };
        // Nearly all values take at least a byte: a larger count is false and would cause a long loop.
        if size < width || left > size - width {
            return Err(FrameError::Values);
        }
        Ok(Level { left, end: Some(end), element: None })
    }

    fn byte(&mut self) -> Result<u8, FrameError> {
        let byte = self.body.get(self.at).copied().ok_or(FrameError::Values)?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self) -> Result<usize, FrameError> {
        let bytes = self.body.get(self.at..).and_then(<[u8]>::first_chunk::<4>).ok_or(FrameError::Values)?;
        self.at += 4;
        usize::try_from(u32::from_be_bytes(*bytes)).map_err(|_| FrameError::Values)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), FrameError> {
        let end = self.at.checked_add(bytes).filter(|end| *end <= self.body.len());
        self.at = end.ok_or(FrameError::Values)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
