// Where the day begins: what was returned, what is in work, and a button per project.

import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { Icon } from "../icons";
import { claimFirst, nextReview } from "../loading";
import { leftOver, sendLeftOver } from "../oplog";
import { Ago, Bar, Button, day, duration, has, Link, Search, when } from "../parts";
import { go, isAdmin, isStaff, person, say, sayError } from "../session";
import { doneToday } from "../task/day";
import type { AssignmentRow, Progress, ProjectRow } from "../types";
import { TOUR_DONE } from "./Tour";

const FEW = 8; // projects that are found without a search
const LAST_DONE = 5; // enough to find the one that was submitted too soon

type Mine = AssignmentRow & { project_id: number; project: string; kind: string };

export async function start(project: ProjectRow): Promise<void> {
  try {
    const assignment = await claimFirst(project.id);
    if (assignment === null) say("Nothing is left to do in this project. Thank you.");
    else go(`/work/${assignment}`);
  } catch (error) {
    sayError(error);
  }
}

/** Open the submission that waits for a verdict longest. */
export async function startReview(project: number): Promise<void> {
  try {
    const { assignment } = await nextReview(project);
    if (assignment === null) say("Nothing waits for your review in this project.");
    else go(`/work/${assignment}`);
  } catch (error) {
    sayError(error);
  }
}

/** Numbers as they change, over a WebSocket; where that is not to be had, the page still works. */
function useLive(onProgress: (projects: Record<string, Progress>) => void): void {
  useEffect(() => {
    let socket: WebSocket | null = null;
    let timer = 0;
    let gone = false;
    const open = (): void => {
      socket = new WebSocket(
        `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/live`,
      );
      socket.onmessage = (event) => onProgress(JSON.parse(event.data).projects);
      socket.onclose = () => {
        if (!gone) timer = window.setTimeout(open, 10_000);
      };
    };
    open();
    return () => {
      gone = true;
      window.clearTimeout(timer);
      socket?.close();
    };
  }, []);
}

export function Home() {
  const [projects, setProjects] = useState<ProjectRow[] | null>(null);
  const [mine, setMine] = useState<Mine[]>([]);
  const [waiting, setWaiting] = useState<{ assignment: number; count: number }[]>([]);
  const [text, setText] = useState("");
  const who = person.value!;
  useEffect(() => {
    get<ProjectRow[]>("/api/projects").then(setProjects).catch(sayError);
    if (who.role !== "contractor") {
      get<Mine[]>("/api/assignments")
        .then(setMine)
        .catch(() => {});
    }
    void sendLeftOver(who.id).then((sent) => {
      if (sent) say(`${sent} edits from this device saved`);
      setWaiting(leftOver(who.id));
    });
  }, []);
  useLive((progress) =>
    setProjects(
      (rows) =>
        rows?.map((row) => (progress[row.id] ? { ...row, progress: progress[row.id] } : row)) ??
        null,
    ),
  );
  if (!projects) return <main class="page" aria-busy="true" />;
  const returned = mine.filter((row) => row.state === "returned");
  const paused = mine.filter((row) => row.state === "paused");
  const done = mine
    .filter((row) => row.finished && row.submitted_ms)
    .sort((a, b) => b.submitted_ms! - a.submitted_ms!);
  const today = doneToday(mine);
  const all = projects.filter((project) => !project.practice);
  const real = all
    .filter(({ name }) => has(name, text))
    .sort((a, b) => Number(isBegun(b)) - Number(isBegun(a)));
  const practice = projects.filter((project) => project.practice);
  const touring = (who.settings.tour ?? 0) < TOUR_DONE && who.role !== "contractor";
  return (
    <main class="page">
      <h1 class="hidden">Projects</h1>
      {waiting.map(({ assignment, count }) => (
        <p class="notice warn" role="note">
          {count} edits of an earlier session wait on this device.{" "}
          <Link to={`/work/${assignment}`}>Open their task</Link>
        </p>
      ))}
      {touring && practice.length ? (
        <p class="notice" role="note">
          New here? The tour takes ten minutes. <Link to="/tour">Take the tour</Link>
        </p>
      ) : null}
      {returned.length ? (
        <section class="panel warn">
          <h2>Returned by a reviewer</h2>
          <ul class="list">
            {returned.map((row) => (
              <li>
                <span>{row.project}</span>
                <span class="muted clip">{row.reason}</span>
                <Link to={`/work/${row.id}`} class="button">
                  Fix
                </Link>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      {paused.length ? (
        <section class="panel">
          <h2>Paused by you</h2>
          <ul class="list">
            {paused.map((row) => (
              <li>
                <span>{row.project}</span>
                <span class="muted">{row.seq} edits</span>
                <Link to={`/work/${row.id}`} class="button">
                  Go on
                </Link>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      {all.length > FEW ? (
        <div class="row">
          <Search label="Search" text={text} onText={setText} />
          <span class="muted">
            {real.length} of {all.length} projects
          </span>
        </div>
      ) : null}
      {all.length ? null : (
        <section class="panel empty">
          <h2>No projects yet</h2>
          {isAdmin() ? (
            <p>
              Make one below, or start the server with a dataset:{" "}
              <code>vidact serve DATA --review DATASET</code>
            </p>
          ) : (
            <p>An admin will give you some.</p>
          )}
        </section>
      )}
      {/* Many scroll in their place: what comes after them stays in sight. */}
      <section
        class={`cards ${all.length > FEW ? "many" : ""}`}
        aria-label="Projects"
        tabIndex={all.length > FEW ? 0 : undefined}
      >
        {real.map((project) => (
          <Card key={project.id} project={project} />
        ))}
      </section>
      <section class="cards" aria-label="Practice">
        {practice.map((project) => (
          <Card key={project.id} project={project} />
        ))}
      </section>
      {done.length ? (
        <section class="panel">
          <h2>
            Done by you <span class="muted">· {today} today</span>
          </h2>
          <ul class="list">
            {done.slice(0, LAST_DONE).map((row) => (
              <li key={row.id}>
                <span>{row.project}</span>
                <span class="muted">
                  {when(row.submitted_ms)} · {row.seq} {row.seq === 1 ? "edit" : "edits"}
                  {row.state === "approved" ? " · approved" : ""}
                </span>
                <Link to={`/work/${row.id}`} class="button">
                  Look again
                </Link>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      {isAdmin() ? (
        <p>
          <Link to="/projects/new" class="button">
            New project…
          </Link>
        </p>
      ) : null}
    </main>
  );
}

/** What is known of a project beside how far it is. */
function About({ project }: { project: ProjectRow }) {
  const { mine, owner, worked_ms, created_ms } = project;
  const done = (mine.submitted ?? 0) + (mine.approved ?? 0);
  return (
    <p class="muted about">
      {project.kind === "actions" ? "Action review" : "Clean or not"}
      {project.spec ? ` · ${project.spec}` : ""}
      {project.practice ? null : (
        <>
          {" · "}
          <span title={when(created_ms)}>
            since {day(created_ms)}
            {owner ? `, by ${owner}` : ""}
          </span>
          {worked_ms ? (
            <>
              {" · worked on "}
              <Ago ms={worked_ms} />
            </>
          ) : null}
        </>
      )}
      {done ? ` · ${done} done by you` : ""}
    </p>
  );
}

function Numbers({ name, progress }: { name: string; progress: Progress }) {
  const share = progress.tasks ? progress.done / progress.tasks : 0;
  const frames = `${progress.done_frames.toLocaleString()} of ${progress.frames.toLocaleString()}`;
  return (
    <div class="grow">
      <Bar share={share} label={`Progress of ${name}`} />
      <p class="muted numbers">
        {progress.done} of {progress.tasks} tasks · {frames} frames
        {progress.to_go_s ? ` · about ${duration(progress.to_go_s)} to go` : ""}
      </p>
    </div>
  );
}

function Card({ project }: { project: ProjectRow }) {
  const { progress } = project;
  const toReview = progress ? progress.submitted - progress.approved : 0;
  const hasTasks = progress !== null && progress.tasks > 0;
  return (
    <article class={`card-row ${project.practice ? "practice" : ""}`}>
      <Icon of={project.practice ? "practice" : project.kind} />
      <div class="names">
        <h2>
          {isStaff(project.role) ? (
            <Link to={`/projects/${project.id}`}>{project.name}</Link>
          ) : (
            project.name
          )}
          {project.state === "paused" ? <span class="badge">paused</span> : null}
        </h2>
        <About project={project} />
      </div>
      {project.practice ? (
        <p class="muted grow">
          {progress?.tasks === 1
            ? "A small task with a known answer"
            : `${progress?.tasks} small tasks with known answers`}
          : part of the tour.
        </p>
      ) : null}
      {progress && !project.practice ? <Numbers name={project.name} progress={progress} /> : null}
      {progress || project.practice ? null : <span class="grow" />}
      {isStaff(project.role) && toReview > 0 && !project.practice ? (
        <Button onClick={() => void startReview(project.id)}>
          Review <span class="badge">{toReview}</span>
        </Button>
      ) : null}
      {person.value!.role === "contractor" ? (
        <Link to={`/projects/${project.id}/upload`} class="button primary">
          Upload
        </Link>
      ) : (
        <Button
          kind={project.practice ? "plain" : "primary"}
          disabled={project.state !== "open" || !hasTasks}
          title={hasTasks ? undefined : "It has no tasks yet"}
          onClick={() => void start(project)}
        >
          {isBegun(project) ? "Go on" : "Start"}
        </Button>
      )}
    </article>
  );
}

const isBegun = ({ mine }: ProjectRow): boolean =>
  (mine.leased ?? 0) + (mine.paused ?? 0) + (mine.returned ?? 0) > 0;
