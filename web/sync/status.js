// What a person is told about their work: never "saved" before the durable answer has come and the queue is empty.

/** Status of treesync.d.ts. `fault`: why the store cannot keep anything, or null. */
export function statusOf(core, linkState, fault, conflicts) {
  const { unanswered, refused } = core.queue;
  const waiting = unanswered.length;
  const held = unanswered.find((entry) => entry.held);
  if (fault && linkState !== "online") return { state: "refused", count: refused.length + waiting, why: fault };
  if (waiting && core.status === "gone") return { state: "refused", count: waiting, why: core.error.why };
  if (held) return { state: "refused", count: waiting, why: held.refusal?.why || "you may not edit this tree" };
  if (linkState === "refused" || linkState === "signed out") {
    const why = linkState === "refused" ? "the server does not speak with this page" : "signed out";
    return { state: waiting ? "refused" : "offline", count: waiting, why };
  }
  if (linkState !== "online") return { state: "offline", count: waiting };
  if (waiting) return { state: "saving", count: waiting };
  if (refused.length) return { state: "refused", count: refused.length, why: refused.at(-1).refusal?.why ?? "" };
  if (conflicts) return { state: "conflict", count: conflicts };
  return { state: "saved", count: 0 };
}
