// Who is logged in, and where the browser is: signals, so that whoever reads them is drawn anew.

import { signal } from "@preact/signals";
import { get, patch, setCsrf, whenSignedOut } from "./api";
import { setOwner } from "./device";
import { keySettings } from "./keys";
import type { Person, PersonalSettings, Role } from "./types";

export interface ServerState {
  setup: boolean;
  code_needed?: boolean;
  person: Person | null;
}

type Theme = "auto" | "light" | "dark";

const INFO_MS = 3500;
const BAD_MS = 8000; // what went wrong is longer to read, and must be

export const person = signal<Person | null>(null);
export const path = signal(location.pathname);
export const theme = signal<Theme>("auto");
export const toast = signal<{ text: string; kind: "info" | "bad" } | null>(null);

export function signIn(who: Person | null): void {
  setOwner(who);
  person.value = who;
  setCsrf(who?.csrf ?? "");
  keySettings.value = {
    keys: who?.settings.keys ?? {},
    single: who?.settings.single_keys ?? true,
  };
  applyTheme(who?.settings.theme ?? "auto");
}

// Work that is open asks by itself when it saves: its edits are kept under their owner's name.
whenSignedOut(() => {
  if (!/^\/work\/\d+$/.test(path.value)) signIn(null);
});

export async function loadState(): Promise<ServerState> {
  const state = await get<ServerState>("/api/state");
  signIn(state.person);
  return state;
}

export async function saveSettings(change: PersonalSettings): Promise<void> {
  signIn(await patch<Person>("/api/me/settings", change));
}

function applyTheme(next: Theme): void {
  // The document first: whoever follows the signal reads computed colors.
  document.documentElement.dataset.theme = next;
  theme.value = next;
}

export function go(to: string, replace = false): void {
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  path.value = location.pathname;
  window.scrollTo(0, 0);
}

window.addEventListener("popstate", () => {
  path.value = location.pathname;
});

export function say(text: string, kind: "info" | "bad" = "info"): void {
  const mine = { text, kind };
  toast.value = mine;
  window.setTimeout(
    () => {
      if (toast.value === mine) toast.value = null; // a later message has its own time
    },
    kind === "bad" ? BAD_MS : INFO_MS,
  );
}

export const errorText = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

export function sayError(error: unknown): void {
  say(errorText(error), "bad");
}

export const isAdmin = (): boolean => person.value?.role === "admin";
export const isStaff = (role: Role): boolean => role === "admin" || role === "reviewer";
