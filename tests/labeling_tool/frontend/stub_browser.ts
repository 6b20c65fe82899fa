// As much of a browser as the review's model needs to be made in node.

const stored = new Map<string, string>();
const nothing = (): void => {};

Object.assign(globalThis, {
  window: {
    devicePixelRatio: 1,
    setTimeout: nothing, // nothing is sent: the tests read the log itself
    clearTimeout: nothing,
    addEventListener: nothing,
  },
  location: { pathname: "/" },
  matchMedia: () => ({ matches: false, addEventListener: nothing }),
  localStorage: {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => stored.set(key, value),
    removeItem: (key: string) => stored.delete(key),
  },
});

export const canvas = (): HTMLCanvasElement =>
  ({ style: {}, getContext: () => ({ setTransform: nothing }) }) as unknown as HTMLCanvasElement;
