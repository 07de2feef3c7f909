// Events as the control API reports them.

import rhea from "rhea";

const DATA_SECTION = 0x75;

/** The bytes of a body: its data sections joined, or the JSON of any other kind of body. */
function bodyBytes(body) {
  if (body?.typecode === DATA_SECTION) return Buffer.concat(body.multiple ? body.content : [body.content]);
  return Buffer.from(JSON.stringify(body?.content ?? body ?? null));
}

function eventReport(event, withBody) {
  const message = rhea.message.decode(event.bytes);
  const body = bodyBytes(message.body);
  return {
    partition: event.partition,
    sequence: event.sequence,
    messageId: message.message_id ?? null,
    contentType: message.content_type ?? null,
    applicationProperties: message.application_properties ?? {},
    annotations: message.message_annotations ?? {},
    partitionKey: event.partitionKey ?? null,
    batch: event.batch,
    transferBytes: event.transferBytes,
    bodyBytes: body.length,
    ...(withBody ? { body: body.toString("base64") } : {}),
  };
}

const sourceOf = (event) => rhea.message.decode(event.bytes).application_properties?.source;

/** A hub's events in the order of acceptance; the query may have `source`, `from`, `limit` and `body=none`. */
export function eventsOf(hub, query) {
  const [from, limit, source] = [Number(query.get("from") ?? 0), Number(query.get("limit") ?? Infinity), query.get("source")];
  const found = source === null ? hub.order : hub.order.filter((event) => sourceOf(event) === source);
  return found.slice(from, from + limit).map((event) => eventReport(event, query.get("body") !== "none"));
}
