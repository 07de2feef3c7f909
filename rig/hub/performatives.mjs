// Makes rhea write every field of a frame. rhea omits trailing fields that are not set, as AMQP allows; Microsoft's client
// for Python reads fields by position, fails on a shorter list, and does not apply the specification's defaults.

import frames from "rhea/lib/frames.js";
import rhea from "rhea";

const { types } = rhea;

const DEFAULTS = { open: { channel_max: 65_535 }, begin: { handle_max: 0xffffffff } };

const fieldsOf = (frame) => Object.values(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(frame))).filter(({ get }) => get).length;

for (const name of ["open", "begin", "attach", "flow", "transfer", "disposition", "detach", "end", "close"]) {
  const create = frames[name];
  frames[name] = (fields) => {
    const frame = create({ ...DEFAULTS[name], ...fields });
    frame.value = Array.from({ length: fieldsOf(frame) }, (_, i) => frame.value[i] ?? types.wrap(null));
    return frame;
  };
}
