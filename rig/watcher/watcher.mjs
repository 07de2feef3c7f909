// The Network Watcher simulator: commits PT1H.json block by block, as Azure does.

import { randomUUID } from "node:crypto";
import { BlobServiceClient, StorageSharedKeyCredential } from "@azure/storage-blob";
import { ACCOUNTS, FLOW_LOG_ACCOUNT } from "../accounts.mjs";
import { blobCreated } from "./events.mjs";
import { nsgBlob, vnetBlob } from "./names.mjs";
import { seeded } from "./random.mjs";
import { makeRecord } from "./records.mjs";
import { recordsOf } from "./spans.mjs";

const HEADER = Buffer.from('{"records":[');
const CLOSER = Buffer.from("]}");

/** What stands between two records, and at the head of every data block but the first. */
const SEPARATORS = { comma: ",", crlf: ",\r\n", lines: "\n,\n", wide: " \t,  " };

const NOTHING_COMMITTED = () => ({ header: undefined, closer: undefined, ids: [], bytes: 0, records: [], scanned: false });

export class Watcher {
  #clients = new Map();
  #blobs = new Map();
  #containers = new Set();
  #sequence = 0x0d03;

  /**
   * @param {{blob: string, publicBlob: string, ca?: string, seed?: number}} options `blob`: where to write;
   *   `publicBlob`: where others reach the same service (events name it); `ca`: whom to trust when that is https
   */
  constructor({ blob, publicBlob, ca, seed = 1 }) {
    Object.assign(this, { blob, publicBlob, ca, seed });
    this.random = seeded(`watcher ${seed}`);
  }

  #service(account) {
    if (!ACCOUNTS[account]) throw new RangeError(`no account is called '${account}'; there are: ${Object.keys(ACCOUNTS).join(", ")}`);
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

  /** Prepares a blob; nothing is committed before the first append, unless `commitEmpty`. */
  async create({ account = FLOW_LOG_ACCOUNT, container, name, kind = "vnet", mac = "112233445566", hour = "2026-11-22T09:00:00Z", commitEmpty = false, wording, ...where }) {
    const place = name === undefined ? (kind === "nsg" ? nsgBlob : vnetBlob)({ ...where, mac, hour }) : { name };
    const blob = {
      id: `b${this.#blobs.size + 1}`, account, container: container ?? place.container ?? vnetBlob({ mac, hour }).container,
      name: place.name, kind, mac, at: new Date(hour).getTime(), minute: 0,
      random: seeded(`${this.seed} ${place.name}`), last: Promise.resolve(), ...NOTHING_COMMITTED(),
    };
    await this.createContainer(blob.container, account);
    this.#blobs.set(blob.id, blob);
    const event = commitEmpty ? await this.#inTurn(blob, () => this.#commit(blob, [], wording)) : undefined;
    return { blob: blob.id, account, container: blob.container, name: blob.name, url: this.#client(blob).url.replace(this.blob, this.publicBlob), event };
  }

  #find(id) {
    const blob = this.#blobs.get(id) ?? [...this.#blobs.values()].find(({ name }) => name === id);
    if (!blob) throw new RangeError(`no blob '${id}': POST /watcher/blobs makes one and answers its id`);
    return blob;
  }

  #client(blob) {
    return this.#service(blob.account).getContainerClient(blob.container).getBlockBlobClient(blob.name);
  }

  // One blob has one writer: its commits follow each other.
  #inTurn(blob, work) {
    const result = blob.last.then(work);
    blob.last = result.catch(() => {});
    return result;
  }

  #generate(blob, { records = 1, style = blob.kind === "nsg" ? "nsg2" : "usual", tuples, seed }) {
    const random = seed === undefined ? blob.random : seeded(`${seed} ${blob.name}`);
    const at = blob.at + (blob.minute % 60) * 60_000 + random.int(0, 59_999);
    return Array.from({ length: records }, () => makeRecord(random, { style, at, mac: blob.mac, tuples }));
  }

  // The blocks of the next commit, and the records they are known to hold.
  #blocks(blob, { blocks, given, separator = "comma", ...what }) {
    if (blocks) return { newBlocks: blocks.map((text) => Buffer.from(text, "base64")), made: [] };
    const between = SEPARATORS[separator];
    if (between === undefined) throw new RangeError(`no separator is called '${separator}'; there are: ${Object.keys(SEPARATORS).join(", ")}`);
    const made = given ?? this.#generate(blob, what);
    return { newBlocks: [joinRecords(made, between, blob.ids.length > 0)], made };
  }

  /**
   * One commit more: one new block of generated records, or of `given` ones (Buffers), or `blocks` (base64) as they are.
   * @returns {Promise<{event: object, etag: string, contentLength: number, appended: string, records: string[]}>}
   */
  append({ blob: id, wording, ...what }) {
    const blob = this.#find(id);
    return this.#inTurn(blob, () => this.#grow(blob, wording, what));
  }

  /** Writes the blob anew, with other blocks: what Azure never does, and a restored account may. */
  rewrite({ blob: id, wording, ...what }) {
    const blob = this.#find(id);
    return this.#inTurn(blob, () => {
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
    await this.#inTurn(blob, () => this.#client(blob).deleteIfExists());
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

  /** The committed content, as storage gives it now. */
  async content(id) {
    return this.#client(this.#find(id)).downloadToBuffer();
  }

  /** Every record's bytes, in order: as they were made, or, after blocks given raw, as a scan of the content finds them. */
  async records(id) {
    const blob = this.#find(id);
    return blob.scanned ? recordsOf(await this.content(id)) : blob.records;
  }
}

/** Records one after another; `leading`: the separator stands before the first one too. */
export function joinRecords(records, separator, leading) {
  const gap = Buffer.from(separator);
  return Buffer.concat(records.flatMap((record, i) => (i > 0 || leading ? [gap, record] : [record])));
}
