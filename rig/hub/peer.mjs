// One connection: the claims put on it, and the links that live by them.

import { covers, entityPath } from "./tokens.mjs";

export class Peer {
  #claims = new Map();
  #timers = new Map();

  /** @param {(link: object, path: string) => void} onExpired called for every link whose last claim ended */
  constructor(connection, onExpired) {
    this.connection = connection;
    this.links = new Set();
    this.cbs = { producer: undefined, consumer: undefined };
    this.onExpired = onExpired;
  }

  /** A claim by put-token, good until `expires`. A newer one for the same path takes the older one's place. */
  claim(audience, expires) {
    const path = entityPath(audience);
    clearTimeout(this.#timers.get(path));
    this.#claims.set(path, expires);
    // setTimeout counts in 32 bits; what ends later than that outlives any test.
    const inMs = Math.min(expires - Date.now(), 2 ** 31 - 1);
    const timer = setTimeout(() => this.#expire(path), inMs);
    timer.unref();
    this.#timers.set(path, timer);
  }

  allows(path) {
    const now = Date.now();
    return [...this.#claims].some(([granted, expires]) => expires > now && covers(granted, path));
  }

  /** Any claim at all: what `$management` asks for. */
  get known() {
    return [...this.#claims.values()].some((expires) => expires > Date.now());
  }

  #expire(path) {
    this.#claims.delete(path);
    this.#timers.delete(path);
    for (const link of this.links) {
      const { node, path: wanted } = link.entity;
      if ((node === "producer" || node === "consumer") && !this.allows(wanted)) this.onExpired(link, wanted);
    }
  }

  close() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    for (const link of this.links) link.entity.reader?.close();
    this.links.clear();
  }
}
