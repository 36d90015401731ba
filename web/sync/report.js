// What became of the ops that waited when a tree was opened again.

/** Follows the ops that waited until each has its answer. */
export class Report {
  #entries;

  constructor(entries) {
    this.#entries = entries;
  }

  /** Whether everything that waited has its answer. */
  get isComplete() {
    return this.#entries.every((entry) => !entry.isUnanswered);
  }

  /** Its person has it. */
  tell() {
    for (const entry of this.#entries) entry.isTold = true;
  }

  /** Report of treesync.d.ts; an op whose first answer the server no longer keeps counts as applied. */
  get summary() {
    const results = this.#entries.map((entry) => entry.result).filter(Boolean);
    const count = (...statuses) => results.filter(({ status }) => statuses.includes(status));
    return {
      applied: count("applied", "unknown").length,
      merged: count("merged").length,
      unchanged: count("unchanged").length,
      superseded: count("superseded").length,
      conflict: count("conflict"),
      rejected: count("rejected"),
      total: this.#entries.length,
    };
  }
}
