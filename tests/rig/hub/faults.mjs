// Faults on demand. Each counts, from the moment it was added, the things it is about (transfers, attaches or
// put-tokens of its hub): it lets `skip` of them pass, strikes the next `count`, and, when `forMs` is given,
// strikes only that long. Given `forMs` and no `count`, it strikes everything in that time.

const TRANSFER = "transfer";
const ATTACH = "attach";
const TOKEN = "token";
const AT_ONCE = "at once";

export const ACTIONS = {
  reject: TRANSFER,
  release: TRANSFER,
  modify: TRANSFER,
  detach: TRANSFER,
  drop: TRANSFER,
  swallow: TRANSFER,
  hold: TRANSFER,
  delay: TRANSFER,
  "refuse-attach": ATTACH,
  cbs: TOKEN,
  gone: AT_ONCE,
  "close-connections": AT_ONCE,
  "drop-connections": AT_ONCE,
  "detach-links": AT_ONCE,
};

export class Faults {
  #list = [];
  #nextId = 1;

  add(fault) {
    const about = ACTIONS[fault.action];
    if (!about) throw new RangeError(`no fault is called '${fault.action}'; there are: ${Object.keys(ACTIONS).join(", ")}`);
    const entry = {
      ...fault,
      id: this.#nextId++,
      about,
      seen: 0,
      struck: 0,
      skip: fault.skip ?? 0,
      count: fault.count ?? (fault.forMs === undefined ? 1 : Infinity),
      until: fault.forMs === undefined ? Infinity : Date.now() + fault.forMs,
    };
    if (about !== AT_ONCE) this.#list.push(entry);
    return entry;
  }

  clear() {
    this.#list = [];
  }

  list() {
    return this.#list.map(({ about, until, ...fault }) => ({ ...fault, count: Number.isFinite(fault.count) ? fault.count : "all" }));
  }

  #strike(about, hub) {
    const now = Date.now();
    const struck = [];
    for (const fault of this.#list) {
      if (fault.about !== about || (fault.hub !== undefined && fault.hub !== hub)) continue;
      fault.seen += 1;
      const left = fault.seen > fault.skip && fault.struck < fault.count && now < fault.until;
      const overruled = struck.some(({ action }) => action !== "delay");
      if (!left || (overruled && fault.action !== "delay")) continue;
      fault.struck += 1;
      struck.push(fault);
    }
    return struck;
  }

  /** What befalls the next transfer: `{delayMs, fault}`. Delays add up; of the others the oldest wins. */
  onTransfer(hub) {
    const struck = this.#strike(TRANSFER, hub);
    return {
      delayMs: struck.filter((f) => f.action === "delay").reduce((sum, f) => sum + (f.ms ?? 0), 0),
      fault: struck.find((f) => f.action !== "delay"),
    };
  }

  onAttach(hub) {
    return this.#strike(ATTACH, hub)[0];
  }

  onPutToken() {
    return this.#strike(TOKEN, undefined)[0];
  }
}
