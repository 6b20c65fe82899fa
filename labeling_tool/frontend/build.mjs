// Bundles the front end into ../static, which the server serves and the wheel carries.
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "static");
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const result = await build({
  entryPoints: { app: join(here, "src", "main.tsx"), style: join(here, "src", "style", "all.css") },
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  jsx: "automatic",
  jsxImportSource: "preact",
  outdir: out,
  metafile: true,
  logLevel: "warning",
});

// The page names its files by content, so that a new version is never mixed with an old one out of
// a browser's cache.
let page = readFileSync(join(here, "src", "index.html"), "utf8");
for (const name of ["app.js", "style.css"]) {
  const hash = createHash("sha256")
    .update(readFileSync(join(out, name)))
    .digest("hex")
    .slice(0, 12);
  page = page.replaceAll(`/static/${name}`, `/static/${name}?v=${hash}`);
}
writeFileSync(join(out, "index.html"), page);
cpSync(join(here, "src", "icon.svg"), join(out, "icon.svg"));
const bytes = Object.values(result.metafile.outputs).reduce((sum, output) => sum + output.bytes, 0);
console.log(`front end: ${(bytes / 1024).toFixed(0)} KiB in ${out}`);
