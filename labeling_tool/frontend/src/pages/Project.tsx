// A project as its admin and reviewers see it: progress, work to review, rules, people, imports, exports.

import { useEffect, useState } from "preact/hooks";
import { get, patch, post, put } from "../api";
import { Bar, Button, duration, Field, Input, Link, when } from "../parts";
import { go, isAdmin, person, say } from "../session";
import type { Progress, ProjectRow, ProjectSettings } from "../types";
import { Upload } from "./Upload";

interface Full extends ProjectRow {
  settings: ProjectSettings;
  people: {
    name: string;
    submitted: number;
    returned: number;
    worked_s: number;
    operations: number;
  }[];
  members: { id: number; name: string }[];
}
interface Submission {
  id: number;
  who: string;
  source: string;
  frames: number;
  state: string;
  operations: number;
  active_ms: number;
  submitted_ms: number;
  served: string;
}
interface ExportRow {
  id: number;
  format: string;
  state: string;
  detail: Record<string, unknown>;
  created_ms: number;
}

const failing = (error: unknown): void =>
  say(error instanceof Error ? error.message : String(error), "bad");

export function Project({ id }: { id: number }) {
  const [project, setProject] = useState<Full | null>(null);
  const load = (): void => void get<Full>(`/api/projects/${id}`).then(setProject).catch(failing);
  useEffect(load, [id]);
  if (!project) return <main class="page" aria-busy="true" />;
  return (
    <main class="page">
      <div class="row">
        <h1>{project.name}</h1>
        {project.state === "paused" ? <span class="badge">paused</span> : null}
        <span class="grow" />
        {isAdmin() ? (
          <Button
            onClick={() =>
              void patch(`/api/projects/${id}`, {
                state: project.state === "open" ? "paused" : "open",
              })
                .then(load)
                .catch(failing)
            }
          >
            {project.state === "open" ? "Pause project" : "Open project"}
          </Button>
        ) : null}
      </div>
      <Numbers progress={project.progress} />
      <People people={project.people} />
      <Submissions id={id} />
      {project.practice ? null : <Exports project={project} />}
      {project.practice ? null : (
        <section class="panel">
          <h2>Import</h2>
          <Upload project={project} onDone={load} />
        </section>
      )}
      {isAdmin() ? <Rules project={project} onSaved={load} /> : null}
    </main>
  );
}

function Numbers({ progress }: { progress: Progress }) {
  const facts: [string, string][] = [
    ["tasks done", `${progress.done} / ${progress.tasks}`],
    ["frames done", progress.done_frames.toLocaleString()],
    ["in work", String(progress.in_work)],
    ["approved", String(progress.approved)],
    ["returned", String(progress.returned)],
    ["worked", duration(progress.worked_s)],
    ["to go", progress.to_go_s ? duration(progress.to_go_s) : "–"],
  ];
  return (
    <section class="panel">
      <h2>Progress</h2>
      <Bar share={progress.tasks ? progress.done / progress.tasks : 0} label="Tasks done" />
      <dl class="facts">
        {facts.map(([name, value]) => (
          <div>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function People({ people }: { people: Full["people"] }) {
  if (!people.length) return null;
  return (
    <section class="panel">
      <h2>People</h2>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Submitted</th>
              <th scope="col">Returned</th>
              <th scope="col">Worked</th>
              <th scope="col">Edits</th>
            </tr>
          </thead>
          <tbody>
            {people.map((row) => (
              <tr>
                <th scope="row">{row.name}</th>
                <td>{row.submitted}</td>
                <td>{row.returned}</td>
                <td>{duration(row.worked_s)}</td>
                <td>{row.operations}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Submissions({ id }: { id: number }) {
  const [state, setState] = useState("submitted");
  const [rows, setRows] = useState<Submission[]>([]);
  const [next, setNext] = useState<number | null>(null);
  const load = (before?: number): void =>
    void get<{ submissions: Submission[]; next: number | null }>(
      `/api/projects/${id}/submissions?state=${state}${before ? `&before=${before}` : ""}`,
    )
      .then((page) => {
        setRows((old) => (before ? [...old, ...page.submissions] : page.submissions));
        setNext(page.next);
      })
      .catch(failing);
  useEffect(() => load(), [id, state]);
  return (
    <section class="panel">
      <div class="row">
        <h2>Work that came in</h2>
        <span class="grow" />
        <label class="inline">
          Show{" "}
          <select class="input" value={state} onChange={(e) => setState(e.currentTarget.value)}>
            <option value="submitted">to review</option>
            <option value="approved">approved</option>
            <option value="returned">returned</option>
            <option value="all">all</option>
          </select>
        </label>
      </div>
      {rows.length ? (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col">Task</th>
                <th scope="col">By</th>
                <th scope="col">Source</th>
                <th scope="col">Frames</th>
                <th scope="col">Edits</th>
                <th scope="col">Time</th>
                <th scope="col">Submitted</th>
                <th scope="col">State</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr>
                  <th scope="row">
                    <Link to={`/work/${row.id}`}>#{row.id}</Link>
                  </th>
                  <td>{row.who}</td>
                  <td>{row.source}</td>
                  <td>{row.frames}</td>
                  <td>{row.operations}</td>
                  <td>{duration(row.active_ms / 1000)}</td>
                  <td>{when(row.submitted_ms)}</td>
                  <td>{row.state}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <p class="muted">Nothing here.</p>
      )}
      {next ? <Button onClick={() => load(next)}>More</Button> : null}
    </section>
  );
}

const FORMATS: Record<string, { name: string; kinds: string[]; help: string }> = {
  recordings: {
    name: "Corrected recordings",
    kinds: ["actions"],
    help: "mp4 and jsonl, for vidact train-idm",
  },
  dataset: {
    name: "New version of the dataset",
    kinds: ["actions"],
    help: "the same pixels, corrected labels",
  },
  "filter-labels": {
    name: "Filter labels",
    kinds: ["clean"],
    help: "a table, and the frames in a tar",
  },
  parquet: { name: "Parquet", kinds: ["actions", "clean"], help: "a row a frame" },
  json: { name: "JSON", kinds: ["actions", "clean"], help: "every submission with its history" },
};

function Exports({ project }: { project: Full }) {
  const formats = Object.entries(FORMATS).filter(([, format]) =>
    format.kinds.includes(project.kind),
  );
  const [format, setFormat] = useState(formats[0][0]);
  const [approved, setApproved] = useState(false);
  const [rows, setRows] = useState<ExportRow[]>([]);
  const load = (): void =>
    void get<ExportRow[]>(`/api/projects/${project.id}/exports`).then(setRows).catch(failing);
  useEffect(load, [project.id]);
  useEffect(() => {
    if (!rows.some((row) => row.state === "running")) return;
    const timer = window.setTimeout(load, 1000);
    return () => window.clearTimeout(timer);
  }, [rows]);
  const add = (): void =>
    void post(`/api/projects/${project.id}/exports`, { format, approved_only: approved })
      .then(load)
      .catch(failing);
  return (
    <section class="panel">
      <h2>Export</h2>
      <div class="row wrap">
        <label class="inline">
          Format{" "}
          <select
            class="input"
            value={format}
            onChange={(e) => setFormat(e.currentTarget.value)}
            id="export-format"
          >
            {formats.map(([id, entry]) => (
              <option value={id}>
                {entry.name} ({entry.help})
              </option>
            ))}
          </select>
        </label>
        <label class="inline">
          <input
            type="checkbox"
            checked={approved}
            onChange={(e) => setApproved(e.currentTarget.checked)}
          />{" "}
          only what is approved
        </label>
        <Button kind="primary" onClick={add} id="export">
          Export
        </Button>
      </div>
      <ul class="list">
        {rows.map((row) => (
          <li data-export={row.id} data-state={row.state}>
            <span>{FORMATS[row.format]?.name ?? row.format}</span>
            <span class="muted clip">
              {when(row.created_ms)} ·{" "}
              {row.state === "done"
                ? Object.entries(row.detail)
                    .filter(([, value]) => typeof value === "number")
                    .map(
                      ([name, value]) =>
                        `${(value as number).toLocaleString()} ${name.replaceAll("_", " ")}`,
                    )
                    .join(", ")
                : row.state === "failed"
                  ? String(row.detail.message)
                  : "running…"}
            </span>
            {row.state === "done" ? (
              <a class="button" href={`/api/exports/${row.id}/archive`} download>
                Download
              </a>
            ) : null}
          </li>
        ))}
      </ul>
    </section>
  );
}

const RULES: {
  id: keyof ProjectSettings;
  label: string;
  help: string;
  step: number;
  factor: number;
  min: number;
  max: number;
}[] = [
  {
    id: "overlap",
    label: "People a task",
    help: "Each labels it without seeing the others",
    step: 1,
    factor: 1,
    min: 1,
    max: 20,
  },
  {
    id: "random_fraction",
    label: "Random share, %",
    help: "Of the queue; the rest goes by expected gain",
    step: 1,
    factor: 100,
    min: 0,
    max: 100,
  },
  {
    id: "threshold",
    label: "Uncertain below, %",
    help: "Confidence of the model",
    step: 1,
    factor: 100,
    min: 0,
    max: 100,
  },
  {
    id: "lease_s",
    label: "Lease, minutes",
    help: "Without a sign of life the task goes to somebody else",
    step: 0.5,
    factor: 1 / 60,
    min: 0.5,
    max: 1440,
  },
  {
    id: "pause_s",
    label: "Pause, hours",
    help: "How long a paused task is kept",
    step: 1,
    factor: 1 / 3600,
    min: 1,
    max: 720,
  },
];

function Rules({ project, onSaved }: { project: Full; onSaved: () => void }) {
  const [rules, setRules] = useState(project.settings);
  const [users, setUsers] = useState<{ id: number; name: string; role: string }[]>([]);
  const [members, setMembers] = useState(new Set(project.members.map((m) => m.id)));
  useEffect(() => void get<typeof users>("/api/users").then(setUsers).catch(failing), []);
  const save = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    try {
      await patch(`/api/projects/${project.id}`, { settings: rules });
      if (!rules.open_to_all)
        await put(`/api/projects/${project.id}/members`, { users: [...members] });
      say("Rules saved");
      onSaved();
    } catch (error) {
      failing(error);
    }
  };
  return (
    <section class="panel">
      <h2>Rules</h2>
      <form class="form" onSubmit={(event) => void save(event)}>
        {RULES.map((rule) => (
          <Field label={rule.label} help={rule.help}>
            <Input
              type="number"
              min={rule.min}
              max={rule.max}
              step={rule.step}
              value={Math.round((rules[rule.id] as number) * rule.factor * 100) / 100}
              onInput={(e) =>
                setRules({
                  ...rules,
                  [rule.id]: roundRule(rule.id, Number(e.currentTarget.value) / rule.factor),
                })
              }
            />
          </Field>
        ))}
        <Field label="Instructions" help="Shown with the keys">
          <textarea
            class="input"
            rows={3}
            maxLength={8000}
            value={rules.instructions}
            onInput={(e) => setRules({ ...rules, instructions: e.currentTarget.value })}
          />
        </Field>
        <label class="inline">
          <input
            type="checkbox"
            checked={rules.open_to_all}
            onChange={(e) => setRules({ ...rules, open_to_all: e.currentTarget.checked })}
          />{" "}
          open to every annotator
        </label>
        {rules.open_to_all ? null : (
          <fieldset>
            <legend>Members</legend>
            {users
              .filter((user) => user.role === "annotator" || user.role === "contractor")
              .map((user) => (
                <label class="inline">
                  <input
                    type="checkbox"
                    checked={members.has(user.id)}
                    onChange={(e) => {
                      const next = new Set(members);
                      if (e.currentTarget.checked) next.add(user.id);
                      else next.delete(user.id);
                      setMembers(next);
                    }}
                  />{" "}
                  {user.name}
                </label>
              ))}
          </fieldset>
        )}
        <div class="row">
          <button class="button primary" type="submit">
            Save rules
          </button>
        </div>
      </form>
    </section>
  );
}

const roundRule = (id: keyof ProjectSettings, value: number): number =>
  id === "random_fraction" || id === "threshold"
    ? Math.round(value * 1e4) / 1e4
    : Math.round(value);

export function NewProject() {
  const [kind, setKind] = useState<"actions" | "clean">("clean");
  const add = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const values = Object.fromEntries(
      new FormData(event.currentTarget as HTMLFormElement),
    ) as Record<string, string>;
    try {
      const made = await post<ProjectRow>("/api/projects", {
        name: values.name,
        kind,
        spec: kind === "actions" ? values.spec : null,
      });
      go(`/projects/${made.id}`);
    } catch (error) {
      failing(error);
    }
  };
  return (
    <main class="page narrow">
      <h1>New project</h1>
      <form class="form" onSubmit={(event) => void add(event)}>
        <Field label="Name">
          <Input name="name" required maxLength={120} />
        </Field>
        <Field label="Kind of work">
          <select
            class="input"
            value={kind}
            onChange={(e) => setKind(e.currentTarget.value as "actions" | "clean")}
          >
            <option value="clean">Clean or not: frames of videos</option>
            <option value="actions">Action review: recordings</option>
          </select>
        </Field>
        {kind === "actions" ? (
          <Field label="Action spec">
            <select class="input" name="spec">
              <option>doom</option>
              <option>minecraft</option>
              <option>crafter</option>
            </select>
          </Field>
        ) : null}
        <div class="row">
          <button class="button primary" type="submit">
            Make it
          </button>
        </div>
      </form>
      <p class="muted">
        A labelled dataset is opened by whoever starts the server:{" "}
        <code>vidact serve DATA --review DATASET</code>
      </p>
    </main>
  );
}

export function UploadPage({ id }: { id: number }) {
  const [project, setProject] = useState<ProjectRow | null>(null);
  useEffect(() => {
    void get<ProjectRow[]>("/api/projects")
      .then((rows) => setProject(rows.find((row) => row.id === id) ?? null))
      .catch(failing);
  }, [id]);
  return (
    <main class="page narrow">
      <h1>Upload{project ? ` to ${project.name}` : ""}</h1>
      {project ? (
        <Upload project={project} onDone={() => say(`Thank you, ${person.value?.name}`)} />
      ) : null}
    </main>
  );
}
