// Faults of storage, on demand.

import { CountedFault } from "./counted-fault.mjs";

export const STORAGE_ACTIONS = ["status", "hang", "hold", "delay", "reset-before", "reset-after", "cut"];

const FILTERS = ["service", "kind", "method"];

export class StorageFaults {
  #list = [];
  #nextId = 1;

  /** `{action, service?, kind?, method?, path? (regular expression), skip?, count?, forMs?, status?, code?, ms?, bytes?}` */
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

  /** The fault that befalls this request, if any: the oldest that is due. Every one that it matches counts it. */
  onRequest(request) {
    const due = this.#list
      .filter(({ entry, pattern }) => FILTERS.every((name) => (entry[name] ?? request[name]) === request[name]) && pattern.test(request.path))
      .filter(({ entry }) => entry.see());
    return due[0]?.entry.strike();
  }
}
