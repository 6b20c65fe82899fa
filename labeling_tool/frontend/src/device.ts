// What this browser keeps from visit to visit. Where it refuses to (private windows, policies),
// nothing is kept, and nothing else breaks: even asking whether there is storage may throw.

let owner = "nobody";

/** Say who is logged in: what is kept is theirs, and of the database that knows them. */
export function setOwner(person: { id: number; created_ms: number } | null): void {
  owner = person ? `${person.id}-${person.created_ms}` : "nobody";
}

/**
 * A name that is this person's own. Another database may have been served at the same address
 * before, in which the same numbers are other people and other tasks.
 */
export const ownKey = (name: string, ...parts: (string | number)[]): string =>
  ["vidact", name, owner, ...parts].join(".");

/** What was kept under a name; null where nothing was, or nothing can be. */
export function kept(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Keep a text; whether this browser did. */
export function keep(key: string, text: string): boolean {
  try {
    localStorage.setItem(key, text);
    return true;
  } catch {
    return false; // full or forbidden
  }
}

export function forget(key: string): void {
  try {
    localStorage.removeItem(key);
  } catch {
    // then nothing was kept either
  }
}

/** The names under which something is kept that begin so. */
export function keptKeys(start: string): string[] {
  try {
    return Object.keys(localStorage).filter((key) => key.startsWith(start));
  } catch {
    return [];
  }
}

/** What was kept as JSON; null where that is nothing, or no JSON. */
export function keptJson<T>(key: string): T | null {
  try {
    return JSON.parse(kept(key) ?? "null");
  } catch {
    return null;
  }
}
