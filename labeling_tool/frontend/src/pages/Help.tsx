// Every key on one page.

import type { Scope } from "../keys";
import { ColorKey, KeyGroups, Link } from "../parts";

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

export function Help() {
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
