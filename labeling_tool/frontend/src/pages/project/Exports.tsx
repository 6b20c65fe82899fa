// Exports of a project: starting one, following it, downloading it.

import { useEffect, useRef, useState } from "preact/hooks";
import { del, post } from "../../api";
import { Icon } from "../../icons";
import { Ago, Button, bytesText } from "../../parts";
import { sayError } from "../../session";
import { useSorted } from "../../tables";
import type { ProjectDetails } from "../../types";
import { isUnfinished, useJobs } from "../Problems";

/** What is in a finished export; those of before do not say. */
interface Contents {
  approved_only?: boolean;
  message?: string;
  files?: number;
  bytes?: number;
  /** The first of its files, each with its size. */
  named?: [string, number][];
}

interface ExportRow {
  id: number;
  format: string;
  state: string;
  detail: Record<string, unknown> & Contents;
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

const nameOf = (format: string): string => FORMATS[format]?.name ?? format;

const LONG = 10; // exports; more scroll in their place

export function Exports({ project }: { project: ProjectDetails }) {
  const formats = Object.entries(FORMATS).filter(([, format]) =>
    format.kinds.includes(project.kind),
  );
  const [format, setFormat] = useState(formats[0][0]);
  const [approved, setApproved] = useState(false);
  const { rows, load } = useJobs<ExportRow>(`/api/projects/${project.id}/exports`);
  const isChosen = useRef(false);
  useEffect(() => {
    if (isChosen.current || !rows.length) return;
    isChosen.current = true;
    const [last] = rows; // What a project is exported as is mostly what it was exported as before.
    setFormat(last.format);
    setApproved(last.detail.approved_only ?? false);
  }, [rows]);
  const { sorted, head } = useSorted(rows, [
    ["Format", (row) => nameOf(row.format)],
    ["Made", (row) => row.created_ms],
    ["What is in it"],
    ["Size", (row) => row.detail.bytes],
    [<span class="hidden">What to do with it</span>],
  ]);
  const add = (): void =>
    void post(`/api/projects/${project.id}/exports`, { format, approved_only: approved })
      .then(load)
      .catch(sayError);
  const { submitted, approved: agreed } = project.progress;
  const there = approved ? agreed : submitted;
  return (
    <section class="panel">
      <h2>Export</h2>
      <div class="row wrap">
        <label class="inline">
          Format{" "}
          <select
            class="input"
            value={format}
            onChange={(e) => {
              isChosen.current = true;
              setFormat(e.currentTarget.value);
            }}
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
            onChange={(e) => {
              isChosen.current = true;
              setApproved(e.currentTarget.checked);
            }}
          />{" "}
          only what is approved
        </label>
        <Button kind="primary" onClick={add} id="export" disabled={!there}>
          Export
        </Button>
        <span class="muted" id="to-export">
          {there
            ? `${there} ${there === 1 ? "submission" : "submissions"}`
            : `Nothing is ${approved ? "approved" : "submitted"} yet: there is nothing to export.`}
        </span>
      </div>
      {rows.length ? (
        <div class="scroll exports" data-long={rows.length > LONG}>
          <table>
            {head}
            <tbody>
              {sorted.map((row) => (
                <Row key={row.id} row={row} load={load} />
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </section>
  );
}

function Row({ row, load }: { row: ExportRow; load: () => void }) {
  const { files, bytes, named = [], message, approved_only } = row.detail;
  const counts = countsOf(row.detail);
  const empty = row.state === "done" && counts.every(([, value]) => value === 0);
  const drop = (): void => void del(`/api/exports/${row.id}`).then(load).catch(sayError);
  return (
    <tr data-export={row.id} data-state={row.state}>
      <th scope="row">
        {nameOf(row.format)} {approved_only ? <span class="badge">approved only</span> : null}
      </th>
      <td>
        <Ago ms={row.created_ms} />
      </td>
      <td>
        {row.state === "failed" ? <span class="problem">{message}</span> : null}
        {row.state === "done" && empty ? <span class="muted">nothing: it is empty</span> : null}
        {row.state === "done" && !empty ? (
          <>
            {counts.map(([name, value]) => `${value.toLocaleString()} ${name}`).join(", ")}
            {files ? (
              <details>
                <summary>
                  {files.toLocaleString()} {files === 1 ? "file" : "files"}
                </summary>
                <ul class="files">
                  {named.map(([name, size]) => (
                    <li key={name}>
                      <Icon of="file" /> <span class="clip">{name}</span>{" "}
                      <span class="muted">{bytesText(size)}</span>
                    </li>
                  ))}
                  {files > named.length ? (
                    <li class="muted">and {(files - named.length).toLocaleString()} more</li>
                  ) : null}
                </ul>
              </details>
            ) : null}
          </>
        ) : null}
        {isUnfinished(row) ? <span class="muted">{row.state}…</span> : null}
      </td>
      <td>{row.state === "done" && bytes && !empty ? bytesText(bytes) : "–"}</td>
      <td>
        <div class="row end-of-row">
          {row.state === "done" && !empty ? (
            <a class="button" href={`/api/exports/${row.id}/archive`} download>
              Download
            </a>
          ) : null}
          {row.state === "running" ? null : <Button onClick={drop}>Delete</Button>}
        </div>
      </td>
    </tr>
  );
}

/** How many of what an export holds, by the words of its format. */
const countsOf = (detail: ExportRow["detail"]): [string, number][] =>
  Object.entries(detail)
    .filter(([name, value]) => typeof value === "number" && name !== "files" && name !== "bytes")
    .map(([name, value]) => [name.replaceAll("_", " "), value as number]);
