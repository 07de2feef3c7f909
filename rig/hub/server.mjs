// The Event Hubs stand-in: listeners, connections and link attaches. The traffic on the links is handled by ingress.mjs
// (senders), reader.mjs (receivers) and services.mjs (`$cbs`, `$management`).

import rhea from "rhea";
import "./performatives.mjs";
import { parseAddress, startIndex } from "./address.mjs";
import { Ingress, transferOf } from "./ingress.mjs";
import { Peer } from "./peer.mjs";
import { Reader } from "./reader.mjs";
import { describe, hostileReply, putToken, reply } from "./services.mjs";
import { Faults } from "./faults.mjs";
import { Store } from "./store.mjs";

const { types } = rhea;
const SELECTOR = "apache.org:selector-filter:string";

export class HubServer {
  #peers = new Map();
  #listeners = [];
  #outageTimer;

  /**
   * @param {{keys: Record<string, string>, tls?: {key: string, cert: string}, defaults?: object}} options
   *   `keys`: shared access keys by name; `tls`: certificate for an additional listener, AMQP over TLS
   */
  constructor({ keys, tls, defaults }) {
    this.keys = keys;
    this.tls = tls;
    this.store = new Store(defaults);
    this.faults = new Faults();
    this.ingress = new Ingress(this.store, this.faults);
    this.counters = { connections: 0, putTokens: 0, refusedTokens: 0 };
    this.lastToken = undefined;
    this.container = this.#container();
  }

  #container() {
    const container = rhea.create_container({ id: "event-hubs-stand-in" });
    const mechanisms = container.sasl_server_mechanisms;
    mechanisms.enable_anonymous();
    mechanisms.enable_plain((name, key) => key !== "" && this.keys[name] === key);
    mechanisms.MSSBCBS = mechanisms.ANONYMOUS;

    container.on("connection_open", ({ connection }) => this.#onConnection(connection));
    container.on("receiver_open", ({ connection, receiver }) => this.#onAttach(connection, receiver));
    container.on("sender_open", ({ connection, sender }) => this.#onAttach(connection, sender));
    container.on("message", (context) => this.#onMessage(context));
    container.on("sender_flow", ({ sender }) => sender.entity?.reader?.wake());
    container.on("sendable", ({ sender }) => sender.entity?.reader?.wake());
    container.on("settled", ({ sender }) => sender?.entity?.reader?.wake());
    for (const event of ["receiver_close", "sender_close"]) {
      container.on(event, ({ connection, receiver, sender }) => this.#onDetached(connection, receiver ?? sender));
    }
    for (const event of ["disconnected", "connection_close"]) {
      container.on(event, ({ connection }) => this.#onClosed(connection));
    }
    // rhea closes the socket; without a listener, these events would end this process.
    for (const event of ["connection_error", "session_error", "receiver_error", "sender_error", "protocol_error", "error"]) {
      container.on(event, () => {});
    }
    return container;
  }

  /** Listens, on free ports by default. Returns `{port, tlsPort?}`. */
  async listen({ port = 0, tlsPort = 0 } = {}) {
    const common = {
      host: "127.0.0.1", require_sasl: true, max_frame_size: 65536, tcp_no_delay: true,
      receiver_options: { autoaccept: false, credit_window: 1000 },
    };
    this.#listeners = [this.container.listen({ ...common, port })];
    if (this.tls) this.#listeners.push(this.container.listen({ ...common, ...this.tls, port: tlsPort, transport: "tls" }));
    await Promise.all(this.#listeners.map((listener) => new Promise((resolve, reject) => {
      listener.once("listening", resolve);
      listener.once("error", reject);
    })));
    // A failed TLS handshake must not end this process.
    for (const listener of this.#listeners) listener.on("tlsClientError", () => {});
    this.ports = { port: this.#listeners[0].address().port, tlsPort: this.#listeners[1]?.address().port };
    return this.ports;
  }

  /** Stops listening and cuts every connection, for `forMs` or until `bringUp`, which uses the same ports again. */
  async takeDown(forMs) {
    clearTimeout(this.#outageTimer);
    await this.#stopListening();
    if (forMs !== undefined) this.#outageTimer = setTimeout(() => this.bringUp(), forMs);
  }

  async bringUp() {
    clearTimeout(this.#outageTimer);
    if (this.#listeners.length === 0) await this.listen(this.ports);
  }

  async close() {
    clearTimeout(this.#outageTimer);
    await this.#stopListening();
  }

  async #stopListening() {
    const closing = this.#listeners.map((listener) => new Promise((resolve) => listener.close(resolve)));
    this.#listeners = [];
    this.dropConnections();
    await Promise.all(closing);
  }

  dropConnections() {
    const all = [...this.#peers.keys()];
    for (const connection of all) connection.socket.destroy();
    return all.length;
  }

  closeConnections(condition = "amqp:connection:forced", description = "the connection was closed by the service") {
    const all = [...this.#peers.keys()];
    for (const connection of all) connection.close({ condition, description });
    return all.length;
  }

  /** Detaches every sender link, as the service does with idle ones. */
  detachLinks({ hub, condition = "amqp:link:detach-forced", description = "the link was idle and is detached", closed = true }) {
    const links = [...this.#peers.values()].flatMap((peer) => [...peer.links])
      .filter(({ entity }) => entity.node === "producer" && (hub === undefined || entity.hub.name === hub));
    for (const link of links) this.ingress.detach(link, condition, description, closed);
    return links.length;
  }

  /** Writes `bytes` (base64) to every connection, `times` times, regardless of the protocol's state; returns the number of connections. */
  writeRaw({ bytes, times = 1 }) {
    const all = [...this.#peers.keys()];
    const buffer = Buffer.concat(Array(times).fill(Buffer.from(bytes, "base64")));
    for (const { socket } of all) socket.write(buffer);
    return all.length;
  }

  get openConnections() {
    return this.#peers.size;
  }

  #onConnection(connection) {
    this.counters.connections += 1;
    const fault = this.faults.onConnection();
    // rhea writes its answer to the client's open after this event.
    if (fault) connection.socket.write(Buffer.from(fault.bytes, "base64"));
    const peer = new Peer(connection, (link, path) => {
      this.ingress.detach(link, "amqp:unauthorized-access", `ExpiredToken: the token for '${path}' has expired`);
    });
    // SASL PLAIN proved knowledge of the key: grant everything.
    if (connection.sasl_transport.mechanism?.callback) peer.claim("", Infinity);
    this.#peers.set(connection, peer);
    connection.socket.once("close", () => this.#onClosed(connection));
  }

  #onClosed(connection) {
    this.#peers.get(connection)?.close();
    this.#peers.delete(connection);
  }

  #onDetached(connection, link) {
    link.entity?.reader?.close();
    const peer = this.#peers.get(connection);
    if (!peer) return;
    peer.links.delete(link);
    for (const side of ["producer", "consumer"]) if (peer.cbs[side] === link) peer.cbs[side] = undefined;
  }

  #refuse(link, condition, description, hub) {
    if (hub) hub.counters.refusedAttaches += 1;
    link.entity = { node: "refused", detached: true };
    link.local.attach[link.is_receiver() ? "target" : "source"] = undefined;
    link.close({ condition, description });
  }

  #onAttach(connection, link) {
    const peer = this.#peers.get(connection);
    const fromClient = link.is_receiver();
    const { source, target } = link.remote.attach;
    const address = fromClient ? target?.address : source?.address;
    const entity = parseAddress(address);
    link.set_source({ ...source });
    link.set_target({ ...target });
    link.local.attach.snd_settle_mode = link.remote.attach.snd_settle_mode;
    link.local.attach.rcv_settle_mode = link.remote.attach.rcv_settle_mode;
    if (!entity || (entity.node === "producer" && !fromClient) || (entity.node === "consumer" && fromClient)) {
      return this.#refuse(link, "amqp:not-found", `'${address}' does not exist for this kind of link`);
    }
    link.entity = entity;
    if (entity.node === "$cbs") return this.#attachCbs(peer, link, fromClient ? "producer" : "consumer");
    if (entity.node === "$management") {
      if (!peer.authorized) return this.#refuse(link, "amqp:unauthorized-access", "$management: this connection has no valid token");
      peer.links.add(link);
      return undefined;
    }
    return this.#attachHub(peer, link, entity);
  }

  #attachCbs(peer, link, side) {
    if (peer.cbs[side]) {
      return this.#refuse(link, "amqp:not-allowed", "$cbs: this connection already has this link; one pair is allowed");
    }
    peer.cbs[side] = link;
    peer.links.add(link);
    return undefined;
  }

  #attachHub(peer, link, entity) {
    const hub = this.store.hub(entity.hub);
    hub.counters.attaches += 1;
    const fault = this.faults.onAttach(hub.name);
    if (fault) {
      const description = fault.description ?? `injected by fault ${fault.id}`;
      return this.#refuse(link, fault.condition ?? "amqp:not-found", description, hub);
    }
    if (!peer.allows(entity.path)) {
      return this.#refuse(link, "amqp:unauthorized-access", `'${entity.path}': this connection has no valid token for it`, hub);
    }
    if (entity.partition !== undefined && !hub.partition(entity.partition)) {
      const description = `partition ${entity.partition} does not exist: hub '${hub.name}' has partitions 0 to ${hub.partitions.length - 1}`;
      return this.#refuse(link, "amqp:not-found", description, hub);
    }
    link.entity = { ...entity, hub };
    if (entity.node === "producer") {
      link.entity.maxMessageSize = hub.settings.maxMessageSize;
      link.local.attach.max_message_size = hub.settings.maxMessageSize;
    } else {
      const partition = hub.partition(entity.partition);
      try {
        const selector = link.remote.attach.source.filter?.[SELECTOR];
        const cursor = startIndex(types.unwrap(selector)?.toString(), partition.events);
        link.entity.reader = new Reader(link, partition, cursor);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return this.#refuse(link, "amqp:invalid-field", error.message, hub);
      }
    }
    peer.links.add(link);
    return undefined;
  }

  #onMessage(context) {
    const { connection, receiver, delivery } = context;
    const peer = this.#peers.get(connection);
    const { bytes, format } = transferOf(context);
    const node = receiver.entity?.node;
    if (!peer || node === "refused") {
      delivery.settled = true;
    } else if (node === "producer") {
      this.ingress.onTransfer(receiver, delivery, format, bytes);
    } else {
      delivery.accept();
      this.#onRequest(peer, receiver, Buffer.isBuffer(context.message) ? rhea.message.decode(bytes) : context.message);
    }
  }

  #onRequest(peer, receiver, request) {
    const { node } = receiver.entity;
    const back = [...peer.links].filter((link) => link.is_sender() && link.entity.node === node);
    const to = back.find((link) => link.name === request.reply_to || link.remote.attach.target?.address === request.reply_to) ?? back.at(-1);
    const answer = (result) => {
      if (to?.is_open()) to.send(reply(request, result));
    };
    const answerHostile = (fault) => {
      if (to?.is_open()) to.send(hostileReply(request, fault), undefined, 0);
    };
    if (node === "$management") return answer(describe(request, peer, this.store));

    this.counters.putTokens += 1;
    this.lastToken = { type: request.application_properties?.type, audience: request.application_properties?.name, token: request.body };
    const fault = this.faults.onPutToken();
    const respond = () => {
      if (fault?.nested || fault?.bytes) {
        answerHostile(fault);
        return;
      }
      const result = fault?.status
        ? { status: fault.status, description: fault.description ?? `injected by fault ${fault.id}` }
        : putToken(request, peer, this.keys);
      if (result.status !== 202) this.counters.refusedTokens += 1;
      answer(result);
    };
    if (fault?.ms) setTimeout(respond, fault.ms);
    else respond();
    return undefined;
  }
}
