// Faults of the hub, on demand.

import { CountedFault } from "../counted-fault.mjs";

const TRANSFER = "transfer";
const ATTACH = "attach";
const TOKEN = "token";
const CONNECTION = "connection";
const AT_ONCE = "at once";

/** What each action counts. */
export const ACTIONS = {
  reject: TRANSFER,
  release: TRANSFER,
  modify: TRANSFER,
  detach: TRANSFER,
  drop: TRANSFER,
  swallow: TRANSFER,
  hold: TRANSFER,
  late: TRANSFER,
  "refuse-late": TRANSFER,
  delay: TRANSFER,
  "refuse-attach": ATTACH,
  cbs: TOKEN,
  gone: AT_ONCE,
  "close-connections": AT_ONCE,
  "drop-connections": AT_ONCE,
  "detach-links": AT_ONCE,
  raw: AT_ONCE,
  "raw-open": CONNECTION,
};

export class Faults {
  #list = [];
  #nextId = 1;

  add(fault) {
    const about = ACTIONS[fault.action];
    if (!about) throw new RangeError(`no fault is called '${fault.action}'; there are: ${Object.keys(ACTIONS).join(", ")}`);
    const entry = new CountedFault(this.#nextId++, fault);
    if (about !== AT_ONCE) this.#list.push(entry);
    return entry;
  }

  /** Ends the faults of one hub, or all. */
  clear(hub) {
    this.#list = this.#list.filter((fault) => hub !== undefined && fault.hub !== hub);
  }

  list() {
    return this.#list;
  }

  // Every fault about it counts it; those that are due come back, oldest first.
  #due(about, hub) {
    return this.#list.filter((fault) =>
      ACTIONS[fault.action] === about && (fault.hub === undefined || fault.hub === hub) && fault.see());
  }

  /** What befalls the next transfer: `{delayMs, fault}`. Delays add up; of the others the oldest strikes. */
  onTransfer(hub) {
    const due = this.#due(TRANSFER, hub);
    const delays = due.filter(({ action }) => action === "delay");
    return {
      delayMs: delays.reduce((sum, delay) => sum + (delay.strike().ms ?? 0), 0),
      fault: due.find(({ action }) => action !== "delay")?.strike(),
    };
  }

  onAttach(hub) {
    return this.#due(ATTACH, hub)[0]?.strike();
  }

  onConnection() {
    return this.#due(CONNECTION, undefined)[0]?.strike();
  }

  onPutToken() {
    return this.#due(TOKEN, undefined)[0]?.strike();
  }
}
