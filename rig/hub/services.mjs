// The two request/response nodes: `$cbs` receives tokens, `$management` describes hubs and partitions.

import rhea from "rhea";
import { checkToken, TokenRefused } from "./tokens.mjs";

const { message, types } = rhea;
const EPOCH_START = new Date(0);

/** Answers a put-token with `{status, description}`; a valid token adds a claim to the connection. */
export function putToken(request, peer, keys) {
  const { operation, type, name: audience } = request.application_properties ?? {};
  if (operation !== "put-token") return { status: 400, description: `unknown operation '${operation}': $cbs supports put-token` };
  try {
    const expires = checkToken({ type, token: request.body, audience, keys });
    peer.claim(audience, expires);
    return { status: 202, description: "Accepted" };
  } catch (error) {
    if (!(error instanceof TokenRefused)) throw error;
    return { status: 401, description: error.message };
  }
}

function describeHub(hub) {
  return {
    name: hub.name,
    type: "com.microsoft:eventhub",
    created_at: types.wrap_timestamp(hub.createdAt),
    partition_count: types.wrap_int(hub.partitions.length),
    partition_ids: types.wrap_array(hub.partitions.map(({ id }) => id), 0xb1),
    georeplication_factor: types.wrap_int(1),
  };
}

function describePartition(hub, partition) {
  const { last } = partition;
  return {
    name: hub.name,
    type: "com.microsoft:partition",
    partition: partition.id,
    begin_sequence_number: types.wrap_long(0),
    last_enqueued_sequence_number: types.wrap_long(last ? last.sequence : -1),
    last_enqueued_offset: last ? last.offset : "-1",
    last_enqueued_time_utc: types.wrap_timestamp(last ? last.enqueued : EPOCH_START.getTime()),
    is_partition_empty: last === undefined,
  };
}

/** Answers a READ of a hub or of a partition: `{status, description, body?}`. */
export function describe(request, peer, store) {
  const { operation, type, name, partition } = request.application_properties ?? {};
  if (!peer.authorized) return { status: 401, description: "this connection has no valid token" };
  if (operation !== "READ" || typeof name !== "string") {
    return { status: 400, description: `unknown operation '${operation}' on '${name}': $management supports READ of a hub or partition` };
  }
  const hub = store.hub(name);
  if (type === "com.microsoft:eventhub") return { status: 200, description: "OK", body: describeHub(hub) };
  const found = hub.partition(partition);
  if (type === "com.microsoft:partition" && found) return { status: 200, description: "OK", body: describePartition(hub, found) };
  return { status: 404, description: `hub '${name}' has no ${type} '${partition ?? ""}'` };
}

/** The message that answers `request`. */
export function reply(request, { status, description, body }) {
  return {
    correlation_id: request.message_id,
    application_properties: { "status-code": types.wrap_int(status), "status-description": description },
    body: body ?? null,
  };
}

/** An encoded list of one list of one list …, nested `depth` deep. */
function nestedLists(depth) {
  const HEAD = 9;
  const encoded = Buffer.alloc(depth * HEAD + 1, 0x45);
  for (let level = 0; level < depth; level += 1) {
    const at = level * HEAD;
    encoded[at] = 0xd0;
    encoded.writeUInt32BE(encoded.length - at - HEAD + 4, at + 1);
    encoded.writeUInt32BE(1, at + 5);
  }
  return encoded;
}

/** An encoded hostile answer: its body is lists nested `nested` deep, or has `bytes` bytes. */
export function hostileReply(request, { status = 500, nested, bytes }) {
  const proper = message.encode(reply(request, { status, description: "injected by a fault" }));
  // The body section comes last, and its null value is the last byte: replace that.
  const body = nested ? nestedLists(nested) : Buffer.concat([Buffer.from([0xb0, 0, 0, 0, 0]), Buffer.alloc(bytes, "x")]);
  if (!nested) body.writeUInt32BE(bytes, 1);
  return Buffer.concat([proper.subarray(0, -1), body]);
}
