// The game's own keys: which of the browser's keys and mouse buttons an input of the spec is.

// No Ctrl, Alt or Meta: with W they close the page, whatever it does about it.
const NAMED: Record<string, string> = {
  space: "Space",
  tab: "Tab",
  "left.shift": "ShiftLeft",
  "right.shift": "ShiftRight",
  up: "ArrowUp",
  down: "ArrowDown",
  left: "ArrowLeft",
  right: "ArrowRight",
};

// Recordings number them left, right, middle; browsers left, middle, right.
const MOUSE: Record<string, string> = { "0": "Mouse0", "1": "Mouse2", "2": "Mouse1" };
const MOUSE_NAMES: Record<string, string> = { "0": "left click", "1": "right click" };

// An input of a spec: its device, and which key or button of it.
const INPUT = /^(?:key\.)?(keyboard|mouse)\.(.+)$/;

/** The browser's name of an input's place on the keyboard or mouse; "" where it cannot be used. */
export function codeOf(input: string): string {
  const [, device, name] = INPUT.exec(input) ?? [];
  if (device === "mouse") return MOUSE[name] ?? "";
  if (!name) return "";
  if (/^[a-z]$/.test(name)) return `Key${name.toUpperCase()}`;
  if (/^\d$/.test(name)) return `Digit${name}`;
  return NAMED[name] ?? "";
}

/** How people call it. */
export function inputName(input: string): string {
  const [, device, name = ""] = INPUT.exec(input) ?? [];
  if (device === "mouse") return MOUSE_NAMES[name] ?? "middle click";
  return name.length === 1 ? name.toUpperCase() : name.replace(/^(left|right)\./, "$1 ");
}
