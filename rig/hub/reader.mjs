// Receiver links: sends a partition's events to a consumer while it has credit.

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

  /** Call after a change (credit, a new event): schedules one send on the event loop. */
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
    // `delivery_count` counts written deliveries only; queued ones use credit too.
    this.#sent = Math.max(this.#sent, link.delivery_count);
    while (link.is_open() && link.credit - (this.#sent - link.delivery_count) > 0
      && link.session.outgoing.available() > 0 && this.cursor < partition.events.length) {
      link.send(Hub.forReceiver(partition.events[this.cursor]), undefined, 0);
      this.cursor += 1;
      this.#sent += 1;
    }
  }
}
