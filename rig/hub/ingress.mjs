// Sender links: stores incoming transfers, applies faults to them, and sends the outcomes.

import rhea from "rhea";
import frames from "rhea/lib/frames.js";

const { message } = rhea;

const OUTCOMES = {
  accepted: () => message.accepted().described(),
  released: () => message.released().described(),
  modified: ({ deliveryFailed = true, undeliverableHere = false } = {}) =>
    message.modified({ delivery_failed: deliveryFailed, undeliverable_here: undeliverableHere }).described(),
  rejected: (error) => message.rejected({ error }).described(),
};

export class Ingress {
  #held = [];
  #late = [];

  constructor(store, faults) {
    this.store = store;
    this.faults = faults;
  }

  /** Handles a complete transfer on `link`; `bytes` is the encoded message as received. */
  onTransfer(link, delivery, format, bytes) {
    const { hub } = link.entity;
    const { counters } = hub;
    if (link.entity.detached) {
      delivery.settled = true;
      return;
    }
    const number = ++counters.transfers;
    counters.maxTransferBytes = Math.max(counters.maxTransferBytes, bytes.length);
    counters.unansweredNow += 1;
    counters.mostUnansweredAtOnce = Math.max(counters.mostUnansweredAtOnce, counters.unansweredNow);

    const limit = link.entity.maxMessageSize;
    if (bytes.length > limit) {
      this.#discard(hub, delivery);
      this.detach(link, "amqp:link:message-size-exceeded",
        `transfer ${number} has ${bytes.length} bytes; this link allows ${limit}`);
      return;
    }
    const { fault, delayMs } = this.faults.onTransfer(hub.name);
    if (fault) this.#applyFault(fault, delayMs, { link, delivery, format, bytes, number });
    else if (this.#store({ link, delivery, format, bytes, number })) this.#answer(link, delivery, "accepted", undefined, delayMs);
  }

  /** Answers the transfers that `hold`, `late` and `refuse-late` faults keep waiting, of one hub or of all; returns their number. */
  release(hub) {
    const isDue = (waiting) => hub === undefined || waiting.hub === hub;
    const due = [...this.#held, ...this.#late].filter(isDue);
    this.#held = this.#held.filter((held) => !isDue(held));
    this.#late = this.#late.filter((late) => !isDue(late));
    for (const { answer } of due) answer();
    return due.length;
  }

  heldCount(hub) {
    return this.#held.filter((held) => held.hub === hub).length;
  }

  detach(link, condition, description, closed = true) {
    if (link.entity.detached) return;
    link.entity.detached = true;
    if (link.entity.hub) link.entity.hub.counters.detaches += 1;
    if (closed) {
      link.close({ condition, description });
    } else {
      link.local.detach.error = { condition, description };
      link.detach();
    }
  }

  #store({ link, delivery, format, bytes, number }) {
    const { hub, partition } = link.entity;
    try {
      hub.accept(number, format, bytes, partition).readers.forEach((reader) => reader.wake());
      return true;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#answer(link, delivery, "rejected", { condition: "amqp:decode-error", description: error.message }, 0);
      return false;
    }
  }

  #applyFault(fault, delayMs, transfer) {
    const { link, delivery, number } = transfer;
    const { hub } = link.entity;
    const description = fault.description ?? `injected by fault ${fault.id} at transfer ${number}`;
    switch (fault.action) {
      case "reject":
        this.#answer(link, delivery, "rejected", { condition: fault.condition ?? "com.microsoft:server-busy", description }, delayMs);
        break;
      case "release":
        this.#answer(link, delivery, "released", undefined, delayMs);
        break;
      case "modify":
        this.#answer(link, delivery, "modified", fault, delayMs);
        break;
      case "hold":
        if (this.#store(transfer)) {
          this.#held.push({ hub: hub.name, answer: () => this.#answer(link, delivery, "accepted", undefined, delayMs) });
        }
        break;
      case "late":
        if (this.#store(transfer)) this.#answerLate(fault, hub, () => this.#answer(link, delivery, "accepted", undefined, delayMs));
        break;
      case "refuse-late": {
        const error = { condition: fault.condition ?? "com.microsoft:server-busy", description };
        this.#answerLate(fault, hub, () => this.#answer(link, delivery, "rejected", error, delayMs));
        break;
      }
      case "swallow":
        if (fault.store) this.#store(transfer);
        hub.counters.unanswered += 1;
        this.#discard(hub, delivery);
        break;
      case "detach":
        if (fault.store) this.#store(transfer);
        this.#discard(hub, delivery);
        this.detach(link, fault.condition ?? "amqp:link:detach-forced", description, fault.closed ?? true);
        break;
      case "drop":
        if (fault.store) this.#store(transfer);
        this.#discard(hub, delivery);
        link.connection.socket.destroy();
        break;
    }
  }

  #answerLate({ after = 1 }, { name }, answer) {
    this.#late.push({ hub: name, left: after, answer });
  }

  // Counts an answer to the hub's transfers; sends the late answers that waited for it.
  #onAnswer(hub) {
    const waiting = this.#late.filter((late) => late.hub === hub);
    for (const late of waiting) late.left -= 1;
    const due = waiting.filter(({ left }) => left === 0);
    this.#late = this.#late.filter((late) => !due.includes(late));
    for (const { answer } of due) answer();
  }

  // Settles a delivery that gets no answer, which would otherwise shrink the session's window for good.
  #discard(hub, delivery) {
    hub.counters.unansweredNow -= 1;
    delivery.settled = true;
  }

  #answer(link, delivery, outcome, detail, delayMs) {
    if (delayMs > 0) {
      setTimeout(() => this.#answer(link, delivery, outcome, detail, 0), delayMs);
      return;
    }
    const { hub } = link.entity;
    hub.counters[outcome] += 1;
    hub.counters.unansweredNow -= 1;
    delivery.settled = true;
    if (link.connection.is_open() && !link.entity.detached) {
      // One frame for each answer: rhea merges the dispositions of one tick and gives all of them the first one's outcome,
      // so a rejected transfer after an accepted one would be reported as accepted. Always settled: Microsoft's client
      // for Python requests settle mode `second` but waits for a settled disposition.
      link.session.output(frames.disposition({
        role: true, first: delivery.id, last: delivery.id, settled: true, state: OUTCOMES[outcome](detail),
      }));
      // Lets the session remove the delivery and grant window and credit again.
      link.connection._register();
    }
    this.#onAnswer(hub.name);
  }
}

// rhea passes on decoded messages only; this keeps the received bytes with them.
const decode = message.decode;
message.decode = (buffer) => Object.defineProperty(decode(buffer), "encoded", { value: buffer });

/** The received bytes and the message format of a `message` event. */
export function transferOf(context) {
  if (Buffer.isBuffer(context.message)) return { bytes: context.message, format: context.format ?? 0 };
  return { bytes: context.message.encoded, format: 0 };
}

