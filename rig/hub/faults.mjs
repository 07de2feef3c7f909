// Faults that the hub stand-in injects. README.md documents them and their fields.

import { FaultRule } from "../fault-rule.mjs";

const TRANSFER = "transfer";
const ATTACH = "attach";
const TOKEN = "token";
const CONNECTION = "connection";
const IMMEDIATE = "immediate";

/** What each action counts; an immediate one is executed when it is added. */
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
  gone: IMMEDIATE,
  "close-connections": IMMEDIATE,
  "drop-connections": IMMEDIATE,
  "detach-links": IMMEDIATE,
  raw: IMMEDIATE,
  "raw-open": CONNECTION,
};

export class Faults {
  #list = [];
  #nextId = 1;

  add(fault) {
    const counted = ACTIONS[fault.action];
    if (!counted) throw new RangeError(`unknown fault '${fault.action}'; known: ${Object.keys(ACTIONS).join(", ")}`);
    const entry = new FaultRule(this.#nextId++, fault);
    if (counted !== IMMEDIATE) this.#list.push(entry);
    return entry;
  }

  /** Removes the faults of one hub, or all. */
  clear(hub) {
    this.#list = this.#list.filter((fault) => hub !== undefined && fault.hub !== hub);
  }

  list() {
    return this.#list;
  }

  // Counts one more `counted` thing in every fault that matches it; returns those to apply, oldest first.
  #due(counted, hub) {
    return this.#list.filter((fault) =>
      ACTIONS[fault.action] === counted && (fault.hub === undefined || fault.hub === hub) && fault.countMatch());
  }

  /** What to do to the next transfer: `{delayMs, fault}`. Delays add up; of the other faults, the oldest applies. */
  onTransfer(hub) {
    const due = this.#due(TRANSFER, hub);
    const delays = due.filter(({ action }) => action === "delay");
    return {
      delayMs: delays.reduce((sum, delay) => sum + (delay.trigger().ms ?? 0), 0),
      fault: due.find(({ action }) => action !== "delay")?.trigger(),
    };
  }

  onAttach(hub) {
    return this.#due(ATTACH, hub)[0]?.trigger();
  }

  onConnection() {
    return this.#due(CONNECTION, undefined)[0]?.trigger();
  }

  onPutToken() {
    return this.#due(TOKEN, undefined)[0]?.trigger();
  }
}
