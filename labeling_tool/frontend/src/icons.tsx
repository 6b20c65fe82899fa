// The mark of the tool and the signs of what projects are about: lines in the color of the text.

const SHAPES = {
  /** Presses on the lanes of a roll. */
  actions: "M3 6h8M15 6h6M3 12h4M10 12h11M3 18h11M18 18h3",
  /** Four frames, of which one is judged. */
  clean: "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 17l2.2 2.4L20.5 14",
  /** A small task with a known answer. */
  practice: "M2.5 9 12 4.5 21.5 9 12 13.5zM6.5 11v4.5c0 1.2 2.6 2.6 5.5 2.6s5.5-1.4 5.5-2.6V11",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
};

export function Icon({ of }: { of: keyof typeof SHAPES }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={SHAPES[of]} />
    </svg>
  );
}

/** The tool's sign and name. */
export function Brand({ size = 18 }: { size?: number }) {
  return (
    <>
      <img src="/static/icon.svg" alt="" width={size} height={size} /> vidact
    </>
  );
}
