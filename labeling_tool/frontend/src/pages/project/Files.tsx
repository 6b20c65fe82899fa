// What goes into a project and what comes out of it.

import { Upload } from "../Upload";
import { Exports } from "./Exports";
import { Frame } from "./Frame";

export function Files({ id }: { id: number }) {
  return (
    <Frame id={id} here="files">
      {(project, load) =>
        project.practice ? null : (
          <>
            <Exports project={project} />
            <section class="panel">
              <h2>Import</h2>
              <Upload project={project} onDone={load} />
            </section>
          </>
        )
      }
    </Frame>
  );
}
