// How far a project is, what came in, and who did it.

import { useState } from "preact/hooks";
import { Bar, duration, has, ScrollBox, Search } from "../../parts";
import { useSorted } from "../../tables";
import type { Progress, ProjectDetails } from "../../types";
import { Frame } from "./Frame";
import { Submissions } from "./Submissions";

const FEW = 8; // people who are found without a search

export function Project({ id }: { id: number }) {
  return (
    <Frame id={id} here="">
      {(project) => (
        <>
          <Numbers progress={project.progress} />
          <Submissions id={id} />
          <People people={project.people} />
        </>
      )}
    </Frame>
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
    <section class="panel" aria-label="Progress">
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
  const [text, setText] = useState("");
  const { sorted, head } = useSorted(
    people.filter((row) => has(row.name, text)),
    [
      ["Name", (row) => row.name],
      ["Submitted", (row) => row.submitted],
      ["Returned", (row) => row.returned],
      ["Worked", (row) => row.worked_s],
      ["Edits", (row) => row.operations],
    ],
  );
  if (!people.length) return null;
  return (
    <section class="panel">
      <div class="row">
        <h2>
          People <span class="muted">{people.length}</span>
        </h2>
        <span class="grow" />
        {people.length > FEW ? <Search label="Search" text={text} onText={setText} /> : null}
      </div>
      <ScrollBox label="People who worked on it">
        <table class="compact">
          {head}
          <tbody>
            {sorted.map((row) => (
              <tr key={row.name}>
                <th scope="row">{row.name}</th>
                <td>{row.submitted}</td>
                <td>{row.returned}</td>
                <td>{duration(row.worked_s)}</td>
                <td>{row.operations}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollBox>
    </section>
  );
}
