// Every key on one page.

import type { Scope } from "../keys";
import { ColorKey, KeyGroups, Link } from "../parts";
import { person } from "../session";

function Table({ scope, title }: { scope: Scope; title: string }) {
  return (
    <section class="panel">
      <h2>{title}</h2>
      <div class="keys">
        <KeyGroups scope={scope} />
      </div>
    </section>
  );
}

/** Who only uploads needs none of the keys. */
function ContractorHelp() {
  return (
    <main class="page">
      <h1>Help</h1>
      <section class="panel">
        <p>
          Choose a project and press Upload: a video, or a recording with the file of its actions
          beside it. The page says how far it is, and what became of it. A video that is refused is
          not kept; the reason stands under its name.
        </p>
        <p>
          What you upload is looked at by the people of the project only. Ask them what they want
          recorded, and how.
        </p>
      </section>
    </main>
  );
}

export function Help() {
  if (person.value?.role === "contractor") return <ContractorHelp />;
  return (
    <main class="page">
      <h1>Help</h1>
      <section class="panel">
        <p>
          Nothing has to be saved: every edit goes to this device first and to the server within a
          fraction of a second. If the server or the network is gone, go on working; the line at the
          top says what waits. Undo has no end.
        </p>
        <p>
          A task is yours while its page is open. Pause keeps it for later; giving it back lets
          somebody else have it. What you cannot tell from the frames, mark as unsure: a guess is
          worse than a gap.
        </p>
        <p>
          <Link to="/tour">Take the tour</Link> · <Link to="/settings">change keys</Link>
        </p>
      </section>
      <section class="panel">
        <h2>Colours of action review</h2>
        <ColorKey />
      </section>
      <Table scope="review" title="Keys of action review" />
      <Table scope="clean" title="Keys of clean or not" />
    </main>
  );
}
