// The hubs: their partitions, events in the order of acceptance, and counters.

import rhea from "rhea";
import { fnv1a } from "../fnv.mjs";
import { annotationsOf, BATCH_FORMAT, dataSections, withAnnotations } from "./sections.mjs";

const { types } = rhea;

export const DEFAULTS = { partitions: 4, maxMessageSize: 1024 * 1024, discard: false };

const newCounters = () => ({
  transfers: 0, events: 0, bytes: 0, accepted: 0, rejected: 0, released: 0, modified: 0, unanswered: 0,
  maxTransferBytes: 0, largestBatchEvents: 0, unansweredNow: 0, mostUnansweredAtOnce: 0, attaches: 0, refusedAttaches: 0, detaches: 0,
});

// A small slice would keep the whole read buffer of a socket alive.
const ownCopy = (bytes) => (bytes.buffer.byteLength > bytes.length * 2 ? Buffer.from(bytes) : bytes);

class Partition {
  constructor(id) {
    this.id = id;
    this.events = [];
    this.nextOffset = 0;
    this.readers = new Set();
  }

  append(event) {
    Object.assign(event, { partition: this.id, sequence: this.events.length, offset: String(this.nextOffset), enqueued: Date.now() });
    this.nextOffset += event.bytes.length;
    this.events.push(event);
  }

  get last() {
    return this.events.at(-1);
  }
}

export class Hub {
  constructor(name, settings) {
    this.name = name;
    this.settings = { ...settings };
    this.createdAt = Date.now();
    this.counters = newCounters();
    this.order = [];
    this.nextPartition = 0;
    this.partitions = Array.from({ length: settings.partitions }, (_, i) => new Partition(String(i)));
  }

  partition(id) {
    return this.partitions[Number(id)];
  }

  #choose(fixedPartition, partitionKey) {
    if (fixedPartition !== undefined) return this.partition(fixedPartition);
    if (typeof partitionKey === "string") return this.partitions[fnv1a(partitionKey) % this.partitions.length];
    return this.partitions[this.nextPartition++ % this.partitions.length];
  }

  /** Splits a transfer into its events. Throws RangeError if it is malformed. */
  static split(format, bytes) {
    return format === BATCH_FORMAT ? dataSections(bytes) : [bytes];
  }

  /** Stores a transfer's events in one partition, which it returns. */
  accept(number, format, bytes, fixedPartition) {
    const split = Hub.split(format, bytes);
    const partitionKey = annotationsOf(bytes)["x-opt-partition-key"];
    const partition = this.#choose(fixedPartition, partitionKey);
    this.counters.events += split.length;
    this.counters.bytes += bytes.length;
    this.counters.largestBatchEvents = Math.max(this.counters.largestBatchEvents, split.length);
    if (!this.settings.discard) {
      for (const slice of split) {
        const event = { bytes: ownCopy(slice), partitionKey, batch: number, transferBytes: bytes.length };
        partition.append(event);
        this.order.push(event);
      }
    }
    return partition;
  }

  /** An event as a receiver gets it: with the annotations that the service adds. */
  static forReceiver(event) {
    return withAnnotations(event.bytes, {
      ...annotationsOf(event.bytes),
      "x-opt-sequence-number": types.wrap_long(event.sequence),
      "x-opt-offset": event.offset,
      "x-opt-enqueued-time": types.wrap_timestamp(event.enqueued),
      ...(event.partitionKey === undefined ? {} : { "x-opt-partition-key": event.partitionKey }),
    });
  }

  reset() {
    this.counters = { ...newCounters(), unansweredNow: this.counters.unansweredNow };
    this.order = [];
    for (const partition of this.partitions) {
      partition.events = [];
      partition.nextOffset = 0;
      for (const reader of partition.readers) reader.cursor = 0;
    }
  }
}

export class Store {
  constructor(defaults = {}) {
    this.defaults = { ...DEFAULTS, ...defaults };
    this.hubs = new Map();
    this.overrides = new Map();
  }

  /** The hub of this name, created on first use. */
  hub(name) {
    let hub = this.hubs.get(name);
    if (!hub) {
      hub = new Hub(name, { ...this.defaults, ...this.overrides.get(name) });
      this.hubs.set(name, hub);
    }
    return hub;
  }

  /** Changes the settings of one hub, or of all; `partitions` affects only hubs created later. */
  configure(name, settings) {
    const known = Object.fromEntries(Object.entries(settings).filter(([key]) => key in DEFAULTS));
    if (name === undefined) Object.assign(this.defaults, known);
    else this.overrides.set(name, { ...this.overrides.get(name), ...known });
    for (const hub of this.hubs.values()) {
      if (name === undefined || hub.name === name) {
        Object.assign(hub.settings, known, { partitions: hub.partitions.length });
      }
    }
  }
}
