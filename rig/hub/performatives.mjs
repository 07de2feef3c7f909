// Frames with all their fields. rhea leaves out those at the end that nothing was said of, as AMQP allows; Microsoft's
// client for Python takes them by their number, fails on a list that is shorter than the specification's, and knows none of
// its defaults.

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
