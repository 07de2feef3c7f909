// Receiver links: sends a partition's events to a consumer as its credit allows.

import { Hub } from "./store.mjs";

export class Reader {
  #scheduled = false;
  #sent = 0;

  constructor(link, partition, cursor) {
    this.link = link;
    this.partition = partition;
    this.cursor = cursor;
    partition.readers.add(this);
  }

  close() {
    this.partition.readers.delete(this);
  }

  /** Something changed (credit, a new event): go on in the next turn, once. */
  wake() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump() {
    const { link, partition } = this;
    // `delivery_count` moves when a delivery is written; what is queued and not yet written uses up credit too.
    this.#sent = Math.max(this.#sent, link.delivery_count);
    while (link.is_open() && link.credit - (this.#sent - link.delivery_count) > 0
      && link.session.outgoing.available() > 0 && this.cursor < partition.events.length) {
      link.send(Hub.forReceiver(partition.events[this.cursor]), undefined, 0);
      this.cursor += 1;
      this.#sent += 1;
    }
  }
}
