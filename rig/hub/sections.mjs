// Walks over the sections of an encoded AMQP 1.0 message without decoding them, so that events are stored, counted and
// sent on as the received bytes.

import rhea from "rhea";

const SECTION = { messageAnnotations: 0x72, data: 0x75 };

/** Event Hubs' batch format: each data section holds one complete encoded message. */
export const BATCH_FORMAT = 0x80013700;

// Sizes of values with the constructors 0x4. to 0x9. (AMQP 1.0, part 1, section 1.2).
const FIXED_WIDTH = { 4: 0, 5: 1, 6: 2, 7: 4, 8: 8, 9: 16 };

function valueEnd(buffer, at) {
  const constructor = buffer[at];
  if (constructor === undefined) throw new RangeError(`the message ends in the middle of a value, at byte ${at}`);
  if (constructor === 0x00) return valueEnd(buffer, valueEnd(buffer, at + 1));
  const kind = constructor >> 4;
  if (kind in FIXED_WIDTH) return at + 1 + FIXED_WIDTH[kind];
  if (kind < 0xa) throw new RangeError(`0x${constructor.toString(16)} at byte ${at} is not an AMQP constructor`);
  // 0xA, 0xC, 0xE have a one-byte size; 0xB, 0xD, 0xF a four-byte size.
  return kind % 2 === 0 ? at + 2 + buffer.readUInt8(at + 1) : at + 5 + buffer.readUInt32BE(at + 1);
}

function sectionCode(buffer, at) {
  if (buffer[at] === 0x00 && buffer[at + 1] === 0x53) return buffer[at + 2];
  if (buffer[at] === 0x00 && buffer[at + 1] === 0x80) return Number(buffer.readBigUInt64BE(at + 2));
  throw new RangeError(`no message section begins at byte ${at}`);
}

/** Yields `{code, start, value, end}` for each section; `value` is the offset of the section's value. */
export function* sections(buffer) {
  for (let start = 0; start < buffer.length; ) {
    const code = sectionCode(buffer, start);
    const value = valueEnd(buffer, start + 1);
    const end = valueEnd(buffer, value);
    if (end > buffer.length) throw new RangeError(`section 0x${code.toString(16)} runs past the end of the message`);
    yield { code, start, value, end };
    start = end;
  }
}

/** The bytes inside each data section. */
export function dataSections(buffer) {
  const found = [];
  for (const { code, value, end } of sections(buffer)) {
    if (code === SECTION.data) found.push(buffer.subarray(value + (buffer[value] === 0xa0 ? 2 : 5), end));
  }
  return found;
}

/** The decoded message annotations. */
export function annotationsOf(buffer) {
  for (const { code, start, end } of sections(buffer)) {
    if (code === SECTION.messageAnnotations) {
      return rhea.message.decode(buffer.subarray(start, end)).message_annotations ?? {};
    }
  }
  return {};
}

/** The message with other message annotations; all other sections keep their bytes. */
export function withAnnotations(buffer, annotations) {
  const encoded = rhea.message.encode({ message_annotations: annotations });
  const parts = [];
  for (const { code, start, end } of sections(encoded)) {
    if (code === SECTION.messageAnnotations) parts.push(encoded.subarray(start, end));
  }
  for (const { code, start, end } of sections(buffer)) {
    if (code > SECTION.messageAnnotations) parts.push(buffer.subarray(start, end));
  }
  return Buffer.concat(parts);
}
