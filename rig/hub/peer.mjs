// One client connection: its authorization claims and the links that depend on them.

import { covers, entityPath } from "./tokens.mjs";

export class Peer {
  #claims = new Map();
  #timers = new Map();

  /** @param {(link: object, path: string) => void} onExpired called for each link whose last claim has expired */
  constructor(connection, onExpired) {
    this.connection = connection;
    this.links = new Set();
    this.cbs = { producer: undefined, consumer: undefined };
    this.onExpired = onExpired;
  }

  /** Adds a claim that is valid until `expires`, ms since 1970; it replaces an older one for the same path. */
  claim(audience, expires) {
    const path = entityPath(audience);
    clearTimeout(this.#timers.get(path));
    this.#claims.set(path, expires);
    // The maximum of setTimeout is 2³¹ − 1 ms.
    const inMs = Math.min(expires - Date.now(), 2 ** 31 - 1);
    const timer = setTimeout(() => this.#expire(path), inMs);
    timer.unref();
    this.#timers.set(path, timer);
  }

  allows(path) {
    const now = Date.now();
    return [...this.#claims].some(([granted, expires]) => expires > now && covers(granted, path));
  }

  /** Whether any claim is valid, which is all that `$management` requires. */
  get authorized() {
    return [...this.#claims.values()].some((expires) => expires > Date.now());
  }

  #expire(claimed) {
    this.#claims.delete(claimed);
    this.#timers.delete(claimed);
    for (const link of this.links) {
      const { node, path } = link.entity;
      if ((node === "producer" || node === "consumer") && !this.allows(path)) this.onExpired(link, path);
    }
  }

  close() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    for (const link of this.links) link.entity.reader?.close();
    this.links.clear();
  }
}
