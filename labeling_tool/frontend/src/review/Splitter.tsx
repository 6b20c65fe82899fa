// The line between picture and timeline: dragged, or moved by the arrow keys.

import { divide, look, SHARES } from "./look";

const STEP = 0.03; // of the window's height, at each key
const NEEDED = 0.4; // about what the timeline takes where nobody has divided

export function Splitter() {
  const share = look.share.value ?? NEEDED;
  return (
    <div
      class="splitter"
      role="slider"
      aria-orientation="vertical"
      aria-label="Room of the timeline"
      aria-valuenow={Math.round(100 * share)}
      aria-valuemin={100 * SHARES.low}
      aria-valuemax={100 * SHARES.high}
      aria-valuetext={look.share.value === null ? "as its lanes need" : undefined}
      tabIndex={0}
      title="Drag to give the picture more room; a double click divides as at first"
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={(event) => {
        if (!event.buttons) return;
        const below = event.currentTarget.parentElement!.getBoundingClientRect().bottom;
        divide((below - event.clientY) / window.innerHeight);
      }}
      onDblClick={() => divide(null)}
      onKeyDown={(event) => {
        const steps = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
        if (!steps) return;
        event.preventDefault();
        event.stopPropagation(); // else the same key chooses a lane
        // From where the line is, whatever has put it there.
        const below = event.currentTarget.nextElementSibling!.getBoundingClientRect();
        divide(below.height / window.innerHeight + steps * STEP);
      }}
    />
  );
}
