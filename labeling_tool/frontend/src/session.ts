// Who is logged in, and where the browser is: small stores that components subscribe to.

import { useEffect, useState } from "preact/hooks";
import { get, patch, setCsrf } from "./api";
import { setKeySettings } from "./keys";
import type { Person, PersonalSettings } from "./types";

type Listener = () => void;

class Store<T> {
  private listeners = new Set<Listener>();
  constructor(private current: T) {}
  get value(): T {
    return this.current;
  }
  set value(next: T) {
    this.current = next;
    for (const listener of this.listeners) listener();
  }
  subscribe(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

export function useStore<T>(store: Store<T>): T {
  const [, update] = useState(0);
  useEffect(() => store.subscribe(() => update((n) => n + 1)), [store]);
  return store.value;
}

export interface ServerState {
  setup: boolean;
  code_needed?: boolean;
  person: Person | null;
}

export const person = new Store<Person | null>(null);
export const path = new Store<string>(location.pathname);
export const toast = new Store<{ text: string; kind: "info" | "bad"; id: number } | null>(null);

export function signIn(who: Person | null): void {
  person.value = who;
  setCsrf(who?.csrf ?? "");
  setKeySettings({ keys: who?.settings.keys ?? {}, single: who?.settings.single_keys ?? true });
  applyTheme(who?.settings.theme ?? "auto");
}

export async function loadState(): Promise<ServerState> {
  const state = await get<ServerState>("/api/state");
  signIn(state.person);
  return state;
}

export async function saveSettings(change: PersonalSettings): Promise<void> {
  signIn(await patch<Person>("/api/me/settings", change));
}

export function applyTheme(theme: "auto" | "light" | "dark"): void {
  document.documentElement.dataset.theme = theme;
  window.dispatchEvent(new Event("themechange"));
}

let leaving: (() => boolean) | null = null;

/** Ask before leaving a page; the function says whether to go. */
export function guardLeaving(guard: (() => boolean) | null): void {
  leaving = guard;
}

export function go(to: string, replace = false): void {
  if (leaving && !leaving()) return;
  leaving = null;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  path.value = location.pathname;
  window.scrollTo(0, 0);
}

window.addEventListener("popstate", () => (path.value = location.pathname));

let toastNumber = 0;

export function say(text: string, kind: "info" | "bad" = "info"): void {
  const id = ++toastNumber;
  toast.value = { text, kind, id };
  window.setTimeout(
    () => {
      if (toast.value?.id === id) toast.value = null;
    },
    kind === "bad" ? 8000 : 3500,
  );
}

export const isStaff = (): boolean =>
  person.value?.role === "admin" || person.value?.role === "reviewer";
export const isAdmin = (): boolean => person.value?.role === "admin";
