// The front end's entry: who is there, which page is it, and the frame around all pages.

import { type ComponentType, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { post } from "./api";
import { CleanPage } from "./clean/CleanPage";
import { Brand } from "./icons";
import { eventKey, keyOf } from "./keys";
import { sendLeftOver } from "./oplog";
import { type Entry, Palette } from "./Palette";
import { Audit, People } from "./pages/Admin";
import { Help } from "./pages/Help";
import { History } from "./pages/History";
import { Home, start, startReview } from "./pages/Home";
import { Invited, Login, Setup } from "./pages/Login";
import { Forbidden, NotFound, useLoaded } from "./pages/Problems";
import { Files } from "./pages/project/Files";
import { NewProject } from "./pages/project/NewProject";
import { Project } from "./pages/project/Project";
import { Quality } from "./pages/project/Quality";
import { Rules } from "./pages/project/Rules";
import { Tasks } from "./pages/project/Tasks";
import { Settings } from "./pages/Settings";
import { LessonResult, Welcome } from "./pages/Tour";
import { UploadPage } from "./pages/Upload";
import { Bar, Link } from "./parts";
import { ReviewPage } from "./review/ReviewPage";
import {
  go,
  isAdmin,
  isStaff,
  loadState,
  path,
  person,
  type ServerState,
  signIn,
  toast,
} from "./session";
import { sendLater, watchConnection } from "./task/later";
import { useTask } from "./task/useTask";
import type { ProjectRow } from "./types";

function App() {
  const [state, setState] = useState<ServerState | null>(null);
  const [failed, setFailed] = useState(false);
  const where = path.value;
  const who = person.value;
  useEffect(() => {
    loadState()
      .then(setState)
      .catch(() => setFailed(true));
  }, []);
  useEffect(() => (who ? watchConnection() : undefined), [who?.id]);
  if (failed)
    return (
      <main class="card-page">
        The server cannot be reached. Your edits are kept on this device; reload when it is back.
      </main>
    );
  if (!state) return null;
  return (
    <>
      <Page where={where} signedIn={who !== null} state={state} />
      <Toast />
    </>
  );
}

function Page({
  where,
  signedIn,
  state,
}: {
  where: string;
  signedIn: boolean;
  state: ServerState;
}) {
  if (where === "/welcome") return <Invited />;
  if (!signedIn) return state.setup ? <Setup codeNeeded={state.code_needed ?? false} /> : <Login />;
  const work = /^\/work\/(\d+)$/.exec(where);
  // By its key a new assignment is a new page: nothing of the state of the last one stays.
  if (work) return <Work assignment={Number(work[1])} key={work[1]} />;
  return (
    <>
      <Top where={where} />
      <Routed where={where} />
    </>
  );
}

function Routed({ where }: { where: string }) {
  const history = /^\/work\/(\d+)\/history$/.exec(where);
  if (history) return <History assignment={Number(history[1])} />;
  const result = /^\/tour\/(\d+)$/.exec(where);
  if (result) return <LessonResult assignment={Number(result[1])} />;
  const project = /^\/projects\/(\d+)(?:\/(\w+))?$/.exec(where);
  const ProjectPage = project ? PROJECT_PAGES.get(project[2] ?? "") : undefined;
  if (project && ProjectPage) return <ProjectPage id={Number(project[1])} key={where} />;
  if (ADMINS.includes(where) && !isAdmin()) return <Forbidden needs="the role admin" />;
  switch (where) {
    case "/projects/new":
      return <NewProject />;
    case "/people":
      return <People />;
    case "/audit":
      return <Audit />;
    case "/settings":
      return <Settings />;
    case "/help":
      return <Help />;
    case "/tour":
      return <Welcome />;
    case "/":
    case "/login":
    case "/welcome":
      return <Home />;
    default:
      return <NotFound />;
  }
}

const PROJECT_PAGES = new Map<string, ComponentType<{ id: number }>>([
  ["", Project],
  ["tasks", Tasks],
  ["quality", Quality],
  ["files", Files],
  ["rules", Rules],
  ["upload", UploadPage],
]);

const ADMINS = ["/projects/new", "/people", "/audit"];

function Top({ where }: { where: string }) {
  const [searching, setSearching] = useState(false);
  useEffect(() => {
    const help = (event: KeyboardEvent): void => {
      const chord = (event.ctrlKey || event.metaKey) && event.key === "k";
      if (chord || event.key === keyOf("palette")) {
        event.preventDefault();
        setSearching(true);
        return;
      }
      const typing = (event.target as HTMLElement).closest?.(
        "input, textarea, select, dialog[open], [data-command]",
      );
      if (!typing && eventKey(event) === keyOf("help")) go("/help");
    };
    window.addEventListener("keydown", help);
    return () => window.removeEventListener("keydown", help);
  }, []);
  const leave = async (): Promise<void> => {
    // What waits on this device is sent first: others may use it next.
    if (person.value) await sendLeftOver(person.value.id);
    await sendLater();
    await post("/api/logout").catch(() => {});
    signIn(null);
    go("/login");
  };
  return (
    <header class="taskbar">
      <Link to="/" class="brand" current={where === "/"}>
        <Brand />
      </Link>
      <nav aria-label="Pages">
        <Link to="/" current={where === "/"}>
          Projects
        </Link>
        {isAdmin() ? (
          <>
            <Link to="/people" current={where === "/people"}>
              People
            </Link>
            <Link to="/audit" current={where === "/audit"}>
              Audit
            </Link>
          </>
        ) : null}
        <Link to="/help" current={where === "/help"}>
          Help
        </Link>
      </nav>
      <span class="grow" />
      <Link to="/settings" current={where === "/settings"}>
        {person.value?.name}
      </Link>
      <button type="button" class="button quiet" onClick={() => void leave()}>
        Log out
      </button>
      {searching ? <Places onClose={() => setSearching(false)} leave={leave} /> : null}
    </header>
  );
}

/** Where one can go from any page: every project and what is in it. */
function Places({ onClose, leave }: { onClose: () => void; leave: () => Promise<void> }) {
  const { data: projects } = useLoaded<ProjectRow[]>("/api/projects");
  const to = (label: string, path: string): Entry => ({ label, run: () => go(path) });
  const entries = [
    to("Projects", "/"),
    ...(isAdmin() ? [to("People", "/people"), to("Audit log", "/audit")] : []),
    ...(isAdmin() ? [to("New project", "/projects/new")] : []),
    ...(projects ?? []).flatMap((project) => [
      ...(project.role === "contractor"
        ? [to(`Upload to ${project.name}`, `/projects/${project.id}/upload`)]
        : [{ label: `Work on ${project.name}`, run: () => void start(project) }]),
      ...(isStaff(project.role)
        ? [
            to(`Open ${project.name}`, `/projects/${project.id}`),
            { label: `Review ${project.name}`, run: () => void startReview(project.id) },
            to(`Tasks of ${project.name}`, `/projects/${project.id}/tasks`),
            to(`Quality of ${project.name}`, `/projects/${project.id}/quality`),
            to(`Files of ${project.name}: export, import`, `/projects/${project.id}/files`),
          ]
        : []),
    ]),
    to("Settings", "/settings"),
    to("Help", "/help"),
    { label: "Log out", run: () => void leave() },
  ];
  return <Palette entries={entries} onClose={onClose} />;
}

function Work({ assignment }: { assignment: number }) {
  const { task, share, error } = useTask(assignment);
  if (error) {
    return (
      <main class="card-page">
        <div class="card">
          <h1>This task cannot be opened</h1>
          <p role="alert">{error}</p>
          <Link to="/" class="button primary">
            Back to the projects
          </Link>
        </div>
      </main>
    );
  }
  if (!task) {
    return (
      <main class="card-page" aria-busy="true">
        <div class="card">
          <h1>Loading frames…</h1>
          <Bar share={share} label="Frames loaded" />
        </div>
      </main>
    );
  }
  const { kind } = task.opened.data.project;
  return kind === "actions" ? <ReviewPage task={task} /> : <CleanPage task={task} />;
}

function Toast() {
  const current = toast.value;
  return (
    <div
      class={`toast ${current ? current.kind : "empty"}`}
      role="status"
      aria-live={current?.kind === "bad" ? "assertive" : "polite"}
    >
      {current?.text}
    </div>
  );
}

render(<App />, document.getElementById("app")!);
