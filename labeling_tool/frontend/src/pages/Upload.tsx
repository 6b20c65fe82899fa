// Uploading a video, or a recording's two files.

import { useState } from "preact/hooks";
import { get, post, sendFile } from "../api";
import { Field } from "../parts";
import { errorText, person, say } from "../session";
import type { ProjectRow } from "../types";
import { Forbidden, Instead, NotFound, useLoaded } from "./Problems";

interface ImportJob {
  import: number;
  state: "queued" | "running" | "done" | "failed";
  tasks?: number;
  message?: string;
}

/** What became of something that was sent. */
interface Result {
  name: string;
  text: string;
  failed: boolean;
}

const LOOK_MS = 500;

export function Upload({ project, onDone }: { project: ProjectRow; onDone: () => void }) {
  const [busy, setBusy] = useState("");
  const [results, setResults] = useState<Result[]>([]);
  const recordings = project.kind === "actions";
  const send = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const values = new FormData(form);
    const video = values.get("video") as File;
    const lines = values.get("lines") as File | null;
    const tell = (text: string, failed = false): void =>
      setResults((old) => [{ name: video.name, text, failed }, ...old]);
    try {
      setBusy("Uploading…");
      const put = (file: File) =>
        sendFile<{ upload: string }>(`/api/uploads/${project.id}`, file, (share) =>
          setBusy(`Uploading ${file.name}: ${Math.round(100 * share)} %`),
        );
      const { upload } = await put(video);
      const second = lines ? (await put(lines)).upload : null;
      setBusy("Looking at it…");
      let job = await post<ImportJob>(`/api/projects/${project.id}/import`, {
        video: upload,
        lines: second,
        name: video.name.slice(0, 120),
        ...(recordings ? {} : { frame_step_s: Number(values.get("step")) }),
      });
      while (job.state === "queued" || job.state === "running") {
        if (job.state === "queued") setBusy("Waiting for its turn…");
        else setBusy("Looking at it…");
        await new Promise((resolve) => window.setTimeout(resolve, LOOK_MS));
        job = await get<ImportJob>(`/api/imports/${job.import}`);
      }
      if (job.state === "failed") throw new Error(job.message);
      const { tasks } = job;
      tell(`${tasks} new ${tasks === 1 ? "task" : "tasks"}`);
      form.reset();
      onDone();
    } catch (error) {
      tell(errorText(error), true);
    } finally {
      setBusy("");
    }
  };
  return (
    <form class="form" onSubmit={(event) => void send(event)}>
      <Field label={recordings ? "Video (mp4)" : "Video"}>
        <input class="input" type="file" name="video" required accept="video/*,.mkv" />
      </Field>
      {recordings ? (
        <Field
          label="Actions (jsonl)"
          help="One line a frame, as recorders in the contractor format write them"
        >
          <input class="input" type="file" name="lines" required accept=".jsonl" />
        </Field>
      ) : (
        <Field label="Seconds between frames">
          <input
            class="input"
            type="number"
            name="step"
            min="0.1"
            max="3600"
            step="0.1"
            value="2"
          />
        </Field>
      )}
      <div class="row">
        <button class="button primary" type="submit" disabled={busy !== ""}>
          {busy || "Upload"}
        </button>
      </div>
      <div role="status">
        <ul class="list" aria-label="What became of what you sent">
          {results.map(({ name, text, failed }) => (
            <li key={name}>
              <b class="clip">{name}</b>
              <span class={failed ? "problem" : "muted"}>{text}</span>
            </li>
          ))}
        </ul>
      </div>
    </form>
  );
}

export function UploadPage({ id }: { id: number }) {
  const { data: projects, error } = useLoaded<ProjectRow[]>("/api/projects");
  if (!projects) return <Instead error={error} what="project" />;
  const project = projects.find((row) => row.id === id && !row.practice);
  if (!project) return <NotFound what="project" />;
  if (project.role === "annotator")
    return <Forbidden needs="a role as contractor, reviewer or admin in this project" />;
  return (
    <main class="page narrow">
      <h1>Upload to {project.name}</h1>
      <Upload project={project} onDone={() => say(`Thank you, ${person.value?.name}`)} />
    </main>
  );
}
