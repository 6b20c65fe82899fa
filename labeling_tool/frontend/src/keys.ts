// Keys: every command has one, each can be changed, none needs a chord.
//
// Letters are matched by what the key prints, so that the hints are right on every layout; digits
// by their place, so that they work where digits need Shift, unless what such a key prints is a
// command's own: a French - is a -, and never lane 6. What prints no Latin letter, or a
// character without a command, is matched by its place on an American keyboard: so nobody who
// writes Greek or Russian has to switch, and [ is reached where a ü stands. A focused button keeps
// Space and Enter; a text field keeps everything.

import { signal } from "@preact/signals";

export type Scope = "review" | "clean" | "verdict";

export interface Command {
  id: string;
  label: string;
  key: string;
  group: string;
  scopes: Scope[];
}

/** What each command of a page does, by its id. */
export type Commands = Record<string, () => void>;

const both: Scope[] = ["review", "clean"];
const review: Scope[] = ["review"];
const clean: Scope[] = ["clean"];
const verdict: Scope[] = ["verdict"]; // over either kind of work, where it is reviewed

const command = (
  group: string,
  scopes: Scope[],
  id: string,
  key: string,
  label: string,
): Command => ({
  id,
  key,
  label,
  group,
  scopes,
});

export const COMMANDS: Command[] = [
  command("Move", review, "play", " ", "Loop the run or the selection, or pause"),
  command("Move", both, "next", "ArrowRight", "Next frame"),
  command("Move", both, "previous", "ArrowLeft", "Previous frame"),
  command("Move", both, "next10", "PageDown", "10 frames on"),
  command("Move", both, "previous10", "PageUp", "10 frames back"),
  command("Move", both, "first", "Home", "First frame"),
  command("Move", both, "last", "End", "Last frame"),
  command("Move", review, "back", "j", "Play backwards, again for faster; a loop: slower"),
  command("Move", review, "stop", "k", "Stop"),
  command("Move", review, "forward", "l", "Play forwards, again for faster; a loop too"),
  command("Move", review, "nextUncertain", "n", "Next uncertain run"),
  command("Move", review, "previousUncertain", "b", "Previous uncertain run"),
  command("Move", review, "nextEdge", "]", "Next change in the lane"),
  command("Move", review, "previousEdge", "[", "Previous change in the lane"),
  command("Decide", review, "accept", "Enter", "Accept the run and go to the next"),
  command("Decide", review, "unsure", "u", "Cannot tell (run or selection)"),
  command("Decide", review, "invalid", "x", "No label here (menu, dead, loading)"),
  command("Edit", review, "laneUp", "ArrowUp", "Lane above"),
  command("Edit", review, "laneDown", "ArrowDown", "Lane below"),
  command("Edit", review, "takePress", "w", "Take the lane's press, again for its other edge"),
  command("Edit", review, "deletePress", "Delete", "Delete the press in hand"),
  command("Edit", review, "toggle", "t", "Toggle the lane (frame or selection)"),
  command("Edit", review, "paint", "p", "Hold the lane while stepping, on or off"),
  command("Edit", review, "erase", "e", "Release the lane while stepping, on or off"),
  command("Edit", review, "nudgeEarlier", "-", "Nearest change in the lane one frame earlier"),
  command("Edit", review, "nudgeLater", "=", "Nearest change in the lane one frame later"),
  command("Edit", review, "camera", "m", "Camera: arrows turn, 0 stops, m or Esc ends"),
  command("Edit", review, "playAlong", "F6", "Play along: hold the game's keys while a loop runs"),
  command("Edit", review, "release", "q", "Release everything (frame or selection)"),
  command("Edit", review, "reset", "r", "Back to the prediction (frame or selection)"),
  command("Edit", both, "undo", "z", "Undo"),
  command("Edit", both, "redo", "y", "Redo"),
  command("Select", both, "selectIn", "i", "Selection starts here"),
  command("Select", both, "selectOut", "o", "Selection ends here"),
  command("Select", both, "clear", "Escape", "Clear selection, leave mode"),
  command("Select", review, "selectRun", "s", "Select the uncertain run"),
  command("Select", both, "selectAll", "a", "Select all frames"),
  command("View", review, "prediction", "d", "Show or hide the prediction"),
  command("View", review, "onion", "g", "Onion skin: the frame before shines through"),
  command("View", review, "zoom", "v", "Zoom the timeline (to the selection, where there is one)"),
  command("View", review, "neighbors", ";", "The frames before and after, beside the frame"),
  command("View", review, "magnify", "'", "Magnifier: a part of the frame, enlarged"),
  command("View", review, "sharp", "\\", "Sharp or smooth pixels"),
  command("View", review, "fold", "F7", "Fold unused lanes away, or show them"),
  command("View", review, "fullScreen", "F9", "Full screen: picture and timeline only"),
  command("Move", review, "marker", "`", "Mark the frame to come back to it, or no more"),
  command("Move", review, "nextMarker", "/", "Next marked frame"),
  command("View", clean, "grid", "g", "Grid or single frame"),
  command("View", clean, "up", "ArrowUp", "Row above (grid)"),
  command("View", clean, "down", "ArrowDown", "Row below (grid)"),
  command("View", clean, "nextOpen", "n", "Next frame without a label"),
  command("Label", clean, "clean", "1", "Clean play"),
  command("Label", clean, "artifacts", "2", "Play with artifacts"),
  command("Label", clean, "none", "3", "None of the above"),
  command("Label", clean, "unsureLabel", "4", "Cannot tell"),
  command("Label", clean, "unlabel", "0", "Take the label away"),
  command("Label", clean, "webcam", "q", "Artifact: webcam"),
  command("Label", clean, "watermark", "w", "Artifact: watermark or logo"),
  command("Label", clean, "overlay", "e", "Artifact: text or overlay"),
  command("Label", clean, "otherReason", "r", "Artifact: something else"),
  command("Label", clean, "acceptPage", "Enter", "Rest of the page is clean, next page"),
  command("Review", verdict, "approve", "Enter", "Approve, and open the next submission"),
  command("Review", verdict, "sendBack", "r", "Return it, with the remarks"),
  command(
    "Review",
    review,
    "takeAnswer",
    "F2",
    "Several answers: say what the other one says here",
  ),
  command("Review", verdict, "remark", "c", "Remark on the frame or the selection"),
  command("Review", verdict, "later", "f", "Leave it for later, open the next submission"),
  command("Task", both, "submit", "f", "Submit and open the next task"),
  command("Task", both, "pause", "h", "Pause: keep the task for later"),
  command(
    "Task",
    both,
    "before",
    "Backspace",
    "Back to the task submitted before; there: reopen it",
  ),
  command("Task", both, "skip", "F8", "Give the task back (twice)"),
  command("Task", both, "note", "c", "Comment for the reviewer"),
  command("Task", both, "instructions", "F4", "Instructions of the project"),
  command("Task", both, "palette", "F3", "Search all commands (Ctrl+K, too)"),
  command("Task", both, "help", "?", "Keys"),
];

export interface KeySettings {
  keys: Record<string, string>;
  single: boolean;
}

/** What the person who is logged in has changed. */
export const keySettings = signal<KeySettings>({ keys: {}, single: true });

export function commandsOf(scope: Scope): Command[] {
  return COMMANDS.filter((entry) => entry.scopes.includes(scope));
}

export function keyOf(id: string): string {
  return keySettings.value.keys[id] ?? COMMANDS.find((entry) => entry.id === id)?.key ?? "";
}

const NAMES: Record<string, string> = {
  " ": "Space",
  ArrowRight: "→",
  ArrowLeft: "←",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Escape: "Esc",
  PageUp: "PgUp",
  PageDown: "PgDn",
  Enter: "↵",
  "-": "−",
  Backspace: "⌫",
  Delete: "Del",
};

export function keyName(key: string): string {
  return NAMES[key] ?? (key.length === 1 ? key.toUpperCase() : key);
}

/** The key that an event names, in the form that commands keep. */
export function eventKey(event: KeyboardEvent): string {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  if (digit && !(event.code.startsWith("Numpad") && event.key.length > 1)) {
    // With Shift, a German 0 is = and a 7 is /; without it a French 1 is &, and means 1.
    const isOther = event.shiftKey && event.key.length === 1 && !/\d/.test(event.key);
    return isOther ? event.key : digit[1];
  }
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

/** The character that a key among the digits prints here in place of one; else "". */
const printedOnDigit = (event: KeyboardEvent): string =>
  /^Digit\d$/.test(event.code) && /^[^\d\s]$/.test(event.key) ? event.key : "";

const PLACES: Record<string, string> = {
  BracketLeft: "[",
  BracketRight: "]",
  Minus: "-",
  Equal: "=",
  Semicolon: ";",
  Quote: "'",
  Backquote: "`",
  Backslash: "\\",
  Slash: "/",
  Comma: ",",
  Period: ".",
};

/** What an American keyboard prints there, for a key that here prints nothing of use; else "". */
function placeKey(event: KeyboardEvent): string {
  if (/^[a-z\d]$/i.test(event.key)) return "";
  const letter = /^Key([A-Z])$/.exec(event.code)?.[1].toLowerCase();
  // On Dvorak such a place prints an apostrophe, which is of use.
  if (letter) return /^\P{ASCII}$/u.test(event.key) ? letter : "";
  return PLACES[event.code] ?? "";
}

const isCharacter = (key: string): boolean => key.length === 1 && key !== " ";

/** The command that an event asks for, or null where the key belongs to somebody else. */
export function commandFor(event: KeyboardEvent, scope: Scope): string | null {
  // AltGr types characters, and on some systems says that Ctrl and Alt are down.
  const isTyped = event.getModifierState?.("AltGraph") ?? false;
  if (event.isComposing || (event.altKey && !isTyped)) return null;
  const target = event.target as HTMLElement | null;
  if (target?.closest("input, textarea, select, [contenteditable], dialog[open]")) return null;
  const key = eventKey(event);
  if ((event.ctrlKey || event.metaKey) && !isTyped) {
    // What fingers do by themselves; every other chord belongs to the browser.
    if (key === "z") return event.shiftKey ? "redo" : "undo";
    if (key === "y") return "redo";
    if (key === "k") return "palette";
    return null;
  }
  if ((key === "Enter" || key === " ") && target?.closest("button, a, summary")) return null;
  if ((isCharacter(key) || key === "Dead") && !keySettings.value.single && key !== "?") return null;
  if (event.shiftKey && key === "ArrowRight") return "next10";
  if (event.shiftKey && key === "ArrowLeft") return "previous10";
  return (
    commandOf(printedOnDigit(event), scope) ??
    commandOf(key, scope) ??
    commandOf(placeKey(event), scope)
  );
}

/** The command that has a key. */
function commandOf(key: string, scope: Scope): string | null {
  if (key === "," && scope === "review") return "previous";
  if (key === "." && scope === "review") return "next";
  for (const entry of commandsOf(scope)) if (key && keyOf(entry.id) === key) return entry.id;
  if (scope === "review" && /^\d$/.test(key)) return `lane:${key === "0" ? 9 : Number(key) - 1}`;
  return null;
}

/** Commands of a scope that share a key. */
export function clashes(scope: Scope): Map<string, Command[]> {
  const byKey = new Map<string, Command[]>();
  for (const entry of commandsOf(scope)) {
    const key = keyOf(entry.id);
    byKey.set(key, [...(byKey.get(key) ?? []), entry]);
  }
  return new Map([...byKey].filter(([, entries]) => entries.length > 1));
}
