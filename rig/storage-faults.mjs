// Faults that the storage proxy injects. README.md documents their fields.

import { FaultRule } from "./fault-rule.mjs";

export const STORAGE_ACTIONS = ["status", "hang", "hold", "delay", "date", "reset-before", "reset-after", "cut"];

const FILTERS = ["service", "kind", "method"];

export class StorageFaults {
  #list = [];
  #nextId = 1;

  add(fault) {
    if (!STORAGE_ACTIONS.includes(fault.action)) {
      throw new RangeError(`unknown storage fault '${fault.action}'; known: ${STORAGE_ACTIONS.join(", ")}`);
    }
    const entry = new FaultRule(this.#nextId++, fault);
    this.#list.push({ entry, pattern: new RegExp(fault.path ?? "") });
    return entry;
  }

  /** Removes one fault, or all. */
  clear(id) {
    this.#list = this.#list.filter(({ entry }) => id !== undefined && entry.id !== id);
  }

  list() {
    return this.#list.map(({ entry }) => entry);
  }

  /**
   * What to do to this request: `{delayMs, dateSeconds, fault}`. Every matching fault counts the request. Delays add up;
   * of the `date` faults and of all others, the oldest one applies.
   */
  onRequest(request) {
    const due = this.#list
      .filter(({ entry, pattern }) => FILTERS.every((name) => (entry[name] ?? request[name]) === request[name]) && pattern.test(request.path))
      .filter(({ entry }) => entry.countMatch());
    const of = (...actions) => due.map(({ entry }) => entry).filter(({ action }) => actions.includes(action));
    return {
      delayMs: of("delay").reduce((sum, delay) => sum + (delay.trigger().ms ?? 0), 0),
      dateSeconds: of("date")[0]?.trigger().seconds,
      fault: due.map(({ entry }) => entry).find(({ action }) => action !== "delay" && action !== "date")?.trigger(),
    };
  }
}
