// The frames of a clean-or-not task: a page of them, or one large with its neighbors.

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { between } from "../task/selection";
import { type CleanModel, LABELS } from "./model";

const AROUND = 4; // frames on each side of the large one

interface FrameProps {
  model: CleanModel;
  frame: number;
}

function Picture({ model, frame, large }: FrameProps & { large?: boolean }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const picture = large ? model.full.at(frame) : model.pictures.frames[frame];
  // Before the browser paints: drawn later, the picture would for a moment be that of another frame
  // than the number.
  useLayoutEffect(() => {
    const target = canvas.current!;
    target.width = picture.width;
    target.height = picture.height;
    target.getContext("2d")!.drawImage(picture, 0, 0);
    target.dataset.frame = String(frame);
  }, [picture, frame]);
  return <canvas ref={canvas} aria-hidden="true" />;
}

function Tag({ model, frame }: FrameProps) {
  const { labels, reasons } = model.document.value;
  const label = labels[frame];
  if (!label) return null;
  const name = LABELS.find((entry) => entry.id === label)!.short;
  return <span class={`tag ${label}`}>{[name, ...reasons[frame]].join(" · ")}</span>;
}

function Cell({ model, frame, size }: FrameProps & { size: string }) {
  const label = model.document.value.labels[frame];
  const selected = model.selection.has(frame) ? "selected" : "";
  return (
    <button
      type="button"
      class={`cell ${size} ${label ?? "open"} ${selected}`}
      aria-current={frame === model.frame.value ? "true" : undefined}
      onClick={(event) => {
        if (event.detail > 0) event.currentTarget.blur();
        if (event.shiftKey) model.selection.set(between(frame, model.frame.value));
        else model.seek(frame);
      }}
      tabIndex={-1}
    >
      <Picture model={model} frame={frame} />
      <span class="number">
        <span class="hidden">Frame </span>
        {frame + 1}
      </span>
      <Tag model={model} frame={frame} />
      {label ? null : <span class="hidden">no label</span>}
    </button>
  );
}

const count = (start: number, end: number): number[] =>
  Array.from({ length: end - start }, (_, i) => start + i);

export function Grid({ model }: { model: CleanModel }) {
  const { start, end } = model.page;
  return (
    <section class="grid" aria-label={`Frames ${start + 1} to ${end}`}>
      {count(start, end).map((frame) => (
        <Cell key={frame} model={model} frame={frame} size="small" />
      ))}
    </section>
  );
}

export function Single({ model }: { model: CleanModel }) {
  const frame = model.frame.value;
  const length = Math.min(2 * AROUND + 1, model.frames);
  const first = Math.max(0, Math.min(frame - AROUND, model.frames - length));
  useEffect(() => model.full.follow(model.frame), [model]);
  return (
    <section class="single">
      <div
        class={`big ${model.document.value.labels[frame] ?? "open"}`}
        role="img"
        aria-label={spoken(model)}
        data-frame={frame}
      >
        <Picture model={model} frame={frame} large />
        <Tag model={model} frame={frame} />
      </div>
      <div class="strip">
        {count(first, first + length).map((other) => (
          <Cell key={other} model={model} frame={other} size="tiny" />
        ))}
      </div>
    </section>
  );
}

/** The frame in words, for those who do not see it. */
function spoken(model: CleanModel): string {
  const frame = model.frame.value;
  const { labels, reasons } = model.document.value;
  const label = labels[frame];
  const what = label ? [label, ...reasons[frame]].join(", ") : "no label";
  return `frame ${frame + 1} of ${model.frames}, ${what}`;
}
