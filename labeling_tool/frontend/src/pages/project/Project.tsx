// A project as its admin and reviewers see it.

import { patch } from "../../api";
import { Bar, Button, duration, Link } from "../../parts";
import { isAdmin, sayError } from "../../session";
import type { Progress, ProjectDetails } from "../../types";
import { Instead, useLoaded } from "../Problems";
import { Upload } from "../Upload";
import { Exports } from "./Exports";
import { Rules } from "./Rules";
import { Submissions } from "./Submissions";

export function Project({ id }: { id: number }) {
  const { data: project, error, load } = useLoaded<ProjectDetails>(`/api/projects/${id}`);
  if (!project) return <Instead error={error} what="project" />;
  return (
    <main class="page">
      <div class="row">
        <h1>{project.name}</h1>
        {project.state === "paused" ? <span class="badge">paused</span> : null}
        <span class="grow" />
        <Link to={`/projects/${id}/tasks`} class="button">
          Tasks
        </Link>
        <Link to={`/projects/${id}/quality`} class="button">
          Quality
        </Link>
        {isAdmin() ? (
          <Button
            onClick={() =>
              void patch(`/api/projects/${id}`, {
                state: project.state === "open" ? "paused" : "open",
              })
                .then(load)
                .catch(sayError)
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

function People({ people }: { people: ProjectDetails["people"] }) {
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
