// How far a tree is, as the page keeps it, names it and draws it; and what of a form is filled, as the server has it.

import { adopt, TYPES } from "/page/node_types.js";
import { Progress, inWords, percent } from "/page/progress.js";
import { fillCardRing, ring } from "/page/rings.js";
import { isFilled, missingOf } from "/page/templates.js";
import { equal, json, test } from "/tests/testing.js";

const SUMMARY = { total_nodes: 3, completion_rate: 0.5, complete: 1, in_progress: 1, not_started: 1 };
const said = (tree, detail) =>
  tree.dispatchEvent(new CustomEvent("progress", { detail: { summary: SUMMARY, ...detail } }));

test("[PG8] [PG9] what changed is kept beside what was told before; the whole puts all others at their beginning", () => {
  const tree = new EventTarget();
  const progress = new Progress(tree);
  const heard = [];
  progress.addEventListener("change", ({ detail }) => heard.push(detail.nodes));
  equal(progress.of("a"), null, "nothing is known yet");
  said(tree, { whole: true, nodes: { a: { completion: 0.5, status: "in_progress" } }, domains: [{ node: "a" }] });
  said(tree, { nodes: { b: { completion: 1, branch_completion: 0.75, branch_nodes: 4 } } });
  equal([progress.of("a").completion, progress.of("b").branch_nodes, progress.of("c").completion], [0.5, 4, 0]);
  said(tree, { whole: true, nodes: {} });
  equal([progress.of("a").completion, progress.domains.size], [0, 0]);
  equal(heard, [null, ["b"], null]);
  said(tree, { mine: { trees: 2, completion_rate: 0.25 } });
  said(tree, {});
  equal(progress.mine, { trees: 2, completion_rate: 0.25 }, "[PG11] it is told now and then");
});

test("0 and 100 are said of nothing and everything alone", () => {
  equal([-0, 0.001, 0.004, 0.5, 0.996, 0.9999, 1].map(percent), [0, 1, 1, 50, 99, 99, 100]);
  equal(inWords(0.6), "60 % complete");
});

test("a leaf's ring shows the card, a branch's ring all of it and inside it the card; both say it in words", () => {
  const shown = { completion: 0.33, branch_completion: 0.6 };
  const [leaf, branch, unknown] = [ring(), ring(), ring()];
  fillCardRing(leaf, shown, false);
  fillCardRing(branch, shown, true);
  fillCardRing(unknown, null, true);
  equal(
    [leaf, branch].map((one) => one.getAttribute("aria-label")),
    ["33 % complete", "Branch 60 % complete, this card 33 %"],
  );
  equal(
    [leaf, branch, unknown].map((one) => one.hidden),
    [false, false, true],
  );
  equal([leaf.style.getPropertyValue("--share"), branch.style.getPropertyValue("--share")], ["0.33", "0.6"]);
  fillCardRing(leaf, { completion: 1, branch_completion: 1 }, false);
  equal([...leaf.classList].sort(), ["ring", "whole"]);
});

test("[PG1] [PG3] a tenant's own fields take the place of the standard ones, and are filled by the server's rule", async () => {
  const { choices, kinds } = await json("/vectors/filled.json");
  const before = structuredClone(TYPES.metric.fields);
  const fields = Object.keys(kinds).map((kind) => ({
    name: `a_${kind}`,
    label: kind,
    kind,
    ...(kind === "choice" && { choices }),
  }));
  adopt({ metric: { meaning: "", fields }, unheard_of: { meaning: "", fields: [] } });
  const known = Object.fromEntries(TYPES.metric.fields.map((field) => [field.key, field]));
  for (const [kind, { filled, empty }] of Object.entries(kinds)) {
    const right = (value) => isFilled(known[`a_${kind}`], value);
    equal([filled.filter((one) => !right(one)), empty.filter(right)], [[], []], kind);
  }
  const missing = missingOf({ type: "metric", template_data: { a_text: "x", completion_status: "complete" } });
  equal(
    missing.map(({ key }) => key),
    Object.keys(kinds)
      .slice(1)
      .map((kind) => `a_${kind}`),
  );
  TYPES.metric.fields = before;
});
