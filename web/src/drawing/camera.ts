/** Cameras on the link graph: the scale, and the shift in pixels, that bring the layout into the window. */

import type { Camera } from "../app/address.ts";
import type { Layout } from "./link_layout.ts";

export interface WindowSize {
  width: number;
  height: number;
}

/** Room above for tools and the names of outputs, below for the prompt, beside for the last name (pixels). */
const ABOVE = 106;
const BELOW = 52;
const BESIDE = 60;
const PADDING = 30;
const MOST_SCALE = 2.2;
export const LEAST_SCALE = 0.02;
/** Pixels between the window's edge and a node that is brought into view. */
const MARGIN = 40;

/** Width over height of the room for the layout. */
export const aspectOf = ({ width, height }: WindowSize): number =>
  width > 100 ? (width - 60 - BESIDE) / Math.max(100, height - ABOVE - BELOW) : 1.5;

/** A camera on the whole layout. */
export function fittedCamera(layout: Layout, window: WindowSize): Camera {
  const width = Math.max(window.width - BESIDE, 100);
  const height = Math.max(window.height - ABOVE - BELOW, 100);
  const across = (width - 2 * PADDING) / Math.max(1, layout.width);
  const down = (height - 2 * PADDING) / Math.max(1, layout.height);
  const scale = Math.max(Math.min(MOST_SCALE, across, down), LEAST_SCALE);
  return [scale, (width - scale * layout.width) / 2, ABOVE + (height - scale * layout.height) / 2];
}

/** The camera after zooming around the middle of the window. */
export function zoomedCamera([scale, x, y]: Camera, { width, height }: WindowSize, factor: number): Camera {
  const [middleX, middleY] = [width / 2, height / 2];
  return [scale * factor, middleX - (middleX - x) * factor, middleY - (middleY - y) * factor];
}

/** The camera after the least shift that brings a place of the layout into view. */
export function cameraOn([scale, x, y]: Camera, window: WindowSize, place: [number, number]): Camera {
  const shift = (at: number, size: number) =>
    at < MARGIN ? MARGIN - at : at > size - MARGIN ? size - MARGIN - at : 0;
  return [
    scale,
    x + shift(place[0] * scale + x, window.width),
    y + shift(place[1] * scale + y, window.height),
  ];
}
