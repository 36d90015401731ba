// A text field that several people type into: what each typed is kept, and the caret stays where its person left it.

import { bind, carried, over, replacement } from "/page/coedit.js";
import { assert, equal, test } from "/tests/testing.js";

const replaced = (text, { at, remove, insert }) => text.slice(0, at) + insert + text.slice(at + remove);

test("a replacement makes one text of the other and splits no character", () => {
  const texts = ["", "a", "aa", "aba", "👍", "👎", "👍👎", "a👍b", "a👎b", "👍👍", "x👩‍🚀y", "é", "é"];
  equal(replacement("same", "same"), null);
  for (const old of texts) {
    for (const now of texts) {
      if (old === now) continue;
      const made = replacement(old, now);
      equal(replaced(old, made), now);
      assert(made.insert.isWellFormed(), `${old} to ${now} inserts half a character`);
      assert(old.slice(made.at, made.at + made.remove).isWellFormed(), `${old} to ${now} removes half a character`);
    }
  }
});

test("a caret is carried over what others typed", () => {
  equal(carried(3, { at: 0, remove: 0, insert: "ab" }), 5);
  equal(carried(3, { at: 3, remove: 0, insert: "ab" }), 3, "at the caret it comes after it");
  equal(carried(3, { at: 5, remove: 2, insert: "" }), 3);
  equal(carried(6, { at: 2, remove: 8, insert: "x" }), 3, "inside what was replaced");
});

test("two replacements of one text are both done", () => {
  const text = "The quick fox";
  const theirs = replacement(text, "See! The quick fox");
  const mine = replacement(text, "The quick fox jumps");
  equal(replaced(replaced(text, theirs), over(mine, theirs)), "See! The quick fox jumps");
});

/** A field on the page, bound to a text that the test changes like another person. */
function field(start) {
  const element = document.createElement("textarea");
  document.body.append(element);
  const shared = { text: start };
  const bound = bind(element, {
    read: () => shared.text,
    splice: (at, remove, insert) => (shared.text = replaced(shared.text, { at, remove, insert })),
  });
  element.focus();
  return {
    element,
    shared,
    bound,
    type(text, caret = element.selectionStart) {
      element.setRangeText(text, caret, caret, "end");
      element.dispatchEvent(new InputEvent("input", { bubbles: true }));
    },
    other(text) {
      shared.text = text;
      bound.show();
    },
  };
}

test("what two people type in turn stands there, and the caret stays behind one's own", () => {
  const { element, shared, type, other } = field("fox");
  type("quick ", 0);
  equal(shared.text, "quick fox");
  equal(element.selectionStart, 6);
  other("The quick fox");
  equal(element.value, "The quick fox");
  equal(element.selectionStart, 10);
  type("brown ");
  equal(shared.text, "The quick brown fox");
});

test("what others type waits while an input method composes, and nothing is lost", () => {
  const { element, shared, bound } = field("");
  element.dispatchEvent(new CompositionEvent("compositionstart"));
  element.value = "に";
  element.dispatchEvent(new InputEvent("input", { bubbles: true }));
  shared.text = "others ";
  bound.show();
  equal(element.value, "に", "a composition is not disturbed");
  element.value = "日本";
  element.dispatchEvent(new CompositionEvent("compositionend"));
  equal([...shared.text].sort().join(""), [..."others 日本"].sort().join(""));
  equal(element.value, shared.text);
});
