import { svelte } from "@sveltejs/vite-plugin-svelte";
import { build, type Plugin } from "vite";
import { defineConfig } from "vitest/config";

const outDir = process.env.CLEW_PAGE ?? "dist";

/** After the page, the script by which `clew export` draws the same figures without a browser. */
const figureScript: Plugin = {
  name: "figure-script",
  apply: "build",
  async closeBundle() {
    await build({
      configFile: false,
      plugins: [svelte()],
      logLevel: "warn",
      build: {
        outDir,
        emptyOutDir: false,
        target: "es2023",
        copyPublicDir: false,
        lib: {
          entry: "src/export/draw_figure.ts",
          formats: ["iife"],
          name: "clewFigure",
          fileName: () => "figure.js",
        },
      },
    });
  },
};

// One script, one style sheet and two fonts: the server can then put all of it into a single HTML file.
export default defineConfig({
  plugins: [svelte(), figureScript],
  build: {
    outDir,
    emptyOutDir: true,
    target: "es2023",
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    modulePreload: false,
    rolldownOptions: { output: { codeSplitting: false } },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8500" } },
  resolve: process.env.VITEST ? { conditions: ["browser"] } : {},
  test: { environment: "jsdom", include: ["test/**/*.test.ts"] },
});
