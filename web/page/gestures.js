// Pointers on the canvas. A mouse drags cards and pans on what is empty; with the space key or the middle button it pans
// everywhere. One finger pans, and drags the card that is selected; two fingers zoom. A wheel pans, with ctrl it zooms.

import { isTyping } from "./dom.js";

const SLOP = 4; // pixels a pointer may shake before it is a drag
const WHEEL_ZOOM = 0.01; // per pixel of a pinch on a trackpad; a wheel's notch is about 100, so it is bounded
const LINE_PIXELS = 16; // of a wheel that counts in lines

/**
 * @param {import("./canvas.js").Canvas} canvas
 * @param {{ tap: Function, empty: Function, open: Function, fold: Function, lift: Function, carry: Function, drop: Function, isSelected: Function, point: Function }} on
 */
export function listen(canvas, on) {
  const { frame, camera } = canvas;
  const pointers = new Map();
  let press = null; // { kind: "card" | "pan", id, x, y, moved }
  let spread = 0; // distance of two fingers
  let space = false;

  frame.addEventListener("pointerdown", (event) => {
    if (isTyping(event.target)) return;
    const card = event.target.closest(".card");
    if (event.target.closest(".fold")) return;
    pointers.set(event.pointerId, event);
    if (pointers.size === 2) {
      if (press?.kind === "card" && press.moved) on.drop(null);
      press = null;
      spread = distance(pointers);
      return;
    }
    const wantsPan =
      event.button === 1 || space || !card || (event.pointerType === "touch" && !on.isSelected(card.dataset.node));
    if (event.button > 1) return;
    press = {
      kind: wantsPan ? "pan" : "card",
      id: card?.dataset.node ?? null,
      x: event.clientX,
      y: event.clientY,
      moved: false,
    };
    if (event.button === 1) event.preventDefault();
  });

  frame.addEventListener("pointermove", (event) => {
    on.point(event);
    const before = pointers.get(event.pointerId);
    if (!before) return;
    if (pointers.size === 2) return pinch(event, before);
    pointers.set(event.pointerId, event);
    if (!press) return;
    if (!press.moved && Math.hypot(event.clientX - press.x, event.clientY - press.y) < SLOP) return;
    if (!press.moved) begin(event);
    if (press.kind === "pan") camera.panBy(event.clientX - before.clientX, event.clientY - before.clientY);
    else on.carry(event, press);
  });

  function begin(event) {
    press.moved = true;
    frame.setPointerCapture(event.pointerId);
    frame.classList.add(press.kind === "pan" ? "panning" : "dragging");
    if (press.kind === "card" && !on.lift(press.id)) press.kind = "pan";
  }

  function pinch(event, before) {
    const others = [...pointers.values()].filter((one) => one.pointerId !== event.pointerId);
    const middleBefore = between(before, others[0]);
    pointers.set(event.pointerId, event);
    const now = distance(pointers);
    const middle = between(event, others[0]);
    camera.panBy(middle.clientX - middleBefore.clientX, middle.clientY - middleBefore.clientY);
    if (spread) camera.zoomAt(middle, now / spread);
    spread = now;
  }

  function ended(event, dropped) {
    if (!pointers.delete(event.pointerId)) return;
    frame.classList.remove("panning", "dragging");
    const was = press;
    press = null;
    if (!was) return;
    if (was.moved && was.kind === "card") on.drop(dropped ? event : null);
    if (was.moved || !dropped) return;
    if (was.id) on.tap(was.id);
    else on.empty();
  }
  frame.addEventListener("pointerup", (event) => ended(event, true));
  frame.addEventListener("pointercancel", (event) => ended(event, false));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && press?.moved && press.kind === "card") {
      press = null;
      frame.classList.remove("dragging");
      on.drop(null);
    }
    if (event.code !== "Space" || isTyping(event.target) || event.target.closest?.("button, dialog")) return;
    space = true;
    frame.classList.add("grabbing");
    event.preventDefault();
  });
  addEventListener("keyup", (event) => {
    if (event.code !== "Space") return;
    space = false;
    frame.classList.remove("grabbing");
  });

  frame.addEventListener("click", (event) => {
    const fold = event.target.closest(".fold");
    if (fold) on.fold(fold.closest(".card").dataset.node);
  });
  frame.addEventListener("dblclick", (event) => {
    const card = event.target.closest(".card");
    if (card && !isTyping(event.target) && !event.target.closest(".fold")) on.open(card.dataset.node);
  });
  frame.addEventListener("pointerleave", () => on.point(null));
  frame.addEventListener("wheel", (event) => wheel(event, camera), { passive: false });
}

function wheel(event, camera) {
  event.preventDefault(); // else the browser zooms the page, or goes back
  const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PIXELS : 1;
  if (event.ctrlKey || event.metaKey) {
    const by = Math.max(-30, Math.min(30, event.deltaY * unit));
    camera.zoomAt(event, Math.exp(-by * WHEEL_ZOOM));
  } else if (event.shiftKey && !event.deltaX) camera.panBy(-event.deltaY * unit, 0);
  else camera.panBy(-event.deltaX * unit, -event.deltaY * unit);
}

function distance(pointers) {
  const [a, b] = [...pointers.values()];
  return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
}

const between = (a, b) => ({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 });
