//! Looks at frames before `fe2o3-amqp` does.
//!
//! That library reads the header of a frame that is too short to have one, and panics; and it decodes values
//! by recursion, so that deep nesting overflows the stack, which ends the process. What comes here is small
//! and flat: a frame that is neither ends its connection. (`docs/upstream.md` has both faults.)
//!
//! Source of the encodings: AMQP 1.0, part 1 (types) and part 2, section 2.3 (framing).

/// The longest frame that we take, bytes; announced to the service as `max-frame-size`. What comes to us is
/// performatives and answers of `$cbs`, a few hundred bytes each.
pub(in crate::azure) const LONGEST_FRAME: u32 = 16 << 10;
/// A frame's header without its extension, bytes.
const FRAME_HEADER: usize = 8;
/// How deep values may be nested in one another. Performatives of the service need about ten.
pub(in crate::azure) const DEEPEST: usize = 32;
/// What a protocol header begins with; no frame may be as long as this would say.
const PROTOCOL: &[u8] = b"AMQP";
const PROTOCOL_HEADER: usize = 8;

/// Why a frame is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::azure) enum Refused {
    /// Shorter than its header, or longer than we take.
    #[error("the peer sent a frame of {0} bytes: from {FRAME_HEADER} to {LONGEST_FRAME} are allowed")]
    Length(u32),
    /// The header contradicts itself.
    #[error("the peer sent a frame whose header is malformed")]
    Header,
    /// Values are nested too deep.
    #[error("the peer sent values nested more than {DEEPEST} deep")]
    Depth,
    /// The body does not consist of whole values.
    #[error("the peer sent a frame whose body is not made of whole AMQP values")]
    Values,
}

/// The bytes of one connection on their way from the peer to the library.
#[derive(Debug, Default)]
pub(in crate::azure) struct Guard {
    held: Vec<u8>,
    /// How many of `held` were looked at and may be passed on.
    checked: usize,
    /// How many of those were passed on.
    passed: usize,
}

impl Guard {
    /// Takes in bytes of the peer.
    ///
    /// # Errors
    /// When they complete a frame that must not be passed on, or begin one.
    pub(in crate::azure) fn add(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.held.drain(..self.passed);
        self.checked -= self.passed;
        self.passed = 0;
        self.held.extend_from_slice(bytes);
        while let Some(length) = next(&self.held[self.checked..])? {
            self.checked += length;
        }
        Ok(())
    }

    /// At most `room` bytes that may be passed on, once.
    pub(in crate::azure) fn take(&mut self, room: usize) -> &[u8] {
        let start = self.passed;
        self.passed = self.checked.min(start.saturating_add(room));
        &self.held[start..self.passed]
    }
}

/// The length of the whole frame or protocol header that `bytes` begin with; none while it is not whole.
fn next(bytes: &[u8]) -> Result<Option<usize>, Refused> {
    let Some(first) = bytes.first_chunk::<4>() else { return Ok(None) };
    if first == PROTOCOL {
        return Ok((bytes.len() >= PROTOCOL_HEADER).then_some(PROTOCOL_HEADER));
    }
    let stated = u32::from_be_bytes(*first);
    let length = usize::try_from(stated).map_err(|_| Refused::Length(stated))?;
    if length < FRAME_HEADER || stated > LONGEST_FRAME {
        return Err(Refused::Length(stated));
    }
    let Some(frame) = bytes.get(..length) else { return Ok(None) };
    // The offset of the body in words of four bytes, and the type: AMQP or SASL.
    let (offset, kind) = (usize::from(frame[4]) * 4, frame[5]);
    if offset < FRAME_HEADER || kind > 1 {
        return Err(Refused::Header);
    }
    look_at(frame.get(offset..).ok_or(Refused::Header)?)?;
    Ok(Some(length))
}

/// A value that holds others.
struct Level {
    /// How many of them are still to come.
    left: usize,
    /// Where they end, for values that say so.
    end: Option<usize>,
    /// Their constructor, for arrays.
    element: Option<u8>,
}

/// Walks over `body`, which must consist of whole values of a bounded depth.
fn look_at(body: &[u8]) -> Result<(), Refused> {
    let mut levels: Vec<Level> = Vec::with_capacity(DEEPEST);
    let mut at = Position { body, at: 0 };
    loop {
        while let Some(level) = levels.pop_if(|level| level.left == 0) {
            if level.end.is_some_and(|end| end != at.at) {
                return Err(Refused::Values);
            }
        }
        let code = match levels.last_mut() {
            None if at.at == body.len() => return Ok(()),
            None => at.byte()?,
            Some(level) => {
                level.left -= 1;
                level.element.map_or_else(|| at.byte(), Ok)?
            }
        };
        if let Some(level) = at.value(code)? {
            if levels.len() == DEEPEST {
                return Err(Refused::Depth);
            }
            levels.push(level);
        }
    }
}

struct Position<'a> {
    body: &'a [u8],
    at: usize,
}

impl Position<'_> {
    /// Goes behind the value that follows its constructor, or to the first of the values that it holds.
    fn value(&mut self, code: u8) -> Result<Option<Level>, Refused> {
        // The upper half of a constructor says how the size is encoded.
        match code {
            // A descriptor and the value that it describes.
            0x00 => return Ok(Some(Level { left: 2, end: None, element: None })),
            0xC0 | 0xC1 | 0xD0 | 0xD1 => return self.compound(code < 0xD0).map(Some),
            0xE0 | 0xF0 => {
                let mut level = self.compound(code == 0xE0)?;
                // Some writers leave out the constructor where there is nothing to construct.
                if level.left == 0 && level.end == Some(self.at) {
                    return Ok(None);
                }
                let element = self.byte()?;
                // Nobody sends arrays of described values, and readers differ on them.
                if element == 0x00 {
                    return Err(Refused::Values);
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
            _ => return Err(Refused::Values),
        }
        Ok(None)
    }

    /// Size and count of a list, a map or an array.
    fn compound(&mut self, is_short: bool) -> Result<Level, Refused> {
        let mut read = || if is_short { self.byte().map(usize::from) } else { self.number() };
        let size = read()?;
        let width = if is_short { 1 } else { 4 };
        let end = self.at.checked_add(size).filter(|end| *end <= self.body.len()).ok_or(Refused::Values)?;
        let left = if is_short { self.byte().map(usize::from)? } else { self.number()? };
        // Nearly all values take a byte at least: a larger count is a lie, and a long loop.
        if size < width || left > size - width {
            return Err(Refused::Values);
        }
        Ok(Level { left, end: Some(end), element: None })
    }

    fn byte(&mut self) -> Result<u8, Refused> {
        let byte = self.body.get(self.at).copied().ok_or(Refused::Values)?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self) -> Result<usize, Refused> {
        let bytes = self.body.get(self.at..).and_then(<[u8]>::first_chunk::<4>).ok_or(Refused::Values)?;
        self.at += 4;
        usize::try_from(u32::from_be_bytes(*bytes)).map_err(|_| Refused::Values)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Refused> {
        let end = self.at.checked_add(bytes).filter(|end| *end <= self.body.len());
        self.at = end.ok_or(Refused::Values)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
