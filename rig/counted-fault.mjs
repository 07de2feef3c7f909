// Faults that strike by count, so that a test fails the same way every time: from the moment a fault is added it lets
// `skip` of the things it is about pass and strikes the next `count`; with `forMs` it strikes only that long, and
// everything in that time unless a count is given. A `count` of "all" has no end.

export class CountedFault {
  constructor(id, { skip = 0, forMs, count = forMs === undefined ? 1 : Infinity, ...what }) {
    Object.assign(this, what, { id, skip, forMs, count: count === "all" ? Infinity : count, seen: 0, struck: 0 });
    this.until = forMs === undefined ? Infinity : Date.now() + forMs;
  }

  /** One more of what the fault is about has come. Whether it is due to be struck. */
  see() {
    this.seen += 1;
    return this.seen > this.skip && this.struck < this.count && Date.now() < this.until;
  }

  strike() {
    this.struck += 1;
    return this;
  }

  toJSON() {
    const { until, ...shown } = this;
    return { ...shown, count: Number.isFinite(this.count) ? this.count : "all" };
  }
}
