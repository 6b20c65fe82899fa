// A task's pictures: one bundle, decoded completely before the first key counts. See bundles.py for
// the format.

import { bytes } from "./api";

export interface Pictures {
  frames: ImageBitmap[];
  width: number;
  height: number;
  from: "source" | "preview" | "clip";
  why: string;
}

interface Head {
  lengths: number[];
  width: number;
  height: number;
  from: Pictures["from"];
  why?: string;
}

const AT_ONCE = 8; // decodes in flight: more only takes memory

export function parseBundle(data: ArrayBuffer): { head: Head; parts: Uint8Array[] } {
  const view = new DataView(data);
  const magic = String.fromCharCode(...new Uint8Array(data, 0, 4));
  if (magic !== "VAB1") throw new Error("The pictures of this task are damaged. Reload the page.");
  const length = view.getUint32(4, true);
  const head: Head = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 8, length)));
  let at = 8 + length;
  const parts = head.lengths.map((size) => {
    const part = new Uint8Array(data, at, size);
    at += size;
    return part;
  });
  if (at !== data.byteLength)
    throw new Error("The pictures of this task are damaged. Reload the page.");
  return { head, parts };
}

export async function loadPictures(
  path: string,
  onProgress: (share: number) => void = () => {},
  signal?: AbortSignal,
): Promise<Pictures> {
  const { head, parts } = parseBundle(await bytes(path, signal));
  const frames: ImageBitmap[] = new Array(parts.length);
  let next = 0;
  let done = 0;
  const worker = async (): Promise<void> => {
    while (next < parts.length && !signal?.aborted) {
      const i = next++;
      frames[i] = await createImageBitmap(new Blob([parts[i] as BlobPart], { type: "image/jpeg" }));
      done += 1;
      if (done % 8 === 0) onProgress(done / parts.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { frames, width: head.width, height: head.height, from: head.from, why: head.why ?? "" };
}

export function closePictures(pictures: Pictures | null | undefined): void {
  for (const frame of pictures?.frames ?? []) frame?.close();
}
