// A fault that is applied by count, so that a test fails the same way each time. Of the requests (or transfers, …) that
// match, it skips the first `skip` and affects the next `count` ("all" has no end). With `forMs` it expires after that
// time and, unless `count` is given, affects every match until then.

export class FaultRule {
  constructor(id, { skip = 0, forMs, count = forMs === undefined ? 1 : Infinity, ...what }) {
    Object.assign(this, what, { id, skip, forMs, count: count === "all" ? Infinity : count, seen: 0, struck: 0 });
    this.until = forMs === undefined ? Infinity : Date.now() + forMs;
  }

  /** Counts one more match; true if the fault should be applied to it. */
  countMatch() {
    this.seen += 1;
    return this.seen > this.skip && this.struck < this.count && Date.now() < this.until;
  }

  /** Records that the fault is applied to the current match. */
  trigger() {
    this.struck += 1;
    return this;
  }

  toJSON() {
    const { until, ...shown } = this;
    return { ...shown, count: Number.isFinite(this.count) ? this.count : "all" };
  }
}
