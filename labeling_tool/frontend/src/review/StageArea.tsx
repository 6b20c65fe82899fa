// The frame with what stands beside it, and the buttons for how one looks at it.

import type { Signal } from "@preact/signals";
import type { ComponentChildren, RefObject } from "preact";
import { keyOf } from "../keys";
import { Button } from "../parts";
import { flip, look, moveLens, toggleFull } from "./look";
import type { ReviewModel } from "./model";
import { LOOP_SPEEDS, loopSpeed } from "./watch";

const LENS_STEP = 0.03; // of the frame's width and height, at each key

export type CanvasRef = RefObject<HTMLCanvasElement | null>;

interface StageProps {
  model: ReviewModel;
  box: RefObject<HTMLDivElement | null>;
  canvases: { picture: CanvasRef; before: CanvasRef; after: CanvasRef; lens: CanvasRef };
  label: string;
}

export function StageArea({ model, box, canvases, label }: StageProps) {
  const neighbors = look.neighbors.value;
  return (
    <div class={`stage-area ${look.sharp.value ? "sharp" : ""}`}>
      <div class="stage" ref={box}>
        <canvas ref={canvases.before} hidden={!neighbors} id="before" aria-hidden="true" />
        <canvas
          ref={canvases.picture}
          id="picture"
          role="img"
          aria-label={label}
          onPointerMove={(event) => {
            // While playing along its buttons are the game's.
            if (look.lens.value && event.buttons === 1 && !model.along.isOn) pointLens(event);
          }}
          onPointerDown={(event) => {
            if (look.lens.value && !model.along.isOn) pointLens(event);
          }}
        />
        <canvas ref={canvases.after} hidden={!neighbors} id="after" aria-hidden="true" />
        <canvas
          ref={canvases.lens}
          hidden={!look.lens.value}
          id="lens"
          class="lens"
          role="img"
          aria-label="Magnifier; arrow keys move it"
          tabIndex={0}
          onKeyDown={lensKey}
        />
      </div>
      <StageTools model={model} />
    </div>
  );
}

function pointLens(event: MouseEvent): void {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  moveLens((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
}

function lensKey(event: KeyboardEvent): void {
  const [x, y] = look.lensAt.value;
  const across = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
  const down = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (!across && !down) return;
  event.preventDefault();
  event.stopPropagation(); // else they step, or choose a lane
  moveLens(x + across * LENS_STEP, y + down * LENS_STEP);
}

/** How one looks at the frame: each with its key. */
function StageTools({ model }: { model: ReviewModel }) {
  return (
    <section class="stage-tools" aria-label="View">
      <Toggle id="neighbors" choice={look.neighbors}>
        Neighbors
      </Toggle>
      <Toggle id="magnify" choice={look.lens}>
        Magnifier
      </Toggle>
      <Toggle id="sharp" choice={look.sharp}>
        Sharp
      </Toggle>
      <Button
        kind="quiet"
        hint={keyOf("fullScreen")}
        pressed={look.full.value}
        onClick={toggleFull}
      >
        Full screen
      </Button>
      <Button
        kind="quiet"
        hint={keyOf("marker")}
        pressed={model.markers.frames.value.includes(model.frame.value)}
        onClick={() => model.markers.toggle(model.frame.value)}
      >
        Mark
      </Button>
      <label class="inline">
        Speed
        <select
          value={loopSpeed.value}
          onChange={(event) => {
            model.watch.setSpeed(Number(event.currentTarget.value));
            event.currentTarget.blur(); // keys are the page's again
          }}
        >
          {LOOP_SPEEDS.map((speed) => (
            <option key={speed} value={speed}>
              {speed}×
            </option>
          ))}
        </select>
      </label>
    </section>
  );
}

interface ToggleProps {
  id: string;
  choice: Signal<boolean>;
  children: ComponentChildren;
}

function Toggle({ id, choice, children }: ToggleProps) {
  return (
    <Button kind="quiet" hint={keyOf(id)} pressed={choice.value} onClick={() => flip(choice)}>
      {children}
    </Button>
  );
}
