// Finds records in bytes by JSON structure: strings, escapes, brackets. Deliberately simple, and independent of the code
// that generates the records and of the forwarder.

const QUOTE = 0x22, BACKSLASH = 0x5c, COMMA = 0x2c;
const OPEN = new Set([0x7b, 0x5b]), CLOSE = new Set([0x7d, 0x5d]);
const SPACE = new Set([0x20, 0x09, 0x0a, 0x0d]);

/** The end of the object or array that begins at `start`; -1 if it is incomplete. */
function closeOf(bytes, start) {
  let depth = 0;
  let inString = false;
  for (let i = start; i < bytes.length; i += 1) {
    const byte = bytes[i];
    if (inString) {
      if (byte === BACKSLASH) i += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) {
      inString = true;
    } else if (OPEN.has(byte)) {
      depth += 1;
    } else if (CLOSE.has(byte)) {
      depth -= 1;
      if (depth === 0) return i + 1;
    }
  }
  return -1;
}

/** The consecutive objects from `start`, separated by commas and white space: `{records, end}`. */
function objectsFrom(bytes, start) {
  const records = [];
  let at = start;
  for (;;) {
    while (at < bytes.length && (bytes[at] === COMMA || SPACE.has(bytes[at]))) at += 1;
    const end = OPEN.has(bytes[at]) ? closeOf(bytes, at) : -1;
    if (end === -1) return { records, end: at };
    records.push(bytes.subarray(at, end));
    at = end;
  }
}

const HEADER = /^\s*\{\s*"records"\s*:\s*\[/;
const CLOSER = /^\s*\]\s*\}\s*$/;

/** The records of a complete `{"records":[…]}`; throws RangeError if there is anything else around them. */
export function recordsOf(bytes) {
  const header = HEADER.exec(bytes.subarray(0, 200).toString("latin1"));
  if (!header) throw new RangeError(`not {"records":[…]}: begins with ${JSON.stringify(bytes.subarray(0, 30).toString())}`);
  const { records, end } = objectsFrom(bytes, header[0].length);
  const rest = bytes.subarray(end).toString("latin1");
  if (!CLOSER.test(rest)) throw new RangeError(`not {"records":[…]}: after ${records.length} records comes ${JSON.stringify(rest.slice(0, 30))}`);
  return records;
}
