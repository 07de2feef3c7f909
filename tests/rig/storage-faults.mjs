// Faults of storage, on demand: for requests that match, `skip` of them pass and the next `count` are struck; with
// `forMs`, only that long.

export const STORAGE_ACTIONS = ["status", "hang", "hold", "delay", "reset-before", "reset-after", "cut"];

export class StorageFaults {
  #list = [];
  #nextId = 1;

  /** `{action, service?, kind?, method?, path? (regular expression), skip?, count?, forMs?, status?, code?, ms?, bytes?}` */
  add(fault) {
    if (!STORAGE_ACTIONS.includes(fault.action)) {
      throw new RangeError(`no storage fault is called '${fault.action}'; there are: ${STORAGE_ACTIONS.join(", ")}`);
    }
    const entry = {
      ...fault,
      id: this.#nextId++,
      seen: 0,
      struck: 0,
      skip: fault.skip ?? 0,
      count: fault.count ?? (fault.forMs === undefined ? 1 : Infinity),
      until: fault.forMs === undefined ? Infinity : Date.now() + fault.forMs,
      pattern: fault.path === undefined ? undefined : new RegExp(fault.path),
    };
    this.#list.push(entry);
    return entry;
  }

  clear() {
    this.#list = [];
  }

  list() {
    return this.#list.map(({ pattern, until, ...fault }) => ({ ...fault, count: Number.isFinite(fault.count) ? fault.count : "all" }));
  }

  /** The fault that befalls this request, if any: the oldest that is due. */
  onRequest({ service, kind, method, path }) {
    let chosen;
    for (const fault of this.#list) {
      const matches = (fault.service ?? service) === service && (fault.kind ?? kind) === kind
        && (fault.method ?? method) === method && (fault.pattern?.test(path) ?? true);
      if (!matches) continue;
      fault.seen += 1;
      const due = fault.seen > fault.skip && fault.struck < fault.count && Date.now() < fault.until;
      if (!due || chosen) continue;
      fault.struck += 1;
      chosen = fault;
    }
    return chosen;
  }
}
