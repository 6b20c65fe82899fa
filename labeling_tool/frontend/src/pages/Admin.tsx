// People and the audit log, for admins.

import { useEffect, useState } from "preact/hooks";
import { del, get, patch, post } from "../api";
import {
  Ago,
  Button,
  Dialog,
  day,
  Field,
  has,
  Input,
  ScrollBox,
  Search,
  TYPING_MS,
  when,
} from "../parts";
import { person, say, sayError } from "../session";
import { Head, type Order, orderQuery, useLatest, useSorted } from "../tables";
import type { Role } from "../types";

interface User {
  id: number;
  name: string;
  role: Role;
  active: boolean;
  /** Whether they have not chosen a password yet. */
  invited: boolean;
  created_ms: number;
  seen_ms: number | null;
  /** Tokens of theirs that are valid. */
  tokens: number;
}

interface Link {
  link: string;
  expires_ms: number;
}

const LOCAL = /^(localhost|127\.|\[::1\])/;

const ROLES: Role[] = ["annotator", "reviewer", "contractor", "admin"];
export function People() {
  const [users, setUsers] = useState<User[]>([]);
  const [text, setText] = useState("");
  const [asked, setAsked] = useState<{ user: User; role: Role } | null>(null);
  const [link, setLink] = useState<{ name: string; address: string; until: number } | null>(null);
  const show = ({ name }: User, made: Link): void =>
    setLink({ name, address: location.origin + made.link, until: made.expires_ms });
  const load = (): void => void get<User[]>("/api/users").then(setUsers).catch(sayError);
  useEffect(load, []);
  const add = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    try {
      const made = await post<User & Link>("/api/users", Object.fromEntries(new FormData(form)));
      show(made, made);
      form.reset();
      load();
    } catch (error) {
      sayError(error);
    }
  };
  const makeLink = (user: User): void =>
    void post<Link>(`/api/users/${user.id}/link`)
      .then((made) => show(user, made))
      .catch(sayError);
  const change = (user: User, values: object): void =>
    void patch(`/api/users/${user.id}`, values).then(load).catch(sayError).finally(load);
  const { sorted, head } = useSorted(
    users.filter((user) => has(`${user.name} ${user.role}`, text)),
    [
      ["Name", (user) => user.name],
      ["Role", (user) => user.role],
      ["Last seen", (user) => user.seen_ms],
      ["Tokens", (user) => user.tokens],
      ["Since", (user) => user.created_ms],
      ["Account"],
    ],
  );
  return (
    <main class="page">
      <h1>
        People <span class="muted">{users.length}</span>
      </h1>
      <section class="panel">
        <Search label="Search" text={text} onText={setText} />
        <ScrollBox label="Accounts">
          <table class="compact">
            {head}
            <tbody>
              {sorted.map((user) => (
                <tr key={user.id} class={user.active ? "" : "gone"}>
                  <th scope="row">
                    {user.name} {user.invited ? <span class="badge">invited</span> : null}
                  </th>
                  <td>
                    <select
                      class="input"
                      aria-label={`Role of ${user.name}`}
                      value={user.role}
                      onChange={(e) => {
                        // It takes rights away at once, which a wheel may turn to by mistake.
                        setAsked({ user, role: e.currentTarget.value as Role });
                        e.currentTarget.value = user.role;
                      }}
                    >
                      {ROLES.map((role) => (
                        <option>{role}</option>
                      ))}
                    </select>
                  </td>
                  <td>
                    <Ago ms={user.seen_ms} />
                  </td>
                  <td>{user.tokens || <span class="muted">–</span>}</td>
                  <td title={when(user.created_ms)}>{day(user.created_ms)}</td>
                  <td>
                    <div class="row">
                      <Button onClick={() => makeLink(user)}>Password link…</Button>
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
        </ScrollBox>
      </section>
      <section class="panel">
        <h2>Add somebody</h2>
        <form class="form" onSubmit={(event) => void add(event)}>
          <Field label="Name">
            <Input name="name" required maxLength={64} />
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
              Invite
            </button>
          </div>
        </form>
      </section>
      {asked ? (
        <Dialog title={`Make ${asked.user.name} ${asked.role}?`} onClose={() => setAsked(null)}>
          <p>
            {asked.user.name} is {asked.user.role} now. Whoever loses rights is logged out.
          </p>
          <div class="row end">
            <Button
              kind="primary"
              isDefault
              onClick={() => {
                change(asked.user, { role: asked.role });
                setAsked(null);
              }}
            >
              Change the role
            </Button>
          </div>
        </Dialog>
      ) : null}
      {link ? (
        <Dialog title={`A password link for ${link.name}`} onClose={() => setLink(null)}>
          <p>
            Send it to {link.name}: whoever opens it chooses the password. It works once, until{" "}
            {when(link.until)}, and is shown this once.
          </p>
          <code class="token">{link.address}</code>
          {LOCAL.test(location.hostname) ? (
            <p class="notice warn">
              It names this machine as itself. For people at others, open this page by the name they
              use, and make the link there.
            </p>
          ) : null}
          {/* Browsers have a clipboard where the address is safe: else one click selects it. */}
          {navigator.clipboard ? (
            <div class="row end">
              <Button
                kind="primary"
                isDefault
                onClick={() =>
                  void navigator.clipboard
                    .writeText(link.address)
                    .then(() => say("Copied"))
                    .catch(sayError)
                }
              >
                Copy
              </Button>
            </div>
          ) : null}
        </Dialog>
      ) : null}
      <Tokens />
    </main>
  );
}

interface Token {
  id: number;
  name: string;
  who: string;
  scopes: string[];
  used_ms: number | null;
  expires_ms: number;
}

/** Everybody's tokens that are valid: scripts that act for people. */
function Tokens() {
  const [rows, setRows] = useState<Token[]>([]);
  const load = (): void => void get<Token[]>("/api/tokens/all").then(setRows).catch(sayError);
  useEffect(load, []);
  if (!rows.length) return null;
  return (
    <section class="panel">
      <h2>Tokens of scripts</h2>
      <ul class="list">
        {rows.map((row) => (
          <li>
            <span>
              {row.who}: {row.name}
            </span>
            <span class="muted">
              {row.scopes.join(", ")} · used {when(row.used_ms)} · ends {when(row.expires_ms)}
            </span>
            <Button onClick={() => void del(`/api/tokens/${row.id}`).then(load).catch(sayError)}>
              Revoke
            </Button>
          </li>
        ))}
      </ul>
    </section>
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

const asText = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value);

export function Audit() {
  const [entries, setEntries] = useState<Entry[]>([]);
  const [next, setNext] = useState<number | null>(null);
  const [text, setText] = useState("");
  const [order, setOrder] = useState<Order | null>(null);
  const latest = useLatest();
  const load = (before?: number): void => {
    const query = new URLSearchParams({ ...(text.trim() ? { text } : {}), ...orderQuery(order) });
    if (before) query.set("before", String(before));
    void latest(get<{ entries: Entry[]; next: number | null }>(`/api/audit?${query}`))
      .then((page) => {
        setEntries((old) => (before ? [...old, ...page.entries] : page.entries));
        setNext(page.next);
      })
      .catch(sayError);
  };
  useEffect(() => {
    const timer = window.setTimeout(load, text ? TYPING_MS : 0);
    return () => window.clearTimeout(timer);
  }, [text, order]);
  return (
    <main class="page">
      <h1>Audit log</h1>
      <section class="panel">
        <div class="row">
          <Search label="Search" text={text} onText={setText} />
          <span class="muted">
            {entries.length.toLocaleString()} {next ? "entries, and more" : "entries"}
          </span>
        </div>
        <ScrollBox label="Entries">
          <table class="compact audit">
            <Head
              columns={[
                { name: "When", by: "when" },
                { name: "Who", by: "who" },
                { name: "What", by: "action" },
                { name: "On", by: "target" },
                "Details",
                { name: "From", by: "address" },
              ]}
              order={order}
              onOrder={setOrder}
            />
            <tbody>
              {entries.map((entry) => (
                <tr key={entry.id}>
                  <td>{when(entry.at_ms)}</td>
                  <td>{entry.who ?? "–"}</td>
                  <td>{entry.action}</td>
                  <td>{entry.target}</td>
                  <td class="muted">
                    {Object.entries(entry.detail)
                      .map(([name, value]) => `${name}: ${asText(value)}`)
                      .join(", ")}
                  </td>
                  <td class="muted">{entry.address}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
        {next ? <Button onClick={() => load(next)}>More</Button> : null}
      </section>
    </main>
  );
}
