// The front end's entry: who is there, which page is it, and the frame around all pages.

import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { post } from "./api";
import { CleanPage } from "./clean/CleanPage";
import { eventKey, keyOf } from "./keys";
import { sendLeftOver } from "./oplog";
import { Audit, People } from "./pages/Admin";
import { Help } from "./pages/Help";
import { History } from "./pages/History";
import { Home } from "./pages/Home";
import { Invited, Login, Setup } from "./pages/Login";
import { NewProject } from "./pages/project/NewProject";
import { Project } from "./pages/project/Project";
import { Quality } from "./pages/project/Quality";
import { Settings } from "./pages/Settings";
import { LessonResult, Welcome } from "./pages/Tour";
import { UploadPage } from "./pages/Upload";
import { Bar, Link } from "./parts";
import { ReviewPage } from "./review/ReviewPage";
import { go, isAdmin, loadState, path, person, type ServerState, signIn, toast } from "./session";
import { useTask } from "./task/useTask";

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
  const upload = /^\/projects\/(\d+)\/upload$/.exec(where);
  if (upload) return <UploadPage id={Number(upload[1])} />;
  const quality = /^\/projects\/(\d+)\/quality$/.exec(where);
  if (quality) return <Quality id={Number(quality[1])} key={quality[1]} />;
  const project = /^\/projects\/(\d+)$/.exec(where);
  if (project) return <Project id={Number(project[1])} key={project[1]} />;
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
    default:
      return <Home />;
  }
}

function Top({ where }: { where: string }) {
  useEffect(() => {
    const help = (event: KeyboardEvent): void => {
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
    await post("/api/logout").catch(() => {});
    signIn(null);
    go("/login");
  };
  return (
    <header class="taskbar">
      <Link to="/" class="brand" current={where === "/"}>
        vidact
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
    </header>
  );
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
