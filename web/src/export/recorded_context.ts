/** A canvas context that keeps what is painted as shapes; it has the methods that the painting functions use. */

import { withoutSteering } from "../graph/token_text.ts";
import type { Measure, TextStyle } from "../drawing/text_measure.ts";

type Matrix = [number, number, number, number, number, number];
/** A step of a path in the drawing's pixels: move, line, curve or close. */
export type Step = ["M", number, number] | ["L", number, number] | ["C", ...Six] | ["Z"];
type Six = [number, number, number, number, number, number];

export interface PathShape {
  kind: "path";
  steps: Step[];
  fill: string | null;
  stroke: string | null;
  width: number;
  dash: number[];
  opacity: number;
}

export interface TextShape {
  kind: "text";
  text: string;
  style: TextStyle;
  color: string;
  /** Where its baseline begins, and the angle of the line (radians). */
  x: number;
  y: number;
  angle: number;
  length: number;
  opacity: number;
}

export type Shape = PathShape | TextShape;

export interface Frame {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** Heights of letters over the baseline, as a part of the font's size. */
const BASELINES: Partial<Record<CanvasTextBaseline, number>> = { middle: 0.36, top: 0.84 };
const LEADS: Partial<Record<CanvasTextAlign, number>> = { center: 0.5, right: 1 };
/** Distance of a curve's control points that makes a quarter of a circle. */
const ROUND = 0.5523;

export class RecordedContext {
  textRendering = "auto";
  letterSpacing = "0px";
  fillStyle = "#000";
  strokeStyle = "#000";
  lineWidth = 1;
  globalAlpha = 1;
  font = "10px sans-serif";
  textAlign: CanvasTextAlign = "left";
  textBaseline: CanvasTextBaseline = "alphabetic";
  readonly shapes: Shape[] = [];
  private dash: number[] = [];
  private matrix: Matrix = [1, 0, 0, 1, 0, 0];
  private steps: Step[] = [];
  private readonly saved: Record<string, unknown>[] = [];
  private readonly measure: Measure;

  constructor(measure: Measure) {
    this.measure = measure;
  }

  /** The context as the painting functions expect it; they use only what it has. */
  get asCanvas(): CanvasRenderingContext2D {
    return this as unknown as CanvasRenderingContext2D;
  }

  save(): void {
    const { fillStyle, strokeStyle, lineWidth, globalAlpha, font, textAlign, textBaseline, dash, matrix } =
      this;
    this.saved.push({ fillStyle, strokeStyle, lineWidth, globalAlpha, font, textAlign, textBaseline });
    Object.assign(this.saved.at(-1)!, { dash, matrix });
  }

  restore(): void {
    Object.assign(this, this.saved.pop());
  }

  translate(x: number, y: number): void {
    const [a, b, c, d, e, f] = this.matrix;
    this.matrix = [a, b, c, d, e + a * x + c * y, f + b * x + d * y];
  }

  rotate(angle: number): void {
    const [a, b, c, d, e, f] = this.matrix;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    this.matrix = [a * cos + c * sin, b * cos + d * sin, c * cos - a * sin, d * cos - b * sin, e, f];
  }

  setLineDash(dash: number[]): void {
    this.dash = dash;
  }

  /** Nothing was painted before. */
  clearRect(): void {}

  beginPath(): void {
    this.steps = [];
  }

  moveTo(x: number, y: number): void {
    this.steps.push(["M", ...this.at(x, y)]);
  }

  lineTo(x: number, y: number): void {
    this.steps.push(["L", ...this.at(x, y)]);
  }

  bezierCurveTo(x1: number, y1: number, x2: number, y2: number, x: number, y: number): void {
    this.steps.push(["C", ...this.at(x1, y1), ...this.at(x2, y2), ...this.at(x, y)]);
  }

  /** Whole circles only. */
  arc(x: number, y: number, r: number): void {
    const k = ROUND * r;
    this.moveTo(x + r, y);
    this.bezierCurveTo(x + r, y + k, x + k, y + r, x, y + r);
    this.bezierCurveTo(x - k, y + r, x - r, y + k, x - r, y);
    this.bezierCurveTo(x - r, y - k, x - k, y - r, x, y - r);
    this.bezierCurveTo(x + k, y - r, x + r, y - k, x + r, y);
    this.closePath();
  }

  rect(x: number, y: number, width: number, height: number): void {
    this.roundRect(x, y, width, height, 0);
  }

  roundRect(x: number, y: number, width: number, height: number, radius: number): void {
    const r = Math.min(radius, width / 2, height / 2);
    const k = r - ROUND * r;
    const [right, bottom] = [x + width, y + height];
    const corner = (...points: Six) => r > 0 && this.bezierCurveTo(...points);
    this.moveTo(x + r, y);
    this.lineTo(right - r, y);
    corner(right - k, y, right, y + k, right, y + r);
    this.lineTo(right, bottom - r);
    corner(right, bottom - k, right - k, bottom, right - r, bottom);
    this.lineTo(x + r, bottom);
    corner(x + k, bottom, x, bottom - k, x, bottom - r);
    this.lineTo(x, y + r);
    corner(x, y + k, x + k, y, x + r, y);
    this.closePath();
  }

  closePath(): void {
    this.steps.push(["Z"]);
  }

  fill(): void {
    this.add({ fill: this.fillStyle });
  }

  stroke(): void {
    this.add({ stroke: this.strokeStyle, width: this.lineWidth, dash: this.dash });
  }

  fillRect(x: number, y: number, width: number, height: number): void {
    const { steps } = this;
    this.beginPath();
    this.rect(x, y, width, height);
    this.fill();
    this.steps = steps;
  }

  fillText(painted: string, x: number, y: number): void {
    const text = withoutSteering(painted);
    const style = styleOf(this.font);
    const length = this.measure(text, style);
    const [begin, baseline] = this.at(
      x - (LEADS[this.textAlign] ?? 0) * length,
      y + (BASELINES[this.textBaseline] ?? 0) * style.size,
    );
    const angle = Math.atan2(this.matrix[1], this.matrix[0]);
    const place = { x: begin, y: baseline, angle, length };
    this.shapes.push({
      kind: "text",
      text,
      style,
      color: this.fillStyle,
      ...place,
      opacity: this.globalAlpha,
    });
  }

  measureText(text: string): { width: number } {
    return { width: this.measure(withoutSteering(text), styleOf(this.font)) };
  }

  private add(paint: Partial<PathShape>): void {
    const plain = { fill: null, stroke: null, width: 0, dash: [], opacity: this.globalAlpha };
    this.shapes.push({ kind: "path", steps: this.steps, ...plain, ...paint });
  }

  private at(x: number, y: number): [number, number] {
    const [a, b, c, d, e, f] = this.matrix;
    return [a * x + c * y + e, b * x + d * y + f];
  }
}

/** A font as a canvas has it: `600 13px 'Inter Variable', sans-serif`. */
function styleOf(font: string): TextStyle {
  const [, weight, size] = /^(?:(\d+) )?([\d.]+)px/.exec(font) ?? [];
  return {
    weight: Number(weight ?? 400),
    size: Number(size ?? 10),
    family: /mono/i.test(font) ? "mono" : "sans",
  };
}

/** The smallest frame around all shapes, with a margin. */
export function frameAround(shapes: readonly Shape[], margin: number): Frame {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  const take = (x: number, y: number, around: number) => {
    left = Math.min(left, x - around);
    right = Math.max(right, x + around);
    top = Math.min(top, y - around);
    bottom = Math.max(bottom, y + around);
  };
  for (const shape of shapes) {
    if (shape.kind === "text") {
      const { x, y, angle, length, style } = shape;
      for (const along of [0, length])
        for (const up of [-0.25 * style.size, 0.8 * style.size])
          take(
            x + along * Math.cos(angle) + up * Math.sin(angle),
            y + along * Math.sin(angle) - up * Math.cos(angle),
            0,
          );
    } else
      for (const [, ...points] of shape.steps)
        for (let place = 0; place < points.length; place += 2)
          take(points[place], points[place + 1], shape.width / 2);
  }
  if (left > right) return { x: 0, y: 0, width: 1, height: 1 };
  return {
    x: left - margin,
    y: top - margin,
    width: right - left + 2 * margin,
    height: bottom - top + 2 * margin,
  };
}
