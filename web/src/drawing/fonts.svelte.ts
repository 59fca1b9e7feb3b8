/** The measure of texts that components use; it begins anew when a font of the page arrives. */

import { canvasMeasure, type Measure } from "./text_measure.ts";

class Fonts {
  measure: Measure = $state.raw(canvasMeasure());

  constructor() {
    const fonts = typeof document === "undefined" ? undefined : document.fonts;
    fonts?.addEventListener?.("loadingdone", () => (this.measure = canvasMeasure()));
  }
}

export const fonts = new Fonts();
