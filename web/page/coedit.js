// A text field that several people type into at once. What this person typed leaves as a splice; what others typed comes
// in around the caret. While an input method composes, or while the text could not be stored, both wait.

/**
 * The one replacement that makes `old` read `now`: `{ at, remove, insert }` in UTF-16 units, or null where they are equal.
 * `caret` is where typing ended: of “aa” typed into “a” it tells which is new, so that others' letters are not taken for it.
 */
export function replacement(old, now, caret = now.length) {
  if (old === now) return null;
  const shorter = Math.min(old.length, now.length);
  const same = (end) => old[old.length - 1 - end] === now[now.length - 1 - end];
  let end = 0;
  while (end < Math.min(shorter, now.length - caret) && same(end)) end++;
  let start = 0;
  while (start < shorter - end && old[start] === now[start]) start++;
  while (end < shorter - start && same(end)) end++;
  // A pair of surrogates is one character: it is replaced whole.
  if (isHigh(old, start - 1) || isHigh(now, start - 1)) start--;
  if (end && (isHigh(old, old.length - end - 1) || isHigh(now, now.length - end - 1))) end--;
  return { at: start, remove: old.length - start - end, insert: now.slice(start, now.length - end) };
}

const isHigh = (text, at) => at >= 0 && text.charCodeAt(at) >= 0xd800 && text.charCodeAt(at) <= 0xdbff;

/** Where a caret that stood at `caret` stands after the replacement. Text put in at the caret comes after it. */
export function carried(caret, { at, remove, insert }) {
  if (caret <= at) return caret;
  return caret >= at + remove ? caret - remove + insert.length : Math.min(caret, at + insert.length);
}

/** Lay one replacement over another that was made to the same text. */
export function over(mine, theirs) {
  const at = carried(mine.at, theirs);
  const end = Math.max(at, carried(mine.at + mine.remove, theirs));
  return { at, remove: end - at, insert: mine.insert };
}

/**
 * Bind an input or text area to a text field of a node.
 * @param {HTMLInputElement | HTMLTextAreaElement} field
 * @param {{ read: () => string, splice: (at: number, remove: number, insert: string) => void, allows?: (text: string) => boolean, changed?: () => void }} text
 */
export function bind(field, { read, splice, allows = () => true, changed = () => {} }) {
  let seen = read(); // what the field showed when it last agreed with the tree
  let composing = false;
  field.value = seen;

  function type() {
    if (composing) return;
    const mine = replacement(seen, field.value, field.selectionEnd ?? undefined);
    if (!mine || !allows(field.value)) return changed();
    const current = read();
    const theirs = replacement(seen, current);
    const { at, remove, insert } = theirs ? over(mine, theirs) : mine;
    seen = field.value;
    splice(at, remove, insert);
    show();
    changed();
  }

  /** Bring in what the tree says now. */
  function show() {
    if (composing || (field.value !== seen && document.activeElement === field)) return;
    const current = read();
    const isNew = field.value !== current;
    if (isNew) write(current);
    seen = current;
    if (isNew) changed();
  }

  function write(current) {
    const theirs = replacement(field.value, current);
    const active = document.activeElement === field;
    const { selectionStart, selectionEnd, selectionDirection, scrollTop } = field;
    field.value = current;
    if (!active) return;
    field.setSelectionRange(carried(selectionStart, theirs), carried(selectionEnd, theirs), selectionDirection);
    field.scrollTop = scrollTop;
  }

  const stop = new AbortController();
  const listen = (name, listener) => field.addEventListener(name, listener, { signal: stop.signal });
  listen("input", type);
  listen("compositionstart", () => (composing = true));
  listen("compositionend", () => {
    composing = false;
    type();
    show();
  });
  // What could not be stored gives way to what is there once the person leaves.
  listen("blur", () => {
    composing = false;
    type();
    seen = field.value;
    show();
  });
  changed();
  return { show, type, stop: () => stop.abort() };
}
