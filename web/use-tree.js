// A React hook over a tree. A module of its own that imports nothing: React is handed to it, so that no version is chosen.
//
//   import * as React from "react";
//   import { connect } from "treesync";
//   import { makeUseTree } from "treesync/use-tree";
//   const useTree = makeUseTree(React);
//   const client = connect("https://sync.example.com", freshToken);
//   function Outline() {
//     const { tree, view, status, error } = useTree(client, 7);
//     return view ? view.children(null).map((node) => <p key={node.id}>{node.title}</p>) : <p>{error?.why ?? "opening…"}</p>;
//   }

const EVENTS = ["change", "people", "status", "conflict", "role", "closed"];
const OPENING = { tree: null, view: null, status: null, people: null, role: null, conflicts: [], error: null };
const slots = new WeakMap(); // client to tree number to its Slot

// One tree of one client as an external store: snapshots that change their identity exactly when something changed.
class Slot {
  snapshot = OPENING;
  #listeners = new Set();

  constructor(client, number) {
    client.open(number).then(
      (tree) => {
        const look = () => this.#become(snapshotOf(tree));
        for (const name of EVENTS) tree.addEventListener(name, look);
        look();
      },
      (error) => this.#become({ ...OPENING, error }),
    );
  }

  subscribe = (listener) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  look = () => this.snapshot;

  #become(snapshot) {
    this.snapshot = snapshot;
    for (const listener of this.#listeners) listener();
  }
}

function snapshotOf(tree) {
  const { view, status, people, role, conflicts } = tree;
  return { tree, view, status, people, role, conflicts, error: null };
}

function slotOf(client, number) {
  if (!slots.has(client)) slots.set(client, new Map());
  const trees = slots.get(client);
  if (!trees.has(number) || trees.get(number).snapshot.error) trees.set(number, new Slot(client, number));
  return trees.get(number);
}

/**
 * The hook, made for a React of 18 or later.
 * @param {{ useSyncExternalStore: Function, useMemo: Function }} React
 * @returns {import("./use-tree").UseTree} `useTree(client, number)`: the tree, opened at its first use and kept open,
 *   and what of it a component draws
 */
export function makeUseTree({ useMemo, useSyncExternalStore }) {
  return function useTree(client, number) {
    const slot = useMemo(() => slotOf(client, number), [client, number]);
    return useSyncExternalStore(slot.subscribe, slot.look, () => OPENING);
  };
}
