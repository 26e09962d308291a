// Builds the three modules that are committed under display/assets; the same source gives the same bytes.
import { mkdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const assets = fileURLToPath(new URL("../display/assets/", import.meta.url));
const LIMITS = { "answer.js": 100 * 1024, "stub.js": 1536, "asset.js": 1536 };

const minifiedCss = {
  name: "minified-css",
  setup(builder) {
    builder.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const result = await build({ entryPoints: [path], minify: true, write: false, logLevel: "silent" });
      return { contents: result.outputFiles[0].text.trim(), loader: "text" };
    });
  },
};

await mkdir(assets, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: { answer: "src/index.ts", stub: "src/stub.ts", asset: "src/asset.ts" },
  outdir: assets,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2021",
  charset: "ascii",
  legalComments: "none",
  plugins: [minifiedCss],
});
for (const [name, limit] of Object.entries(LIMITS)) {
  const size = (await readFile(`${assets}${name}`)).length;
  console.log(`${name} ${size} bytes (at most ${limit})`);
  if (size > limit) process.exitCode = 1;
}
