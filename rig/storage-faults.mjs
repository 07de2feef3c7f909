// Faults of storage, on demand.

import { CountedFault } from "./counted-fault.mjs";

export const STORAGE_ACTIONS = ["status", "hang", "hold", "delay", "date", "reset-before", "reset-after", "cut"];

const FILTERS = ["service", "kind", "method"];

export class StorageFaults {
  #list = [];
  #nextId = 1;

  /** `{action, service?, kind?, method?, path? (regular expression), skip?, count?, forMs?, status?, code?, ms?, seconds?, bytes?}` */
  add(fault) {
    if (!STORAGE_ACTIONS.includes(fault.action)) {
      throw new RangeError(`no storage fault is called '${fault.action}'; there are: ${STORAGE_ACTIONS.join(", ")}`);
    }
    const entry = new CountedFault(this.#nextId++, fault);
    this.#list.push({ entry, pattern: new RegExp(fault.path ?? "") });
    return entry;
  }

  /** Ends one fault, or all. */
  clear(id) {
    this.#list = this.#list.filter(({ entry }) => id !== undefined && entry.id !== id);
  }

  list() {
    return this.#list.map(({ entry }) => entry);
  }

  /**
   * What befalls this request: `{delayMs, dateSeconds, fault}`. Delays add up; the oldest shift of the date strikes, and
   * the oldest of the other faults. Every one that it matches counts it.
   */
  onRequest(request) {
    const due = this.#list
      .filter(({ entry, pattern }) => FILTERS.every((name) => (entry[name] ?? request[name]) === request[name]) && pattern.test(request.path))
      .filter(({ entry }) => entry.see());
    const of = (...actions) => due.map(({ entry }) => entry).filter(({ action }) => actions.includes(action));
    return {
      delayMs: of("delay").reduce((sum, delay) => sum + (delay.strike().ms ?? 0), 0),
      dateSeconds: of("date")[0]?.strike().seconds,
      fault: due.map(({ entry }) => entry).find(({ action }) => action !== "delay" && action !== "date")?.strike(),
    };
  }
}
