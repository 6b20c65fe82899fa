// What all pages of a project have above them: its name, its state, and the way to the others.

import type { ComponentChildren } from "preact";
import { patch } from "../../api";
import { Icon } from "../../icons";
import { Button, Link } from "../../parts";
import { isAdmin, sayError } from "../../session";
import type { ProjectDetails } from "../../types";
import { Instead, useLoaded } from "../Problems";

type Page = "" | "tasks" | "quality" | "files" | "rules";

interface FrameProps {
  id: number;
  here: Page;
  children: (project: ProjectDetails, load: () => void) => ComponentChildren;
}

export function Frame({ id, here, children }: FrameProps) {
  const { data: project, error, load } = useLoaded<ProjectDetails>(`/api/projects/${id}`);
  if (!project) return <Instead error={error} what="project" />;
  const pages: [Page, string][] = [
    ["", "Progress"],
    ["tasks", "Tasks"],
    ["quality", "Quality"],
    ...(project.practice ? [] : ([["files", "Files"]] as [Page, string][])),
    ...(isAdmin() ? ([["rules", "Rules"]] as [Page, string][]) : []),
  ];
  const turn = (): void =>
    void patch(`/api/projects/${id}`, { state: project.state === "open" ? "paused" : "open" })
      .then(load)
      .catch(sayError);
  return (
    <main class="page">
      <div class="row project-head">
        <Icon of={project.practice ? "practice" : project.kind} />
        <h1>{project.name}</h1>
        {project.state === "paused" ? <span class="badge">paused</span> : null}
        <span class="grow" />
        {isAdmin() ? (
          <Button onClick={turn}>
            {project.state === "open" ? "Pause project" : "Open project"}
          </Button>
        ) : null}
      </div>
      <nav class="tabs" aria-label={`Pages of ${project.name}`}>
        {pages.map(([page, name]) => (
          <Link
            key={page}
            to={page ? `/projects/${id}/${page}` : `/projects/${id}`}
            current={page === here}
          >
            {name}
          </Link>
        ))}
      </nav>
      {children(project, load)}
    </main>
  );
}
