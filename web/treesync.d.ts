// The browser client of treesync. `import { connect } from "/client.js"`; PROTOCOL.md has the rules behind it.

/** Text, or a function that answers (a promise of) a fresh token: it is asked again on each new socket. */
export type Token = string | (() => string | Promise<string>);

export type Role = "viewer" | "commenter" | "editor" | "owner";
export type NodeType = "objective" | "outcome" | "opportunity" | "solution" | "assumption" | "metric" | "research";
export type Mode = "live" | "replay" | "force";

export interface Point { x: number; y: number }

export interface TreeNode {
  id: string;
  parent: string | null;
  order: string;
  type: NodeType;
  title: string;
  description: string;
  position: Point;
  is_collapsed: boolean;
  template_data: Record<string, unknown>;
  metadata: Record<string, unknown>;
  seq: number;
}

export interface Connection { id: string; from: string; to: string; label: string }

export interface Details {
  name: string;
  description: string;
  discovery_phase: string;
  is_template: boolean;
  canvas_state: Record<string, unknown>;
}

/** Keep n, insert text, delete -n; counted in code points, as on the wire. */
export type Delta = (number | string)[];

/** A tree as its author sees it: the queue applied over confirmed state. Never changed in place. */
export interface View {
  readonly nodes: ReadonlyMap<string, TreeNode>;
  readonly connections: ReadonlyMap<string, Connection>;
  readonly details: Details;
  /** Children in order; of null the roots. */
  children(parent: string | null): TreeNode[];
}

/** The final answer to one op; it is durable. `n` is null where nothing was sent: what was typed was deleted again
 *  (`unchanged`), or was refused here (`rejected`; `storage`: this browser cannot keep it and the server is away). */
export interface Result {
  n: number | null;
  status: "applied" | "merged" | "unchanged" | "superseded" | "duplicate" | "conflict" | "rejected" | "unknown";
  seq?: number;
  code?: string;
  why?: string;
  in_trash?: boolean;
  conflict?: { id?: number; node?: string; connection?: string; code?: string; paths?: Record<string, ConflictPath> };
  effective?: object;
  overwrote?: Record<string, { value: unknown; by: string; seq: number }>;
}

export interface ConflictPath { base?: unknown; mine: unknown; theirs: unknown; by: string; seq: number }

export interface Conflict {
  id: number;
  kind: "aside" | "overwritten";
  node?: string;
  connection?: string;
  user: string;
  client?: string;
  code?: string;
  ops?: object[];
  paths?: Record<string, ConflictPath>;
  parties?: string[];
  at?: string;
  closed?: { choice: "mine" | "theirs" | "value" | "moot" | "replaced"; by: string; seq: number };
}

/** `saved`: everything typed is durable. `conflict`: it is, and so many records wait for a decision. `offline`: so many
 *  ops wait for the network. `saving`: so many are on their way. `refused`: so many stay here because the server will
 *  not take them, until `discard` (rights, a rule of the tree), or nothing more can be taken (the browser's store is
 *  full or blocked, and the server is away); `why` says it. */
export interface Status { state: "saved" | "saving" | "offline" | "conflict" | "refused"; count: number; why?: string }

export interface Participant { id: string; user: string; name: string; kind: "human" | "agent"; state: Record<string, unknown> }

/** One op of the queue, as a person should see it. */
export interface Queued { n: number | null; op: Record<string, unknown>; state: "waiting" | "sent" | "refused"; code?: string; why?: string; made: number }

/** What became of the ops that waited when the tree was opened again; what was never answered twice counts as applied. */
export interface Report { applied: number; merged: number; unchanged: number; superseded: number; conflict: Result[]; rejected: Result[]; total: number }

/** One deletion: its top, how many nodes lie there with it, who deleted them and when. */
export interface TrashEntry { node: { id: string; title: string; type: NodeType }; nodes: number; seq: number; by: string; at: string }

/** A confirmed change as everyone sees it: an effective op of PROTOCOL.md, with its author. */
export type Change = { op: string; seq: number; user: string; client: string; via?: string; at: string; own: boolean } & Record<string, any>;

/** A node: by itself, and with all below it; shares from 0 to 1, score of 100. What is absent is 0, or `not_started`. */
export interface NodeProgress {
  status?: "not_started" | "in_progress" | "complete"; fill_rate?: number; completion?: number; score?: number;
  branch_completion?: number; branch_nodes?: number; branch_complete?: number;
}

/** Many nodes together. */
export interface ProgressSummary {
  total_nodes: number; completion_rate: number; fill_rate: number; score: number; complete: number; in_progress: number;
  not_started: number; node_types: Partial<Record<NodeType, number>>;
}

/** What changed in how far a tree is; with `whole`, nodes that are not named are at their beginning (PROTOCOL.md PG). */
export interface ProgressNews {
  seq: number; whole: boolean; summary: ProgressSummary; nodes: Record<string, NodeProgress>;
  domains: (ProgressSummary & { node: string; title: string; maturity: string })[];
  mine?: { trees: number; completion_rate: number };
}

export interface ConnectOptions {
  /** Shown to the server's operators. */
  client?: string;
  /** Keep the queue in IndexedDB, so that it outlives the page. Where that cannot be had, `fault` says so, and edits are
   *  taken only while the server is there to make them durable; false: they wait in memory, and go with the page.
   *  Default true. */
  persist?: boolean;
  /** Ask before the page is left while something is not durable and not kept. Default true. */
  guard?: boolean;
}

export function connect(url: string, token: Token, options?: ConnectOptions): Client;

/** What a search found. `node` is null where it is the tree by its own name and description. */
export interface Hit {
  tree: number; tree_name: string; node: string | null; type: string | null; status: string | null; title: string;
  path: { node: string; title: string }[]; field: string; snippet: { text: string; hit: boolean }[]; score: number;
}

export interface Hits {
  hits: Hit[]; next: string | null; complete: boolean; behind: number;
}

/** Rejected requests: `code` as in PROTOCOL.md ER, `status` of HTTP, 0 without network. */
export class RequestFailed extends Error { code: string; why: string; status: number }

/** An id for a new node or connection. */
export function newId(): string;

/** Where a caret at UTF-16 offset `at` of `text` stands after someone's delta. */
export function caretAfter(text: string, delta: Delta, at: number): number;

/** What people look at: clicks, views, time per node. Counted for themselves, told to nobody else. */
export interface Interactions {
  /** `kind` is of small letters, digits and `_`, none that the server itself records. */
  add(kind: string, event?: { node?: string; duration_ms?: number; data?: Record<string, unknown> }): void;
  /** Put away what was not sent yet, so that it outlives the page. */
  keep(): void;
  /** Send all there is now; resolves to whether nothing waits any more. */
  send(): Promise<boolean>;
}

/** A moment in a tree's history. */
export type Moment = { version: number } | { seq: number } | { at: string };

export interface Version {
  number: number; seq: number; kind: "automatic" | "named" | "before_delete"; name: string; description: string;
  user: string; nodes: number; at: string; thinned: boolean;
  /** Who edited since the version before, who did most first. */
  authors: string[];
}

/** A change by somebody else that a restore or revert meets; `kept`: it stays. */
export interface Collision {
  node?: string; connection?: string; path?: string; by?: string; seq?: number; kept?: boolean; why?: string;
}

/** What a restore or revert did, or in a dry run would do (then with its `ops`). */
export interface Rewritten {
  request: string; seq: number; count: number; dry_run: boolean; repeated: boolean; ops: Record<string, unknown>[];
  collisions: Collision[]; undo: { undo: string; user: string } | null;
}

/** A tree's past (PROTOCOL.md HI). */
export interface History {
  versions(page?: { before?: number | null; limit?: number | null }): Promise<{ versions: Version[]; next: number | null }>;
  keep(name: string, more?: { description?: string; of?: Moment }): Promise<Version>;
  rename(number: number, name: string, description?: string): Promise<Version>;
  unname(number: number): Promise<Version>;
  /** The tree as it was, in `state`. */
  at(moment: Moment): Promise<any>;
  /** `difference` as PROTOCOL.md gives it, and `sentences`. */
  diff(from: Moment, to?: Moment): Promise<{ from_seq: number; to_seq: number; difference: any; sentences: string[] }>;
  of(node: string, page?: { before?: number | null }): Promise<{ events: any[]; next: number | null }>;
  /** `seq`: only where the tree stands there. `request`: asked again with the same one, it is done once. */
  restore(to: Moment, more?: { node?: string; parent?: string | null; seq?: number; dry_run?: boolean; request?: string }): Promise<Rewritten>;
  revert(which: { user?: string; since?: Moment; until?: Moment; op?: number; undo?: string; seq?: number; dry_run?: boolean; request?: string }): Promise<Rewritten>;
}

/**
 * One socket that comes back by itself. Events: `state`, `fault` (detail: { code, why, tree? }, of the server or a local
 * one; `storage`: this browser keeps nothing), `report` (detail: { tree, report }; of a tab that was closed with unsent
 * edits: this one has sent them).
 *
 * A tab has a queue of its own, under its own client_id, held by a Web Lock; one that starts takes over a queue that no
 * tab holds. Browsers give locks to pages from https and localhost only.
 */
export class Client extends EventTarget {
  readonly state: "connecting" | "online" | "offline" | "refused" | "signed out";
  readonly user: string;
  readonly tenant: string;
  readonly clientId: string;
  readonly limits: Record<string, number>;
  /** Why it is in that state, where that is known. */
  readonly why: string;
  /** Try now, with another token where one is given: after "signed out", or to end a wait. */
  reconnect(token?: Token): void;
  /** Resolves once the tree is here: from the server, or, without network, from what this browser keeps of it. Rejects
   *  with { code, why } where it can not be opened; with edits of it in the queue it resolves then too, `closed`. */
  open(tree: number): Promise<Tree>;
  /** A page of what has all the words, the best first (PROTOCOL.md SE). Rejects with the problem document. */
  search(words: string, only?: { tree?: number; type?: string; status?: string; limit?: number; after?: string }): Promise<Hits>;
  /** A route of /api/v1 with this client's token; rejects with the problem document. */
  request(method: string, path: string, body?: unknown): Promise<any>;
  /** A file that a GET route of /api/v1 gives, with the name the server has for it. */
  download(path: string): Promise<{ content: Blob; name: string | null }>;
  /** Send a file to a POST route of /api/v1; `progress` is told shares from 0 to 1. */
  upload(path: string, file: Blob, progress?: (part: number) => void, signal?: AbortSignal): Promise<any>;
  close(): void;
}

/** Events: `change` (detail: { ops: Change[], own, replaced }; one's own edits without ops, when they are made), `people`,
 *  `status` (detail: Status), `conflict` (detail: Conflict), `report` (detail: Report), `role`, `closed` (detail:
 *  { code, why }), `version`, `progress` (detail: ProgressNews), `insight`. */
export class Tree extends EventTarget {
  readonly number: number;
  readonly role: Role | null;
  readonly position: { epoch: string; seq: number; mark: string } | null;
  readonly view: View;
  readonly status: Status;
  readonly people: ReadonlyMap<string, Participant>;
  readonly queue: readonly Queued[];
  /** Open conflict records of this person, newest first. */
  readonly conflicts: readonly Conflict[];
  /** Why it is closed (`not_found`, `forbidden`, `tree_deleted`, `closed`); null while it is open, or will be again. What
   *  is still in the queue then can be taken out as a file: `exportQueue`. */
  readonly closed: { code: string; why: string } | null;
  readonly canUndo: boolean;
  readonly canRedo: boolean;

  /** Any op of PROTOCOL.md, without `n` and `base`. Shows at once; resolves when durable. */
  edit(op: Record<string, unknown>, mode?: Mode): Promise<Result>;
  insert(node: { id?: string; parent?: string | null; after?: string | null; type: NodeType; title: string; description?: string; position?: Point; template_data?: object; metadata?: object }): Promise<Result>;
  update(node: string, set: Record<string, unknown>, unset?: string[]): Promise<Result>;
  /** Put `insert` in place of `remove` UTF-16 units at `at` of a text field, as an editor's input event tells it. Goes as
   *  a delta, so that what others type there stays too. What takes away more than half of the text goes as an `update`
   *  with the whole new text, so that two people's new titles are not run together: online the last one stands and the
   *  other is a conflict record; what was done without network merges where it does not overlap, else it waits. */
  splice(node: string, path: string, at: number, remove: number, insert: string): Promise<Result>;
  /** Make a text field read like this: the smallest splice that does, by the same rule. */
  write(node: string, path: string, text: string): Promise<Result>;
  move(node: string, to: { parent?: string | null; after?: string | null; position?: Point }): Promise<Result>;
  remove(node: string): Promise<Result>;
  restore(node: string, parent?: string | null): Promise<Result>;
  link(from: string, to: string, label?: string, id?: string): Promise<Result>;
  unlink(connection: string): Promise<Result>;
  relabel(connection: string, label: string): Promise<Result>;
  configure(set: Record<string, unknown>, unset?: string[]): Promise<Result>;

  /**
   * Take back one's own newest change of this page; null: there is none of which anything still stands.
   *
   * What others have made of it since stays as they left it. A field is set back where it still holds what one wrote.
   * Typing is taken back character by character: the inverse delta is transformed over everything since. A node that one
   * made goes to the trash, unless others have changed it or put something below it; one that was deleted comes back; a
   * connection likewise. A move goes back to the old parent and place, unless somebody has moved the node since. View
   * state (`is_collapsed`, `canvas_state.*`) is not undone. Typing, and dragging one node, without a rest of a second is
   * one step, as is what was made in one `group`. After a state was taken anew (`change` with `replaced`) typing before
   * it can not be undone.
   */
  undo(): Promise<Result[]> | null;
  /** Take back the newest undo, by the same rules. A new edit forgets what was undone. */
  redo(): Promise<Result[]> | null;
  /** Edits made inside are undone together. */
  group<T>(edits: () => T): T;

  present(state: Record<string, unknown>): void;
  /** Decide a conflict; resolves with what was done with it, now or before. Rejects with { code, why }. */
  resolve(conflict: number, choice: "mine" | "theirs" | "value", value?: unknown): Promise<Conflict["closed"]>;
  /** What the trash holds, newest first. Rejects with RequestFailed. */
  trash(): Promise<TrashEntry[]>;
  /** Versions, what changed, and going back: by HTTP, so it rejects with RequestFailed. */
  readonly history: History;
  /** What a person did that changes nothing: told in batches, kept until it is stored. */
  readonly interactions: Interactions;
  /** Give up what the server refused; answers those ops. */
  discard(): Record<string, unknown>[];
  /** The queue as a file's content, for when it can be sent no more. */
  exportQueue(): string;
  close(): void;
}
