// Keys on the keyboards of several countries, as browsers tell of them.

import "./stub_browser";
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  commandFor,
  commandsOf,
  keySettings,
  type Scope,
} from "../../../labeling_tool/frontend/src/keys";

interface Stroke {
  shift?: boolean;
  altGr?: boolean;
  ctrl?: boolean;
}

const press = (
  code: string,
  key: string,
  { shift, altGr, ctrl }: Stroke = {},
  scope: Scope = "review",
) =>
  commandFor(
    {
      code,
      key,
      shiftKey: shift ?? false,
      ctrlKey: ctrl ?? altGr ?? false, // Windows says so of AltGr
      altKey: altGr ?? false,
      metaKey: false,
      isComposing: false,
      target: null,
      getModifierState: (name: string) => name === "AltGraph" && altGr === true,
    } as unknown as KeyboardEvent,
    scope,
  );

test("an American keyboard", () => {
  assert.equal(press("KeyZ", "z"), "undo");
  assert.equal(press("Digit3", "3"), "lane:2");
  assert.equal(press("Slash", "?", { shift: true }), "help");
  assert.equal(press("BracketLeft", "["), "previousEdge");
  assert.equal(press("KeyW", "w", { ctrl: true }), null);
});

test("a German keyboard: letters by print, brackets by AltGr or by place", () => {
  assert.equal(press("KeyY", "z"), "undo");
  assert.equal(press("KeyZ", "y"), "redo");
  assert.equal(press("Digit8", "[", { altGr: true }), "previousEdge");
  assert.equal(press("Digit8", "8"), "lane:7");
  assert.equal(press("BracketLeft", "ü"), "previousEdge");
  assert.equal(press("Digit0", "=", { shift: true }), "nudgeLater");
  assert.equal(press("Slash", "-"), "nudgeEarlier");
  assert.equal(press("Equal", "Dead"), "nudgeLater");
  assert.equal(press("Minus", "?", { shift: true }), "help");
});

test("a French keyboard: digits without Shift, what is printed where it is a command's", () => {
  assert.equal(press("Digit1", "&"), "lane:0");
  assert.equal(press("Digit6", "-"), "nudgeEarlier"); // and holds nothing in lane 6
  assert.equal(press("Digit6", "6", { shift: true }), "lane:5");
  assert.equal(press("Digit3", '"', {}, "clean"), press("Digit3", "3", {}, "clean"));
  assert.equal(press("Digit1", "1", { shift: true }), "lane:0");
  assert.equal(press("KeyQ", "a"), "selectAll");
  assert.equal(press("BracketLeft", "Dead"), "previousEdge");
  assert.equal(press("BracketRight", "$"), "nextEdge");
  assert.equal(press("Minus", ")"), "nudgeEarlier");
  assert.equal(press("KeyM", ","), "previous");
});

test("a Russian and a Greek keyboard: letters by their place", () => {
  assert.equal(press("KeyN", "т"), "nextUncertain");
  assert.equal(press("KeyF", "а"), "submit");
  assert.equal(press("KeyU", "υ"), "unsure");
  assert.equal(press("Digit7", "?", { shift: true }), "help");
});

test("a Dvorak keyboard labels nothing by an apostrophe", () => {
  assert.equal(press("KeyQ", "'", {}, "clean"), null);
  assert.equal(press("KeyI", "c", {}, "clean"), "note");
});

test("single letters that are switched off stay so on every keyboard", () => {
  keySettings.value = { keys: {}, single: false };
  assert.equal(press("KeyN", "т"), null);
  assert.equal(press("Equal", "Dead"), null);
  assert.equal(press("F9", "F9"), "fullScreen");
  keySettings.value = { keys: {}, single: true };
});

test("no two commands of a page share a key", () => {
  for (const scope of ["review", "clean"] as const) {
    const keys = commandsOf(scope).map(({ key }) => key);
    assert.equal(new Set(keys).size, keys.length, scope);
  }
});
