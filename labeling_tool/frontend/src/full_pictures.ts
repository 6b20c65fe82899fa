// Single frames of a task at full size, for small print and watermarks: all of them decoded would
// take a gigabyte, so the one that is stood on is fetched.

import { effect, type Signal, signal } from "@preact/signals";
import { bytes } from "./api";
import type { Pictures } from "./bundle";

const BOX = { width: 640, height: 480 }; // into which the server fits a task's pictures
const STAND_MS = 200; // on a frame, before more of it is wanted
const KEPT = 6; // decoded

export class FullPictures {
  /** Counts those that have come: who shows one reads it. */
  private readonly come = signal(0);
  private readonly frames = new Map<number, ImageBitmap>();
  private stopped = new AbortController();
  private failed = false;

  constructor(
    private readonly path: string,
    private readonly pictures: Pictures,
  ) {}

  /** Whether the server had to make them smaller: what fills its box on one side. */
  private get areLarger(): boolean {
    const { width, height, from } = this.pictures;
    return from !== "clip" && (width === BOX.width || height === BOX.height);
  }

  /** A frame at the best size that is here. */
  at(frame: number): ImageBitmap {
    this.come.value; // drawn again when it comes
    return this.frames.get(frame) ?? this.pictures.frames[frame];
  }

  /** Fetch what is stood on, until the function that is returned is called. */
  follow(frame: Signal<number>): () => void {
    if (!this.areLarger) return () => {};
    this.stopped = new AbortController();
    const stop = effect(() => {
      const stood = frame.value;
      const timer = window.setTimeout(() => void this.fetch(stood), STAND_MS);
      return () => window.clearTimeout(timer);
    });
    return () => {
      stop();
      this.stopped.abort();
      for (const picture of this.frames.values()) picture.close();
      this.frames.clear();
    };
  }

  private async fetch(frame: number): Promise<void> {
    const { signal: gone } = this.stopped;
    const known = this.frames.get(frame);
    if (known) {
      this.frames.delete(frame); // and last again: the one that is looked at stays longest
      this.frames.set(frame, known);
    }
    if (this.failed || known) return;
    try {
      const data = await bytes(`${this.path}/${frame}`, gone);
      const picture = await createImageBitmap(new Blob([data], { type: "image/jpeg" }));
      if (gone.aborted) return picture.close();
      this.frames.set(frame, picture);
      const [oldest] = this.frames.keys();
      if (this.frames.size > KEPT) {
        this.frames.get(oldest)!.close();
        this.frames.delete(oldest);
      }
      this.come.value += 1;
    } catch {
      if (!gone.aborted) this.failed = true; // the pictures that are here do
    }
  }
}
