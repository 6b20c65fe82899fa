// Whether the canvas can be read: contrast in both themes, and what the kinds of color blindness
// leave of the differences. axe does not see into a canvas.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

type Triple = [number, number, number];

const css = readFileSync("src/style/theme.css", "utf8");

/** A color of the theme as it is in the light (0) or in the dark (1), each channel in [0, 1]. */
function color(name: string, scheme: number): Triple {
  const [, value] = new RegExp(`--${name}: ([^;]+);`).exec(css)!;
  const [, other] = /^var\(--([\w-]+)\)$/.exec(value) ?? [];
  if (other) return color(other, scheme);
  const hex = value.match(/#[0-9a-f]{6}/g)![scheme];
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255) as Triple;
}

const linear = (c: Triple): Triple =>
  c.map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)) as Triple;
const dot = (a: Triple, b: Triple): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const times = (rows: Triple[], c: Triple): Triple => rows.map((row) => dot(row, c)) as Triple;

/** Contrast by WCAG 2, from 1 to 21. */
function contrast(a: Triple, b: Triple): number {
  const [low, high] = [a, b]
    .map((c) => dot([0.2126, 0.7152, 0.0722], linear(c)))
    .sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

// How eyes without one kind of cone see linear RGB: Machado, Oliveira, Fernandes (2009),
// severity 1.
const EYES: Record<string, Triple[]> = {
  normal: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

const TO_XYZ: Triple[] = [
  [0.4124, 0.3576, 0.1805],
  [0.2126, 0.7152, 0.0722],
  [0.0193, 0.1192, 0.9505],
];

/** A color in CIE L*a*b*, as an eye sees it. */
function seen(c: Triple, eye: Triple[]): Triple {
  const shown = times(eye, linear(c)).map((x) => Math.min(1, Math.max(0, x))) as Triple;
  const white: Triple = [0.9505, 1, 1.089];
  const [x, y, z] = times(TO_XYZ, shown).map((value, i) => {
    const share = value / white[i];
    return share > 0.008856 ? Math.cbrt(share) : 7.787 * share + 16 / 116;
  });
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

const SCHEMES = ["light", "dark"];
const MEANINGS = [
  ...["held", "edit", "doubt", "ghost", "unsure"],
  ...["curve", "bad", "correction", "remark"],
];
/** Meanings that share a place on the canvas and a shape, so that their color must tell. */
const TOGETHER = [
  ["held", "edit"],
  ["held", "ghost"],
  ["edit", "ghost"],
  ["held", "doubt"],
  ["held", "unsure"],
  ["doubt", "unsure"],
  ["curve", "ghost"],
];
const LEAST_CONTRAST = 3; // WCAG 1.4.11, for what is no text
const LEAST_DIFFERENCE = 20; // of L*a*b*: ten times what is just noticed side by side

test("everything on the canvas stands out from what it lies on, in both themes", () => {
  for (const [scheme, name] of SCHEMES.entries())
    for (const meaning of MEANINGS)
      for (const ground of ["surface", "lane"]) {
        const found = contrast(color(`t-${meaning}`, scheme), color(`t-${ground}`, scheme));
        assert.ok(found >= LEAST_CONTRAST, `${name}: ${meaning} on ${ground} ${found.toFixed(2)}`);
      }
});

test("what shares a place is told apart by every kind of eye", () => {
  for (const [scheme, name] of SCHEMES.entries())
    for (const [kind, eye] of Object.entries(EYES))
      for (const pair of TOGETHER) {
        const [a, b] = pair.map((meaning) => seen(color(`t-${meaning}`, scheme), eye));
        const apart = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
        assert.ok(apart >= LEAST_DIFFERENCE, `${name}, ${kind}: ${pair} ${apart.toFixed(0)}`);
      }
});
