// A React hook over a tree: `const useTree = makeUseTree(React)`.

import type { Client, Conflict, Participant, Role, Status, Tree, View } from "./treesync.js";

export interface OpenTree {
  tree: Tree;
  view: View;
  status: Status;
  people: ReadonlyMap<string, Participant>;
  role: Role | null;
  conflicts: readonly Conflict[];
  error: null;
}

/** Before the tree is here; `error` says why it will not come. */
export interface ClosedTree {
  tree: null;
  view: null;
  status: null;
  people: null;
  role: null;
  conflicts: readonly Conflict[];
  error: (Error & { code: string; why: string }) | null;
}

export type UseTree = (client: Client, number: number) => OpenTree | ClosedTree;

/** React 18 or later, or anything with these two hooks. */
export function makeUseTree(React: { useSyncExternalStore: Function; useMemo: Function }): UseTree;
