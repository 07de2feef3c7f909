// Compares the bytes of every committed record with the bytes of every received record.

import { createHash } from "node:crypto";
import { recordsOf } from "../watcher/record-scanner.mjs";

const FRAME_BYTES = '{"records":[]}'.length;
const TUPLES = /"flowTuples"\s*:\s*\[([^\]]*)\]/g;
const STRING = /"(?:[^"\\]|\\.)*"/g;

const fingerprint = (bytes) => createHash("sha256").update(bytes).digest("base64");

const addTo = (map, key, n = 1) => map.set(key, (map.get(key) ?? 0) + n);

/** The part of a record before its flows: time, GUID, MAC address. */
function headOf(text) {
  const end = text.search(/"(?:flowRecords|properties)"\s*:/);
  return end === -1 ? undefined : text.slice(0, end);
}

function tuplesOf(text) {
  const tuples = new Map();
  for (const [, list] of text.matchAll(TUPLES)) for (const [tuple] of list.matchAll(STRING)) addTo(tuples, tuple);
  return tuples;
}

/**
 * A record too long for one message arrives in parts. All parts share the record's head, and together they must have its
 * tuples, each once.
 */
class LongRecord {
  constructor(text) {
    this.expected = tuplesOf(text);
    this.received = new Map();
  }

  addPart(text) {
    for (const [tuple, n] of tuplesOf(text)) addTo(this.received, tuple, n);
  }

  get missing() {
    return [...this.expected].some(([tuple, n]) => (this.received.get(tuple) ?? 0) < n);
  }

  get doubled() {
    return [...this.received].some(([tuple, n]) => n > (this.expected.get(tuple) ?? 0));
  }
}

export class Verifier {
  #expected = new Map();
  #received = new Map();
  #long = new Map();

  constructor(maxMessageBytes) {
    this.maxMessageBytes = maxMessageBytes;
    Object.assign(this, { committed: 0, committedBytes: 0, messages: 0, messageBytes: 0, arrived: 0, malformed: [] });
  }

  /** Adds a committed record. */
  commit(bytes) {
    this.committed += 1;
    this.committedBytes += bytes.length;
    if (bytes.length + FRAME_BYTES > this.maxMessageBytes) {
      const text = bytes.toString("latin1");
      this.#long.set(headOf(text), new LongRecord(text));
    }
    addTo(this.#expected, fingerprint(bytes));
  }

  /** Adds a received message body. */
  receive(body) {
    this.messages += 1;
    this.messageBytes += body.length;
    try {
      if (!Array.isArray(JSON.parse(body.toString("utf8")).records)) throw new SyntaxError("records is not an array");
      for (const record of recordsOf(body)) this.#receiveRecord(record);
    } catch (error) {
      this.malformed.push(error.message);
    }
  }

  #receiveRecord(bytes) {
    this.arrived += 1;
    const key = fingerprint(bytes);
    if (!this.#expected.has(key) && this.#long.size > 0) {
      const text = bytes.toString("latin1");
      const whole = this.#long.get(headOf(text));
      if (whole) {
        whole.addPart(text);
        return;
      }
    }
    addTo(this.#received, key);
  }

  /** `{committed, received, missing, duplicates, altered, malformed, inParts, byteExact, ok}` */
  verdict() {
    let missing = 0;
    let duplicates = 0;
    let altered = 0;
    let received = 0;
    for (const [key, n] of this.#received) {
      const expected = this.#expected.get(key);
      if (expected === undefined) altered += n;
      else duplicates += Math.max(0, n - expected);
      received += n;
    }
    for (const [key, n] of this.#expected) missing += Math.max(0, n - (this.#received.get(key) ?? 0));
    let inParts = 0;
    for (const long of this.#long.values()) {
      if (long.received.size === 0) continue;
      // It was counted as missing above, because the whole record never arrived.
      if (!long.missing) missing -= 1;
      if (long.doubled) duplicates += 1;
      inParts += 1;
      received += 1;
    }
    const byteExact = altered === 0 && this.malformed.length === 0;
    return {
      committed: this.committed, received, missing, duplicates, altered, malformed: this.malformed.length, inParts, byteExact,
      ok: byteExact && missing === 0 && duplicates === 0,
    };
  }
}
