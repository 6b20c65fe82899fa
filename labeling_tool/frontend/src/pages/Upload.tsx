// Uploading videos, or recordings of two files each: several at once, dropped or chosen, and what
// became of everything that was sent before.

import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, post } from "../api";
import { Icon } from "../icons";
import { Ago, Bar, Button, bytesText, Field, ScrollBox } from "../parts";
import { sendFile } from "../sending";
import { errorText, person, say } from "../session";
import { useSorted } from "../tables";
import type { ProjectRow } from "../types";
import { Forbidden, Instead, isUnfinished, NotFound, useJobs, useLoaded } from "./Problems";

interface ImportJob {
  import: number;
  name: string;
  state: "queued" | "running" | "done" | "failed";
  tasks?: number;
  message?: string;
}

type ImportRow = ImportJob & { created_ms: number; who: string; bytes: number | null };

/** A video that is to be sent, of a recording with its lines and what is told of it. */
interface Item {
  name: string;
  video: File;
  lines: File | null;
  meta: File | null;
  /** How far it is; "" before its turn. */
  text: string;
  share: number;
  state: "waiting" | "busy" | "failed";
}

const LOOK_MS = 500;
const BESIDE = /\.(jsonl|meta\.json)$/i; // what a recording has beside its video
const stemOf = ({ name }: File): string => name.replace(/\.[^.]*$/, "");

/** Videos with the files of the same name; those that no video is there for are left over. */
function pair(files: File[], recordings: boolean): { items: Item[]; alone: File[] } {
  const beside = new Map(
    files.filter(({ name }) => BESIDE.test(name)).map((file) => [file.name.toLowerCase(), file]),
  );
  const take = (video: File, suffix: string): File | null => {
    const name = `${stemOf(video)}${suffix}`.toLowerCase();
    const found = beside.get(name) ?? null;
    beside.delete(name);
    return found;
  };
  const items: Item[] = [];
  const alone: File[] = [];
  for (const video of files.filter(({ name }) => !BESIDE.test(name))) {
    const lines = recordings ? take(video, ".jsonl") : null;
    if (recordings && !lines) alone.push(video);
    else
      items.push({
        name: video.name.slice(0, 120),
        ...{ video, lines, meta: lines && take(video, ".meta.json") },
        text: "",
        share: 0,
        state: "waiting",
      });
  }
  return { items, alone: [...alone, ...beside.values()] };
}

interface UploadProps {
  project: Pick<ProjectRow, "id" | "kind">;
  onDone: () => void;
}

export function Upload({ project, onDone }: UploadProps) {
  const recordings = project.kind === "actions";
  const [items, setItems] = useState<Item[]>([]);
  const now = useRef(items); // for what goes on while the list changes
  now.current = items;
  const [alone, setAlone] = useState<File[]>([]);
  const [step, setStep] = useState(2);
  const [busy, setBusy] = useState(false);
  const [over, setOver] = useState(false);
  const [sent, setSent] = useState(0); // counts what was sent: the list is asked for again

  const add = (files: Iterable<File>): void => {
    // What waited for its other half may have found it; of one name the last that was chosen.
    const chosen = new Map([...alone, ...files].map((file) => [file.name, file]));
    const found = pair([...chosen.values()], recordings);
    setAlone(found.alone);
    setItems((old) => [
      ...old,
      ...found.items.filter(({ name }) => !old.some((item) => item.name === name)),
    ]);
  };
  const change = (item: Item, values: Partial<Item>): void =>
    setItems((old) => old.map((each) => (each.name === item.name ? { ...each, ...values } : each)));

  const sendOne = async (item: Item): Promise<void> => {
    const put = (file: File) =>
      sendFile(project.id, file, (share) =>
        change(
          item,
          share === null
            ? { text: "The server cannot be reached; it goes on when it is back" }
            : {
                text: `${Math.round(100 * share)} %${item.lines ? ` of ${file.name}` : ""}`,
                share,
              },
        ),
      );
    change(item, { state: "busy", text: "Uploading…" });
    try {
      const video = await put(item.video);
      const lines = item.lines ? await put(item.lines) : null;
      const meta = item.meta ? await put(item.meta) : null;
      change(item, { text: "Looking at it…", share: 1 });
      let job = await post<ImportJob>(`/api/projects/${project.id}/import`, {
        ...{ video, lines, meta },
        name: item.name,
        ...(recordings ? {} : { frame_step_s: step }),
      });
      while (isUnfinished(job)) {
        change(item, { text: job.state === "queued" ? "Waiting for its turn…" : "Looking at it…" });
        await new Promise((resolve) => window.setTimeout(resolve, LOOK_MS));
        job = await get<ImportJob>(`/api/imports/${job.import}`).catch((error) => {
          if (error instanceof ApiError && error.offline) return job; // it goes on without us
          throw error;
        });
      }
      setItems((old) => old.filter((each) => each.name !== item.name)); // it is in the list below
    } catch (error) {
      change(item, { state: "failed", text: errorText(error) });
    }
    setSent((count) => count + 1);
  };

  const send = async (): Promise<void> => {
    setBusy(true);
    // One after the other: each fills the line, and the first is done soonest.
    for (const item of items)
      if (now.current.some(({ name }) => name === item.name)) await sendOne(item); // not removed
    setBusy(false);
    onDone();
  };
  const waiting = items.filter((item) => item.state !== "busy").length;
  return (
    <div class="upload">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the field in it does the same. */}
      <div
        class={`drop ${over ? "over" : ""}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          add(event.dataTransfer?.files ?? []);
        }}
      >
        <Field
          label={recordings ? "Videos with their lines (mp4 and jsonl)" : "Videos"}
          help={
            recordings
              ? "Drop them here, or choose them: two files of the same name for each recording, " +
                "and its .meta.json where it has one"
              : "Drop them here, or choose them"
          }
        >
          <input
            class="input"
            type="file"
            multiple
            accept={recordings ? "video/mp4,.mp4,.jsonl,.json" : "video/*,.mkv"}
            onChange={(event) => {
              add(event.currentTarget.files ?? []);
              event.currentTarget.value = ""; // the same file can be chosen again
            }}
          />
        </Field>
        {recordings ? null : (
          <Field label="Seconds between frames">
            <input
              class="input"
              type="number"
              min="0.1"
              max="3600"
              step="0.1"
              value={step}
              onInput={(event) => setStep(Number(event.currentTarget.value))}
            />
          </Field>
        )}
      </div>
      {alone.map((file) => (
        <p class="problem" role="alert" key={file.name}>
          {BESIDE.test(file.name)
            ? `${file.name} is for action review, with the video of the same name.`
            : `${file.name} needs its lines: ${stemOf(file)}.jsonl.`}
        </p>
      ))}
      <ul class="list" aria-label="To be sent">
        {items.map((item) => (
          <li key={item.name} data-state={item.state}>
            <Icon of="file" />
            <div class="grow">
              <b class="clip">{item.name}</b>{" "}
              <span class={item.state === "failed" ? "problem" : "muted"} role="status">
                {item.text || bytesText(item.video.size)}
              </span>
              {item.state === "busy" ? <Bar share={item.share} label={`Of ${item.name}`} /> : null}
            </div>
            {item.state === "busy" ? null : (
              <Button
                kind="quiet"
                onClick={() => setItems((old) => old.filter(({ name }) => name !== item.name))}
              >
                Remove
              </Button>
            )}
          </li>
        ))}
      </ul>
      <div class="row">
        <Button kind="primary" id="upload" disabled={busy || !waiting} onClick={() => void send()}>
          {waiting > 1 ? `Upload ${waiting} ${recordings ? "recordings" : "files"}` : "Upload"}
        </Button>
        {busy ? <span class="muted">Keep this page open; what is cut short goes on.</span> : null}
      </div>
      <Imports project={project.id} sent={sent} />
    </div>
  );
}

/** What was sent before, and what became of it. */
function Imports({ project, sent }: { project: number; sent: number }) {
  const { rows, load } = useJobs<ImportRow>(`/api/projects/${project}/imports`);
  useEffect(() => {
    if (sent) load();
  }, [sent]);
  const { sorted, head } = useSorted(rows, [
    ["File", (row) => row.name],
    ["By", (row) => row.who],
    ["When", (row) => row.created_ms],
    ["Size", (row) => row.bytes],
    ["What became of it", outcome],
  ]);
  if (!rows.length) return null;
  return (
    <>
      <h2>
        Sent so far <span class="muted">{rows.length}</span>
      </h2>
      <ScrollBox label="What became of what was sent">
        <table class="compact">
          {head}
          <tbody>
            {sorted.map((row) => (
              <tr key={row.import} data-import={row.state}>
                <th scope="row">{row.name}</th>
                <td>{row.who}</td>
                <td>
                  <Ago ms={row.created_ms} />
                </td>
                <td>{row.bytes === null ? "–" : bytesText(row.bytes)}</td>
                <td class={row.state === "failed" ? "problem" : ""}>{outcome(row)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollBox>
    </>
  );
}

function outcome({ state, tasks, message }: ImportJob): string {
  if (state === "failed") return message ?? "It could not be imported.";
  if (state !== "done") return `${state}…`;
  return `${tasks} new ${tasks === 1 ? "task" : "tasks"}`;
}

export function UploadPage({ id }: { id: number }) {
  const { data: projects, error } = useLoaded<ProjectRow[]>("/api/projects");
  if (!projects) return <Instead error={error} what="project" />;
  const project = projects.find((row) => row.id === id && !row.practice);
  if (!project) return <NotFound what="project" />;
  if (project.role === "annotator")
    return <Forbidden needs="a role as contractor, reviewer or admin in this project" />;
  return (
    <main class="page">
      <h1>Upload to {project.name}</h1>
      <section class="panel">
        <Upload project={project} onDone={() => say(`Thank you, ${person.value?.name}`)} />
      </section>
    </main>
  );
}
