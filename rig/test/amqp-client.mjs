// A minimal AMQP client on rhea that exposes the hub's answers, without retries.

import { createHmac, randomUUID } from "node:crypto";
import { once } from "node:events";
import rhea from "rhea";
import { HUB_KEY, HUB_KEY_NAME } from "../accounts.mjs";

/** A SAS token for an audience, by default signed with the rig's key. */
export function sasToken(audience, { lifetimeSeconds = 3600, key = HUB_KEY } = {}) {
  const sr = encodeURIComponent(audience);
  const se = Math.floor(Date.now() / 1000) + lifetimeSeconds;
  const sig = createHmac("sha256", key).update(`${sr}\n${se}`).digest("base64");
  return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(sig)}&se=${se}&skn=${HUB_KEY_NAME}`;
}

export class AmqpClient {
  constructor(connection) {
    this.connection = connection;
    this.disconnected = once(connection, "disconnected").then(() => "disconnected");
    this.closed = new Promise((resolve) => connection.once("connection_close", () => resolve(connection.error)));
    connection.on("connection_error", () => {});
    connection.on("session_error", () => {});
  }

  static async connect(port, options = {}) {
    const container = rhea.create_container();
    container.on("error", () => {});
    container.on("disconnected", () => {});
    const connection = container.connect({ host: "127.0.0.1", port, reconnect: false, username: "anonymous", ...options });
    const client = new AmqpClient(connection);
    const opened = await Promise.race([once(connection, "connection_open"), client.disconnected]);
    if (opened === "disconnected") throw new Error("the connection was refused");
    return client;
  }

  /** Puts a token; resolves to `{status, description, body}`. Opens the `$cbs` links on first use. */
  async putToken(audience, { type = "servicebus.windows.net:sastoken", token = sasToken(audience) } = {}) {
    this.cbs ??= await this.#openCbs();
    const answer = once(this.cbs.receiver, "message");
    this.cbs.sender.send({
      message_id: randomUUID(), reply_to: this.cbs.replyTo, body: token,
      application_properties: { operation: "put-token", type, name: audience },
    });
    const [{ message }] = await answer;
    const { "status-code": status, "status-description": description } = message.application_properties;
    return { status, description, body: message.body };
  }

  async #openCbs() {
    const replyTo = `cbs-${randomUUID()}`;
    const receiver = this.connection.open_receiver({ name: replyTo, source: { address: "$cbs" }, target: { address: replyTo } });
    const sender = this.connection.open_sender({ target: { address: "$cbs" } });
    await Promise.all([once(receiver, "receiver_open"), once(sender, "sendable")]);
    return { sender, receiver, replyTo };
  }

  /** Opens a sender link; resolves when it has credit, rejects with the condition if it is refused. */
  async openSender(address, properties = {}) {
    const sender = this.connection.open_sender({ name: randomUUID(), target: { address }, ...properties });
    sender.setMaxListeners(0);
    const refused = once(sender, "sender_error").then(() => {
      throw Object.assign(new Error(sender.error.description), { condition: sender.error.condition });
    });
    refused.catch(() => {});
    await Promise.race([once(sender, "sendable"), refused]);
    sender.whenClosed = once(sender, "sender_close").then(() => sender.error);
    sender.whenClosed.catch(() => {});
    return sender;
  }

  /** Connects, puts a token and opens a sender link to `hub`. */
  static async sender(port, hub, options = {}) {
    const client = await AmqpClient.connect(port);
    await client.putToken(`sb://127.0.0.1:${port}/${hub}`, { token: sasToken(`sb://127.0.0.1:${port}/${hub}`, options) });
    const sender = await client.openSender(hub);
    return { client, sender, close: () => client.connection.close() };
  }
}

/** Sends one message; resolves to `{outcome, condition?, description?}`. */
export function send(sender, message, format) {
  const delivery = sender.send(message, undefined, format);
  return new Promise((resolve) => {
    const onSettled = (context) => {
      if (context.delivery !== delivery) return;
      sender.off("settled", onSettled);
      const state = delivery.remote_state;
      resolve({ outcome: state.constructor.composite_type, condition: state.error?.condition, description: state.error?.description });
    };
    sender.on("settled", onSettled);
  });
}

export const text = (body) => ({ body: rhea.message.data_section(Buffer.from(body)) });

/** A batch of complete messages, as Event Hubs clients send it. */
export function batch(messages) {
  const encoded = messages.map((message) => rhea.message.encode(message));
  return rhea.message.encode({ body: rhea.message.data_sections(encoded) });
}
