// The fields of each type of node: the tenant's own, where the server has them, else the standard ones of node_types.js.
// And what of them is filled, by the server's rule [PG3].

import { TYPES, adopt } from "./node_types.js";

/** Event: `change` (other fields than before). */
export class Templates extends EventTarget {
  #client;
  #version = null;

  constructor(client) {
    super();
    this.#client = client;
  }

  /** Ask the server; without it those known so far stay. */
  async load() {
    let found;
    try {
      found = await this.#client.request("GET", "/node-templates");
    } catch {
      return; // offline: asked again with the next whole state
    }
    if (found.version === this.#version) return;
    this.#version = found.version;
    adopt(found.templates);
    this.dispatchEvent(new Event("change"));
  }
}

/** The fields of a node that say nothing yet. @returns {{ key: string, label: string }[]} */
export function missingOf(node) {
  return countedFields(node.type).filter((field) => !isFilled(field, node.template_data[field.key]));
}

/** The fields that count; the status stands beside them. */
export const countedFields = (type) => TYPES[type].fields.filter(({ key }) => key !== "completion_status");

const DATE = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(T.*)?$/;
const isText = (value) => typeof value === "string" && value.trim() !== "";

const NUMBER = /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i;

const FILLED = {
  line: (_field, value) => isText(value),
  area: (_field, value) => isText(value),
  list: (_field, value) =>
    isText(value) ||
    (Array.isArray(value) && value.some((one) => (typeof one === "string" ? one.trim() !== "" : one !== null))),
  number: (_field, value) => typeof value === "number" || (isText(value) && NUMBER.test(value)),
  choice: ({ choices }, value) => value !== "" && choices.some(([known]) => known === value),
  date: (_field, value) => typeof value === "string" && DATE.test(value),
  flag: (_field, value) => typeof value === "boolean",
};

/** Whether a value says something, and something of the field's kind. */
export function isFilled(field, value) {
  return value !== null && value !== undefined && FILLED[field.kind](field, value);
}
