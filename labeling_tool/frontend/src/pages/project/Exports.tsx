// Exports of a project: starting one, following it, downloading it.

import { useEffect, useState } from "preact/hooks";
import { del, get, post } from "../../api";
import { Button, when } from "../../parts";
import { sayError } from "../../session";
import type { ProjectRow } from "../../types";

interface ExportRow {
  id: number;
  format: string;
  state: string;
  detail: Record<string, unknown>;
  created_ms: number;
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

const UNFINISHED = ["queued", "running"];

export function Exports({ project }: { project: ProjectRow }) {
  const formats = Object.entries(FORMATS).filter(([, format]) =>
    format.kinds.includes(project.kind),
  );
  const [format, setFormat] = useState(formats[0][0]);
  const [approved, setApproved] = useState(false);
  const [rows, setRows] = useState<ExportRow[]>([]);
  const load = (): void =>
    void get<ExportRow[]>(`/api/projects/${project.id}/exports`).then(setRows).catch(sayError);
  useEffect(load, [project.id]);
  useEffect(() => {
    if (!rows.some((row) => UNFINISHED.includes(row.state))) return;
    const timer = window.setTimeout(load, 1000);
    return () => window.clearTimeout(timer);
  }, [rows]);
  const add = (): void =>
    void post(`/api/projects/${project.id}/exports`, { format, approved_only: approved })
      .then(load)
      .catch(sayError);
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
                  : `${row.state}…`}
            </span>
            {row.state === "done" ? (
              <a class="button" href={`/api/exports/${row.id}/archive`} download>
                Download
              </a>
            ) : null}
            {row.state === "running" ? null : (
              <Button onClick={() => void del(`/api/exports/${row.id}`).then(load).catch(sayError)}>
                Delete
              </Button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
