// The Network Watcher simulator: commits PT1H.json blobs block by block, as Azure does.

import { randomUUID } from "node:crypto";
import { BlobServiceClient, StorageSharedKeyCredential } from "@azure/storage-blob";
import { ACCOUNTS, FLOW_LOG_ACCOUNT } from "../accounts.mjs";
import { blobCreated } from "./events.mjs";
import { nsgBlob, vnetBlob } from "./names.mjs";
import { seeded } from "./random.mjs";
import { makeRecord } from "./records.mjs";
import { recordsOf } from "./record-scanner.mjs";

const HEADER = Buffer.from('{"records":[');
const CLOSER = Buffer.from("]}");

/** Separators between records; every data block but the first begins with one. */
const SEPARATORS = { comma: ",", crlf: ",\r\n", lines: "\n,\n", wide: " \t,  " };

const NOTHING_COMMITTED = () => ({ header: undefined, closer: undefined, ids: [], bytes: 0, records: [], scanned: false });

export class Watcher {
  #clients = new Map();
  #blobs = new Map();
  #containers = new Set();
  #sequence = 0x0d03;

  /**
   * @param {{blob: string, publicBlob: string, ca?: string, seed?: number}} options `blob`: URL to write to;
   *   `publicBlob`: URL of the same service for events; `ca`: the authority to trust for https
   */
  constructor({ blob, publicBlob, ca, seed = 1 }) {
    Object.assign(this, { blob, publicBlob, ca, seed });
    this.random = seeded(`watcher ${seed}`);
  }

  #service(account) {
    if (!ACCOUNTS[account]) throw new RangeError(`unknown account '${account}'; known: ${Object.keys(ACCOUNTS).join(", ")}`);
    if (!this.#clients.has(account)) {
      const credential = new StorageSharedKeyCredential(account, ACCOUNTS[account]);
      const options = this.ca ? { tlsOptions: { ca: this.ca } } : {};
      this.#clients.set(account, new BlobServiceClient(`${this.blob}/${account}`, credential, options));
    }
    return this.#clients.get(account);
  }

  async createContainer(container, account = FLOW_LOG_ACCOUNT) {
    const key = `${account}/${container}`;
    if (!this.#containers.has(key)) {
      await this.#service(account).getContainerClient(container).createIfNotExists();
      this.#containers.add(key);
    }
  }

  /** Registers a blob. It is committed by the first append, or at once with `commitEmpty`. */
  async create({ account = FLOW_LOG_ACCOUNT, container, name, kind = "vnet", mac = "112233445566", hour = "2026-11-22T09:00:00Z", commitEmpty = false, wording, ...where }) {
    const place = name === undefined ? (kind === "nsg" ? nsgBlob : vnetBlob)({ ...where, mac, hour }) : { name };
    const blob = {
      id: `b${this.#blobs.size + 1}`, account, container: container ?? place.container ?? vnetBlob({ mac, hour }).container,
      name: place.name, kind, mac, at: new Date(hour).getTime(), minute: 0,
      random: seeded(`${this.seed} ${place.name}`), last: Promise.resolve(), ...NOTHING_COMMITTED(),
    };
    await this.createContainer(blob.container, account);
    this.#blobs.set(blob.id, blob);
    const event = commitEmpty ? await this.#serialize(blob, () => this.#commit(blob, [], wording)) : undefined;
    return { blob: blob.id, account, container: blob.container, name: blob.name, url: this.#client(blob).url.replace(this.blob, this.publicBlob), event };
  }

  #find(id) {
    const blob = this.#blobs.get(id) ?? [...this.#blobs.values()].find(({ name }) => name === id);
    if (!blob) throw new RangeError(`no blob '${id}': POST /watcher/blobs creates one and returns its id`);
    return blob;
  }

  #client(blob) {
    return this.#service(blob.account).getContainerClient(blob.container).getBlockBlobClient(blob.name);
  }

  // Commits to one blob run one after the other.
  #serialize(blob, work) {
    const result = blob.last.then(work);
    blob.last = result.catch(() => {});
    return result;
  }

  #generate(blob, { records = 1, style = blob.kind === "nsg" ? "nsg2" : "usual", tuples, seed }) {
    const random = seed === undefined ? blob.random : seeded(`${seed} ${blob.name}`);
    const at = blob.at + (blob.minute % 60) * 60_000 + random.int(0, 59_999);
    return Array.from({ length: records }, () => makeRecord(random, { style, at, mac: blob.mac, tuples }));
  }

  // The blocks of the next commit, and the records in them, if known.
  #blocks(blob, { blocks, given, separator = "comma", ...what }) {
    if (blocks) return { newBlocks: blocks.map((text) => Buffer.from(text, "base64")), made: [] };
    const between = SEPARATORS[separator];
    if (between === undefined) throw new RangeError(`unknown separator '${separator}'; known: ${Object.keys(SEPARATORS).join(", ")}`);
    const made = given ?? this.#generate(blob, what);
    return { newBlocks: [joinRecords(made, between, blob.ids.length > 0)], made };
  }

  /**
   * Commits one more block of generated records or of the `given` ones (Buffers), or the `blocks` (base64) as they are.
   * @returns {Promise<{event: object, etag: string, contentLength: number, appended: string, records: string[]}>}
   */
  append({ blob: id, wording, ...what }) {
    const blob = this.#find(id);
    return this.#serialize(blob, () => this.#grow(blob, wording, what));
  }

  /** Replaces the blob's content. Network Watcher never does this, but restoring an account may. */
  rewrite({ blob: id, wording, ...what }) {
    const blob = this.#find(id);
    return this.#serialize(blob, () => {
      Object.assign(blob, NOTHING_COMMITTED());
      return this.#grow(blob, wording, what);
    });
  }

  async #grow(blob, wording, what) {
    const { newBlocks, made } = this.#blocks(blob, what);
    if (what.blocks) blob.scanned = true;
    blob.minute += 1;
    blob.records.push(...made);
    const event = await this.#commit(blob, newBlocks, wording);
    const base64 = (bytes) => bytes.toString("base64");
    return {
      event, etag: blob.etag, contentLength: event.data.contentLength,
      appended: base64(Buffer.concat(newBlocks)), records: made.map(base64),
    };
  }

  async remove({ blob: id }) {
    const blob = this.#find(id);
    await this.#serialize(blob, () => this.#client(blob).deleteIfExists());
    Object.assign(blob, NOTHING_COMMITTED());
  }

  async #stage(client, bytes) {
    const id = Buffer.from(this.random.hex(32)).toString("base64");
    await client.stageBlock(id, bytes, bytes.length);
    return id;
  }

  async #commit(blob, newBlocks, wording) {
    const client = this.#client(blob);
    if (blob.header === undefined) {
      blob.header = await this.#stage(client, HEADER);
      blob.closer = await this.#stage(client, CLOSER);
    }
    for (const bytes of newBlocks) {
      blob.ids.push(await this.#stage(client, bytes));
      blob.bytes += bytes.length;
    }
    const answer = await client.commitBlockList([blob.header, ...blob.ids, blob.closer]);
    blob.etag = answer.etag;
    this.#sequence += 1;
    return blobCreated({
      account: blob.account, container: blob.container, name: blob.name, root: this.publicBlob, etag: answer.etag,
      contentLength: HEADER.length + blob.bytes + CLOSER.length, sequence: this.#sequence, time: new Date().toISOString(),
      id: randomUUID(), requestId: answer.requestId, clientRequestId: randomUUID(), batchId: randomUUID(),
    }, wording);
  }

  /** The committed content, read from storage. */
  async content(id) {
    return this.#client(this.#find(id)).downloadToBuffer();
  }

  /** The bytes of every record, in order: as generated, or found by a scan if raw blocks were given. */
  async records(id) {
    const blob = this.#find(id);
    return blob.scanned ? recordsOf(await this.content(id)) : blob.records;
  }
}

/** Joins records; with `leading`, a separator also precedes the first one. */
export function joinRecords(records, separator, leading) {
  const gap = Buffer.from(separator);
  return Buffer.concat(records.flatMap((record, i) => (i > 0 || leading ? [gap, record] : [record])));
}
