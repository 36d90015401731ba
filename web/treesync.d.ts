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

/** The final answer to one op; it is durable. `queued` ones have none yet. */
export interface Result {
  n: number;
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
 *  not take them (rights, or the store is full); `why` says it. */
export interface Status { state: "saved" | "saving" | "offline" | "conflict" | "refused"; count: number; why?: string }

export interface Participant { id: string; user: string; name: string; kind: "human" | "agent"; state: Record<string, unknown> }

/** One op of the queue, as a person should see it. */
export interface Queued { n: number | null; op: Record<string, unknown>; state: "waiting" | "sent" | "refused"; code?: string; why?: string; made: number }

/** What became of the ops that waited when the tree was opened again. */
export interface Report { applied: number; merged: number; unchanged: number; superseded: number; conflict: Result[]; rejected: Result[]; total: number }

export interface TrashEntry { node: TreeNode; nodes: number; by: string; at: string }

export interface ConnectOptions {
  /** Shown to the server's operators. */
  client?: string;
  /** Keep the queue in IndexedDB, so that it outlives the page. Default true. */
  persist?: boolean;
  /** Ask before the page is left while something is not durable and not kept. Default true. */
  guard?: boolean;
}

export function connect(url: string, token: Token, options?: ConnectOptions): Client;

/** One socket that comes back by itself. Events: `state`, `fault` (detail: the server's error or a local one). */
export class Client extends EventTarget {
  readonly state: "connecting" | "online" | "offline" | "refused" | "signed out";
  readonly user: string;
  readonly tenant: string;
  readonly clientId: string;
  readonly limits: Record<string, number>;
  /** Resolves once the tree is here: from the server, or, without network, from what this browser keeps of it. */
  open(tree: number): Promise<Tree>;
  /** A route of /api/v1 with this client's token; rejects with the problem document. */
  request(method: string, path: string, body?: unknown): Promise<any>;
  close(): void;
}

/** Events: `change` (detail: { ops, own, replaced }), `people`, `status`, `conflict` (detail: Conflict), `report`
 *  (detail: Report), `role`, `closed` (detail: why), `version`, `progress`, `insight`. */
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
  readonly canUndo: boolean;
  readonly canRedo: boolean;

  /** Any op of PROTOCOL.md, without `n` and `base`. Shows at once; resolves when durable. */
  edit(op: Record<string, unknown>, mode?: Mode): Promise<Result>;
  insert(node: { id?: string; parent?: string | null; after?: string | null; type: NodeType; title: string; description?: string; position?: Point; template_data?: object; metadata?: object }): Promise<Result>;
  update(node: string, set: Record<string, unknown>, unset?: string[]): Promise<Result>;
  /** Put `insert` in place of `remove` UTF-16 units at `at` of a text field, as an editor's input event tells it. */
  splice(node: string, path: string, at: number, remove: number, insert: string): Promise<Result>;
  /** Make a text field read like this: the smallest splice that does. */
  write(node: string, path: string, text: string): Promise<Result>;
  move(node: string, to: { parent?: string | null; after?: string | null; position?: Point }): Promise<Result>;
  remove(node: string): Promise<Result>;
  restore(node: string, parent?: string | null): Promise<Result>;
  link(from: string, to: string, label?: string, id?: string): Promise<Result>;
  unlink(connection: string): Promise<Result>;
  relabel(connection: string, label: string): Promise<Result>;
  configure(set: Record<string, unknown>, unset?: string[]): Promise<Result>;

  /** One's own changes, newest first; what others have changed since stays as they left it. Null: nothing to undo. */
  undo(): Promise<Result[]> | null;
  redo(): Promise<Result[]> | null;
  /** Edits made inside are undone together. */
  group<T>(edits: () => T): T;

  present(state: Record<string, unknown>): void;
  resolve(conflict: number, choice: "mine" | "theirs" | "value", value?: unknown): Promise<Conflict["closed"]>;
  trash(): Promise<TrashEntry[]>;
  /** Give up what the server refused; answers those ops. */
  discard(): Record<string, unknown>[];
  /** The queue as a file's content, for when it can be sent no more. */
  exportQueue(): string;
  close(): void;
}
