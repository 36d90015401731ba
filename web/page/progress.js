// How far the open tree is, as the server tells it within a second of an edit [PG8]: each node with its branch, the
// tree's summary and its domains.

// What a message leaves out is 0 or this [PG9].
const BEGINNING = Object.freeze({
  status: "not_started",
  fill_rate: 0,
  completion: 0,
  score: 0,
  branch_completion: 0,
  branch_nodes: 1,
  branch_complete: 0,
});

/** Event: `change` (detail: { nodes: ids of those that changed, or null for all }). */
export class Progress extends EventTarget {
  /** Of the whole tree; null before the server has told it. */
  summary = null;
  /** Of all trees this person owns, where this is one of them: `{ trees, completion_rate }` [PG11]. */
  mine = null;
  /** The branches that the tree is divided into, by the id of their top. */
  domains = new Map();
  #nodes = new Map();

  /** @param {EventTarget} tree an open tree of the client */
  constructor(tree) {
    super();
    tree.addEventListener("progress", (event) => this.#hear(event.detail));
  }

  /** A node and its branch; null before anything is known. */
  of(id) {
    return this.summary && (this.#nodes.get(id) ?? BEGINNING);
  }

  #hear({ summary, domains = [], nodes = {}, whole = false, mine = this.mine }) {
    if (whole) {
      this.#nodes.clear();
      this.domains.clear();
    }
    this.summary = summary;
    this.mine = mine;
    for (const domain of domains) this.domains.set(domain.node, domain);
    for (const [id, said] of Object.entries(nodes)) this.#nodes.set(id, { ...BEGINNING, ...said });
    this.dispatchEvent(new CustomEvent("change", { detail: { nodes: whole ? null : Object.keys(nodes) } }));
  }
}

/** A share from 0 to 1 as a whole number of percent: 0 and 100 are said of nothing and everything alone. */
export function percent(share) {
  if (share <= 0) return 0;
  return share >= 1 ? 100 : Math.min(99, Math.max(1, Math.round(share * 100)));
}

/** “60 % complete”. */
export const inWords = (share) => `${percent(share)} % complete`;
