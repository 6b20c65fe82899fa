// As much of a browser as the review's model needs to be made in node.

const nothing = (): void => {};

/** Keeps texts as its own fields, by which a browser's storage lists them, too. */
class Stored {
  [key: string]: unknown;
}
Object.defineProperties(Stored.prototype, {
  getItem: { value(this: Stored, key: string) { return this[key] ?? null; } },
  setItem: { value(this: Stored, key: string, text: string) { this[key] = text; } },
  removeItem: { value(this: Stored, key: string) { delete this[key]; } },
});

Object.assign(globalThis, {
  window: {
    devicePixelRatio: 1,
    setTimeout: nothing, // nothing is sent: the tests read the log itself
    clearTimeout: nothing,
    addEventListener: nothing,
  },
  location: { pathname: "/" },
  matchMedia: () => ({ matches: false, addEventListener: nothing }),
  localStorage: new Stored(),
});

export const canvas = (): HTMLCanvasElement =>
  ({ style: {}, getContext: () => ({ setTransform: nothing }) }) as unknown as HTMLCanvasElement;
