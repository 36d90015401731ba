// What is refused at the keyboard: an op that the server could only refuse, or that nobody could keep.

import { applied, checked, size } from "../text.js";
import { textAt } from "./wishes.js";

const TITLE_CHARACTERS = 500; // [TR2]
const encoder = new TextEncoder();

/** { code, why } of what cannot be taken, or null. Puts a delta into its normal form. */
export function refusalOf(op, core, host, fault) {
  if (core.status === "gone") return { code: core.error.code, why: core.error.why };
  if (!core.mayWrite) return { code: "forbidden", why: `a ${core.role} may not edit` };
  if (fault && host.state !== "online") return { code: "storage", why: fault };
  try {
    return badValue(op, core, host.limits.value_bytes);
  } catch (error) {
    if (error instanceof RangeError) return { code: "invalid", why: error.message };
    throw error;
  }
}

function badValue(op, core, most) {
  let values = Object.entries(op.set ?? {});
  if (op.op === "text") {
    op.delta = checked(op.delta);
    values = [[op.path, applied(textAt(core.view.nodes.get(op.node), op.path), op.delta)]];
  } else if (op.op === "insert") values = Object.entries(op);
  for (const [path, value] of values) {
    const isTitle = path === "title" && typeof value === "string";
    if (isTitle && (!value || size(value) > TITLE_CHARACTERS)) {
      return { code: "invalid", why: `a title has 1 to ${TITLE_CHARACTERS} characters` };
    }
    if (isOver(value, most)) return { code: "too_large", why: `a value has at most ${most} bytes` };
  }
  return null;
}

// A UTF-16 unit is at most three bytes of UTF-8.
function isOver(value, most) {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length * 3 > most && encoder.encode(text).length > most;
}
