// What each person sets for themselves: theme, keys, password, sessions, tokens.

import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { del, get, post } from "../api";
import { COMMANDS, clashes, eventKey, keyName, keyOf, type Scope } from "../keys";
import { Button, Field, Input, Link, when } from "../parts";
import { person, saveSettings, say, sayError } from "../session";

export function Settings() {
  const who = person.value!;
  return (
    <main class="page">
      <h1>Settings</h1>
      <section class="panel">
        <h2>Look</h2>
        <fieldset
          class="row"
          onChange={(e) =>
            void saveSettings({ theme: (e.target as HTMLInputElement).value as "auto" }).catch(
              sayError,
            )
          }
        >
          <legend class="hidden">Theme</legend>
          {(["auto", "light", "dark"] as const).map((theme) => (
            <label class="inline">
              <input
                type="radio"
                name="theme"
                value={theme}
                checked={(who.settings.theme ?? "auto") === theme}
              />{" "}
              {theme === "auto" ? "as the system" : theme}
            </label>
          ))}
        </fieldset>
        <p>
          <Link to="/tour">Take the tour again</Link>
        </p>
      </section>
      <Keys />
      <Password />
      <Sessions />
      <Tokens />
    </main>
  );
}

function Keys() {
  const who = person.value!;
  const [waiting, setWaiting] = useState<string | null>(null);
  // Together with the words "Press a key": later, a quick finger's key would be lost.
  useLayoutEffect(() => {
    if (!waiting) return;
    const take = (event: KeyboardEvent): void => {
      if (["Shift", "Control", "Alt", "Meta", "Tab"].includes(event.key)) return;
      event.preventDefault();
      event.stopPropagation();
      const key = eventKey(event);
      const keys = { ...(who.settings.keys ?? {}), [waiting]: key };
      if (COMMANDS.find((entry) => entry.id === waiting)?.key === key) delete keys[waiting];
      setWaiting(null);
      void saveSettings({ keys }).catch(sayError);
    };
    window.addEventListener("keydown", take, true); // before the page's own keys hear it
    return () => window.removeEventListener("keydown", take, true);
  }, [waiting]);
  const bad = new Map<string, string[]>();
  for (const scope of ["review", "clean"] as Scope[]) {
    for (const [key, entries] of clashes(scope))
      bad.set(
        key,
        entries.map((entry) => entry.label),
      );
  }
  return (
    <section class="panel">
      <div class="row">
        <h2>Keys</h2>
        <span class="grow" />
        <Button onClick={() => void saveSettings({ keys: {} }).catch(sayError)}>
          All as they were
        </Button>
      </div>
      <label class="inline">
        <input
          type="checkbox"
          checked={who.settings.single_keys !== false}
          onChange={(e) =>
            void saveSettings({ single_keys: e.currentTarget.checked }).catch(sayError)
          }
        />{" "}
        single letters and digits are keys (switch this off for speech input)
      </label>
      <label class="inline">
        <input
          type="checkbox"
          checked={who.settings.watch !== false}
          onChange={(e) => void saveSettings({ watch: e.currentTarget.checked }).catch(sayError)}
        />{" "}
        each uncertain run plays by itself, in a loop at half speed
      </label>
      {[...bad].map(([key, labels]) => (
        <p class="problem" role="alert">
          <kbd>{keyName(key)}</kbd> means two things: {labels.join("; ")}. Only the first works.
        </p>
      ))}
      <div class="keytable">
        {COMMANDS.map((entry) => (
          <div class="keyrow">
            <span>
              {entry.label}{" "}
              <small class="muted">
                {entry.scopes.length === 2
                  ? ""
                  : entry.scopes[0] === "review"
                    ? "action review"
                    : "clean or not"}
              </small>
            </span>
            <button
              type="button"
              class={`button ${waiting === entry.id ? "primary" : ""}`}
              onClick={() => setWaiting(waiting === entry.id ? null : entry.id)}
              aria-label={`Change the key of: ${entry.label}. Now ${keyName(keyOf(entry.id))}`}
              data-command={entry.id}
            >
              {waiting === entry.id ? "Press a key" : <kbd>{keyName(keyOf(entry.id))}</kbd>}
            </button>
          </div>
        ))}
      </div>
    </section>
  );
}

function Password() {
  const send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    try {
      await post("/api/me/password", Object.fromEntries(new FormData(form)));
      form.reset();
      say("Password changed; your other sessions have ended");
    } catch (error) {
      sayError(error);
    }
  };
  return (
    <section class="panel">
      <h2>Password</h2>
      <form class="form" onSubmit={(event) => void send(event)}>
        <Field label="Old password">
          <Input type="password" name="old" required autocomplete="current-password" />
        </Field>
        <Field label="New password" help="At least 10 characters">
          <Input type="password" name="new" required minLength={10} autocomplete="new-password" />
        </Field>
        <div class="row">
          <button class="button" type="submit">
            Change
          </button>
        </div>
      </form>
    </section>
  );
}

interface SessionRow {
  id: number;
  seen_ms: number;
  address: string;
  agent: string;
  current: boolean;
}

function Sessions() {
  const [rows, setRows] = useState<SessionRow[]>([]);
  const load = (): void => void get<SessionRow[]>("/api/me/sessions").then(setRows).catch(sayError);
  useEffect(load, []);
  return (
    <section class="panel">
      <h2>Where you are logged in</h2>
      <ul class="list">
        {rows.map((row) => (
          <li>
            <span>{row.current ? "this browser" : row.address}</span>
            <span class="muted clip">
              {when(row.seen_ms)} · {row.agent}
            </span>
          </li>
        ))}
      </ul>
      {rows.length > 1 ? (
        <Button onClick={() => void del("/api/me/sessions").then(load).catch(sayError)}>
          Log out everywhere else
        </Button>
      ) : null}
    </section>
  );
}

interface Token {
  id: number;
  name: string;
  created_ms: number;
  used_ms: number | null;
  revoked_ms: number | null;
  expires_ms: number;
  scopes: string[];
}

const SCOPES: [string, string][] = [
  ["read", "read what you see"],
  ["label", "label"],
  ["review", "verdicts and exports"],
  ["upload", "upload and import"],
  ["admin", "projects and their rules"],
];

function Tokens() {
  const [rows, setRows] = useState<Token[]>([]);
  const [made, setMade] = useState("");
  const load = (): void => void get<Token[]>("/api/tokens").then(setRows).catch(sayError);
  useEffect(load, []);
  const add = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    try {
      const values = new FormData(form);
      const { token } = await post<{ token: string }>("/api/tokens", {
        name: values.get("name"),
        scopes: values.getAll("scopes"),
        days: Number(values.get("days")),
      });
      setMade(token);
      form.reset();
      load();
    } catch (error) {
      sayError(error);
    }
  };
  return (
    <section class="panel">
      <h2>Tokens for scripts</h2>
      <p class="muted">
        A token acts as you, as far as you let it, until it ends or your password changes. What can
        be done: <a href="/api/openapi.json">the API's description</a>.
      </p>
      {made ? (
        <p class="notice" role="status">
          Copy it now, it is shown this once: <code class="token">{made}</code>
        </p>
      ) : null}
      <ul class="list">
        {rows.map((row) => (
          <li>
            <span>{row.name}</span>
            <span class="muted">
              {row.scopes.join(", ")} ·{" "}
              {row.revoked_ms
                ? "revoked"
                : row.expires_ms < Date.now()
                  ? "ended"
                  : `used ${when(row.used_ms)}, ends ${when(row.expires_ms)}`}
            </span>
            {row.revoked_ms ? null : (
              <Button onClick={() => void del(`/api/tokens/${row.id}`).then(load).catch(sayError)}>
                Revoke
              </Button>
            )}
          </li>
        ))}
      </ul>
      <form class="form" onSubmit={(event) => void add(event)}>
        <Field label="Name of a new token">
          <Input name="name" required maxLength={64} />
        </Field>
        <fieldset>
          <legend>It may</legend>
          {SCOPES.map(([scope, text]) => (
            <label class="inline">
              <input
                type="checkbox"
                name="scopes"
                value={scope}
                checked={scope === "read"}
                required={scope === "read"}
              />{" "}
              {text}
            </label>
          ))}
        </fieldset>
        <Field label="Days until it ends">
          <Input name="days" type="number" min={1} max={366} value={90} required />
        </Field>
        <div class="row">
          <button class="button" type="submit">
            Make token
          </button>
        </div>
      </form>
    </section>
  );
}
