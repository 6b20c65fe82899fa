// People and the audit log, for admins.

import { useEffect, useState } from "preact/hooks";
import { get, patch, post } from "../api";
import { Button, Dialog, Field, Input, when } from "../parts";
import { person, sayError } from "../session";
import type { Role } from "../types";

interface User {
  id: number;
  name: string;
  role: Role;
  active: boolean;
  created_ms: number;
}

const ROLES: Role[] = ["annotator", "reviewer", "contractor", "admin"];
export function People() {
  const [users, setUsers] = useState<User[]>([]);
  const [resetting, setResetting] = useState<User | null>(null);
  const load = (): void => void get<User[]>("/api/users").then(setUsers).catch(sayError);
  useEffect(load, []);
  const add = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    try {
      await post("/api/users", Object.fromEntries(new FormData(form)));
      form.reset();
      load();
    } catch (error) {
      sayError(error);
    }
  };
  const change = (user: User, values: object): void =>
    void patch(`/api/users/${user.id}`, values).then(load).catch(sayError).finally(load);
  return (
    <main class="page">
      <h1>People</h1>
      <section class="panel">
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Role</th>
                <th scope="col">Since</th>
                <th scope="col">Account</th>
              </tr>
            </thead>
            <tbody>
              {users.map((user) => (
                <tr class={user.active ? "" : "gone"}>
                  <th scope="row">{user.name}</th>
                  <td>
                    <select
                      class="input"
                      aria-label={`Role of ${user.name}`}
                      value={user.role}
                      onChange={(e) => change(user, { role: e.currentTarget.value })}
                    >
                      {ROLES.map((role) => (
                        <option>{role}</option>
                      ))}
                    </select>
                  </td>
                  <td>{when(user.created_ms)}</td>
                  <td>
                    <div class="row">
                      <Button onClick={() => setResetting(user)}>New password…</Button>
                      {user.id === person.value?.id ? null : (
                        <Button onClick={() => change(user, { active: !user.active })}>
                          {user.active ? "Deactivate" : "Activate"}
                        </Button>
                      )}
                    </div>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
      <section class="panel">
        <h2>Add somebody</h2>
        <form class="form" onSubmit={(event) => void add(event)}>
          <Field label="Name">
            <Input name="name" required maxLength={64} />
          </Field>
          <Field label="First password" help="At least 10 characters; they can change it">
            <Input
              name="password"
              type="password"
              required
              minLength={10}
              autocomplete="new-password"
            />
          </Field>
          <Field label="Role">
            <select class="input" name="role">
              {ROLES.map((role) => (
                <option>{role}</option>
              ))}
            </select>
          </Field>
          <div class="row">
            <button class="button primary" type="submit">
              Add
            </button>
          </div>
        </form>
      </section>
      {resetting ? (
        <Dialog title={`New password for ${resetting.name}`} onClose={() => setResetting(null)}>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              const password = new FormData(event.currentTarget as HTMLFormElement).get("password");
              change(resetting, { password });
              setResetting(null);
            }}
          >
            <Field label="Password" help="At least 10 characters; all their sessions end">
              <Input
                name="password"
                type="password"
                required
                autofocus
                minLength={10}
                autocomplete="new-password"
              />
            </Field>
            <div class="row end">
              <button class="button primary" type="submit">
                Set
              </button>
            </div>
          </form>
        </Dialog>
      ) : null}
    </main>
  );
}

interface Entry {
  id: number;
  at_ms: number;
  who: string | null;
  action: string;
  target: string;
  detail: Record<string, unknown>;
  address: string;
}

export function Audit() {
  const [entries, setEntries] = useState<Entry[]>([]);
  const [next, setNext] = useState<number | null>(null);
  const load = (before?: number): void =>
    void get<{ entries: Entry[]; next: number | null }>(
      `/api/audit${before ? `?before=${before}` : ""}`,
    )
      .then((page) => {
        setEntries((old) => (before ? [...old, ...page.entries] : page.entries));
        setNext(page.next);
      })
      .catch(sayError);
  useEffect(() => load(), []);
  return (
    <main class="page">
      <h1>Audit log</h1>
      <section class="panel">
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">When</th>
                <th scope="col">Who</th>
                <th scope="col">What</th>
                <th scope="col">On</th>
                <th scope="col">Details</th>
                <th scope="col">From</th>
              </tr>
            </thead>
            <tbody>
              {entries.map((entry) => (
                <tr>
                  <td>{when(entry.at_ms)}</td>
                  <td>{entry.who ?? "–"}</td>
                  <td>{entry.action}</td>
                  <td>{entry.target}</td>
                  <td class="muted">
                    {Object.keys(entry.detail).length ? JSON.stringify(entry.detail) : ""}
                  </td>
                  <td class="muted">{entry.address}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        {next ? <Button onClick={() => load(next)}>Older</Button> : null}
      </section>
    </main>
  );
}
