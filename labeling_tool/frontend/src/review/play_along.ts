// Playing along: while a loop runs slowly, the game's own keys are held as one thinks they were,
// and are written into the lanes. A key that is held over the loop's end goes on at its start.

import { batch, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { codeOf } from "./game_keys";
import type { ReviewLabels } from "./labels";
import type { Watch } from "./watch";

export class PlayAlong {
  /** The lanes whose keys are held now, each with the frame since which it was. */
  readonly held = signal<ReadonlyMap<number, number>>(new Map());
  private readonly codes: string[];

  constructor(
    private readonly model: ReviewLabels,
    private readonly watch: Watch,
  ) {
    this.codes = model.data.project.inputs?.map(codeOf) ?? [];
  }

  get isOn(): boolean {
    return this.model.mode.value === "along";
  }

  /** The lane of a key; -1 where the game has no use for it. */
  private laneOf(code: string): number {
    return code ? this.codes.indexOf(code) : -1;
  }

  /** A key goes down; whether it is one of the game's. */
  down(code: string): boolean {
    const lane = this.laneOf(code);
    if (lane < 0) return false;
    if (!this.held.value.has(lane)) {
      batch(() => {
        this.model.lane.value = lane;
        this.held.value = new Map(this.held.value).set(lane, this.model.frame.value);
        if (!this.watch.playing.value) this.watch.toggle();
      });
    }
    return true;
  }

  up(code: string): boolean {
    const lane = this.laneOf(code);
    if (lane < 0) return false;
    this.write([lane], this.model.frame.value + 1);
    return true;
  }

  /** The loop is at its end: what is held is held up to there, and from its start on again. */
  wrap(end: number, start: number): void {
    const lanes = [...this.held.value.keys()];
    if (!lanes.length) return;
    batch(() => {
      this.write(lanes, end);
      this.held.value = new Map(lanes.map((lane) => [lane, start]));
    });
  }

  /** The window has lost the keyboard: nobody will tell when keys go up. */
  releaseAll(): void {
    this.write([...this.held.value.keys()], this.model.frame.value + 1);
  }

  private write(lanes: number[], end: number): void {
    batch(() => {
      const left = new Map(this.held.value);
      for (const lane of lanes) {
        const start = left.get(lane);
        left.delete(lane);
        if (start !== undefined && start < end) this.model.setLane(lane, { start, end }, 1);
      }
      this.held.value = left;
    });
  }
}

/** While the mode is on, the game's keys are the game's, before they are anybody else's. */
export function usePlayAlong(along: PlayAlong): void {
  useEffect(() => {
    const isFree = (event: Event): boolean => {
      const target = event.target as HTMLElement | null;
      return along.isOn && !target?.closest?.("dialog[open], input, textarea, select, button");
    };
    const take = (event: Event, isTaken: boolean): void => {
      if (!isTaken) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    };
    const keyDown = (event: KeyboardEvent): void => {
      if (isFree(event) && !event.ctrlKey && !event.metaKey && !event.altKey)
        take(event, along.down(event.code));
    };
    const keyUp = (event: KeyboardEvent): void => {
      if (along.isOn) take(event, along.up(event.code));
    };
    const onPicture = (event: Event): boolean =>
      isFree(event) && (event.target as HTMLElement).closest(".stage") !== null;
    const pointerDown = (event: PointerEvent): void => {
      if (onPicture(event)) take(event, along.down(`Mouse${event.button}`));
    };
    const pointerUp = (event: PointerEvent): void => {
      if (along.isOn) along.up(`Mouse${event.button}`);
    };
    const noMenu = (event: Event): void => {
      if (onPicture(event)) event.preventDefault();
    };
    const releaseAll = (): void => along.releaseAll();
    const listening = new AbortController();
    const options = { signal: listening.signal, capture: true };
    window.addEventListener("keydown", keyDown, options);
    window.addEventListener("keyup", keyUp, options);
    window.addEventListener("pointerdown", pointerDown, options);
    window.addEventListener("pointerup", pointerUp, options);
    window.addEventListener("contextmenu", noMenu, options);
    window.addEventListener("blur", releaseAll, options);
    document.addEventListener("visibilitychange", releaseAll, options);
    return () => listening.abort();
  }, [along]);
}
