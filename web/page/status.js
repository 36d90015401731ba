// Whether everything is stored: a word in the header, and a banner while something waits, was refused, or has come back.

import { byId, icon, iconButton, made, say } from "./dom.js";
import { ago, opInWords, plural, reportInWords } from "./words.js";

const LONG_MS = 2000; // without network before it is said in a banner where nothing waits
const SHOWN_OPS = 200; // lines of the queue; the rest is counted

export class StatusBar {
  #desk;
  #commands;
  #chip = byId("status");
  #banner = byId("banner");
  #report = null;
  #closed;
  #openList = false;
  #awaySince = null;
  #key = "";

  /** @param {{ showConflicts: () => void }} commands */
  constructor(desk, commands) {
    this.#desk = desk;
    this.#commands = commands;
    this.#closed = desk.tree.closed ?? null; // it may be opened for its queue alone
    for (const name of ["status", "scene"]) desk.addEventListener(name, () => this.draw());
    desk.client.addEventListener("state", () => this.draw());
    desk.tree.addEventListener("report", (event) => this.#reported(event.detail));
    desk.tree.addEventListener("closed", (event) => {
      this.#closed = event.detail;
      this.draw();
    });
    this.#chip.onclick = () => this.#pressed();
    this.draw();
  }

  draw() {
    const { status } = this.#desk.tree;
    const away = ["offline", "connecting"].includes(this.#desk.client.state);
    this.#awaySince = away ? (this.#awaySince ?? performance.now()) : null;
    const [state, text] = this.#inWords(status, away);
    this.#chip.dataset.state = state;
    this.#chip.dataset.count = status.count;
    say(byId("status-text"), text);
    byId("undo").disabled = !this.#desk.tree.canUndo || !this.#desk.mayEdit;
    byId("redo").disabled = !this.#desk.tree.canRedo || !this.#desk.mayEdit;
    say(
      byId("role"),
      this.#desk.isEditor || this.#desk.tree.role === null
        ? ""
        : this.#desk.tree.role === "commenter"
          ? "You may comment, not edit"
          : "Read only",
    );
    byId("role").hidden = byId("role").textContent === "";
    this.#drawBanner(status, away);
  }

  #inWords({ state, count, why }, away) {
    if (this.#desk.client.state === "signed out") return ["refused", "Signed out"];
    if (this.#desk.client.state === "refused") return ["refused", "Reload needed"];
    if (state === "refused") return ["refused", `Refused (${count})`];
    if (state === "offline" || away) return ["offline", count ? `Offline (${count})` : "Offline"];
    if (state === "saving") return ["saving", "Saving…"];
    if (state === "conflict") return ["conflict", `Conflict (${count})`];
    return ["saved", "Saved", why];
  }

  #pressed() {
    if (this.#chip.dataset.state === "conflict") return this.#commands.showConflicts();
    this.#openList = !this.#openList;
    this.#key = "";
    this.draw();
  }

  #reported(report) {
    if (!report.total) return;
    this.#report = report;
    this.#openList = false;
    this.#desk.say(reportInWords(report), "quiet");
    this.#key = "";
    this.draw();
  }

  #drawBanner(status, away) {
    const content = this.#content(status, away);
    const key = content
      ? JSON.stringify([
          content.text,
          content.tone,
          this.#openList,
          this.#desk.tree.queue.length,
          content.actions?.length,
        ])
      : "";
    if (key === this.#key) return;
    this.#key = key;
    this.#banner.hidden = !content;
    if (!content) return this.#banner.replaceChildren();
    this.#banner.dataset.tone = content.tone;
    const line = made(
      "div",
      { className: "banner-line" },
      made("p", { id: "banner-text" }, content.text),
      ...content.actions,
    );
    this.#banner.replaceChildren(line, ...(this.#openList && content.list ? [content.list()] : []));
  }

  #content(status, away) {
    const { tree, client } = this.#desk;
    const refused = tree.queue.filter((one) => one.state === "refused");
    if (this.#closed)
      return {
        tone: "refused",
        text: closedInWords(this.#closed),
        actions: tree.queue.length ? [this.#download()] : [],
      };
    if (client.state === "signed out")
      return {
        tone: "refused",
        text: "Your sign-in is no longer good. Open the page with a fresh link; what you typed is kept in this browser.",
        actions: [this.#download()],
      };
    if (status.state === "refused" || refused.length) return this.#refused(status, refused);
    if (status.state === "offline" || away) return this.#offline(tree.queue.length, client.state);
    if (this.#report) return this.#reportContent();
    return this.#openList && tree.queue.length
      ? {
          tone: "offline",
          text: `${plural(tree.queue.length, "change")} on the way.`,
          actions: [this.#toggle()],
          list: () => this.#list(),
        }
      : null;
  }

  #offline(waiting, state) {
    if (!waiting && (state === "connecting" || !this.#isLong())) return null;
    const text = waiting
      ? `You are offline. ${plural(waiting, "change waits", "changes wait")} in this browser and will be sent when the network is back.`
      : "You are offline. Go on working: changes are kept in this browser.";
    return {
      tone: "offline",
      text,
      actions: waiting ? [this.#toggle(), this.#download(), this.#retry()] : [this.#retry()],
      list: () => this.#list(),
    };
  }

  // A socket that comes right back moves nothing on the page.
  #isLong() {
    const passed = performance.now() - this.#awaySince;
    if (passed < LONG_MS) setTimeout(() => this.draw(), LONG_MS - passed + 1);
    return passed >= LONG_MS;
  }

  #retry() {
    const retry = () => this.#desk.client.reconnect();
    return made("button", { type: "button", className: "button", id: "try-now", onclick: retry }, "Try now");
  }

  #refused(status, refused) {
    const count = refused.length || status.count;
    const why = status.why ?? refused[0]?.why ?? "";
    const discard = made(
      "button",
      { type: "button", className: "button danger", id: "discard", onclick: () => this.#discard(count) },
      "Discard",
    );
    const text = `${plural(count, "change was", "changes were")} refused${why ? `: ${why}` : ""}. ${count === 1 ? "It stays" : "They stay"} here until you decide.`;
    return { tone: "refused", text, actions: [this.#toggle(), this.#download(), discard], list: () => this.#list() };
  }

  #discard(count) {
    if (!confirm(`Discard ${plural(count, "refused change")}? This cannot be undone.`)) return;
    const gone = this.#desk.tree.discard();
    this.#desk.say(`${plural(gone.length, "change")} discarded.`);
    this.draw();
  }

  #reportContent() {
    const report = this.#report;
    const actions = [];
    if (report.conflict.length)
      actions.push(
        made(
          "button",
          { type: "button", className: "button", id: "review", onclick: () => this.#commands.showConflicts() },
          "Review",
        ),
      );
    if (report.rejected.length) actions.push(this.#toggle("Why?"));
    const close = () => {
      this.#report = null;
      this.draw();
    };
    actions.push(iconButton("close", "Close the report", close, { id: "close-report" }));
    const list = () =>
      made(
        "ul",
        { className: "queue" },
        ...report.rejected.map((one) => made("li", {}, `Change ${one.n}: ${one.why ?? one.code}`)),
      );
    return {
      tone: report.conflict.length || report.rejected.length ? "conflict" : "saved",
      text: reportInWords(report),
      actions,
      list: report.rejected.length ? list : null,
    };
  }

  #toggle(label = "What waits") {
    const press = () => this.#pressed();
    return made(
      "button",
      {
        type: "button",
        className: "button",
        id: "show-queue",
        "aria-expanded": String(this.#openList),
        onclick: press,
      },
      this.#openList ? "Hide" : label,
    );
  }

  #list() {
    const { queue } = this.#desk.tree;
    const rows = queue.slice(0, SHOWN_OPS).map((one) => {
      const why = one.state === "refused" && made("span", { className: "why" }, one.why ?? one.code);
      return made(
        "li",
        { "data-state": one.state },
        made("span", { className: "cut" }, opInWords(one.op, this.#desk.view)),
        why,
        made("time", {}, ago(one.made)),
      );
    });
    if (queue.length > SHOWN_OPS) rows.push(made("li", {}, `and ${queue.length - SHOWN_OPS} more`));
    return made("ul", { className: "queue", id: "queue", "aria-label": "Changes that wait" }, ...rows);
  }

  #download() {
    const save = () => {
      const address = URL.createObjectURL(new Blob([this.#desk.tree.exportQueue()], { type: "application/json" }));
      const link = made("a", { href: address, download: `treesync-${this.#desk.tree.number}-queue.json` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 1000);
    };
    return made(
      "button",
      { type: "button", className: "button", id: "download-queue", onclick: save },
      icon("download"),
      "Download",
    );
  }
}

/** Why a tree was closed, as a sentence. */
export function closedInWords({ code, why, message }) {
  const sentences = {
    not_found: "There is no such tree, or it is not yours.",
    forbidden: "You may no longer open this tree.",
    tree_deleted: "This tree was deleted. What you had not sent is kept in this browser.",
    replaced: "This tree is open in a newer tab of the same client.",
  };
  return sentences[code] ?? why ?? message ?? "The tree cannot be opened.";
}
