// The theme's colors as a canvas understands them: computed, with light or dark already chosen.

import { computed, signal } from "@preact/signals";
import { theme } from "../session";

export type Colors = Record<string, string>;

const NAMES = [
  "surface",
  "lane",
  "lane-line",
  "text",
  "muted",
  "accent",
  "held",
  "edit",
  "doubt",
  "ghost",
  "unsure",
  "select",
  "playhead",
  "curve",
  "bad",
  "correction",
  "remark",
];

const systemDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = signal(systemDark.matches);
systemDark.addEventListener("change", () => {
  isDark.value = systemDark.matches;
});

function read(): Colors {
  const probe = document.createElement("i");
  probe.hidden = true;
  document.body.append(probe);
  const entries = NAMES.map((name) => {
    probe.style.color = `var(--t-${name})`;
    return [name, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(entries);
}

/** Read anew when the person or the system changes between light and dark. */
export const colors = computed(() => {
  void theme.value;
  void isDark.value;
  return read();
});
