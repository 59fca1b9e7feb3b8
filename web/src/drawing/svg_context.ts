/** A canvas context that writes SVG; it has the methods that the painting functions use. */

type Matrix = [number, number, number, number, number, number];

interface State {
  fillStyle: string;
  strokeStyle: string;
  lineWidth: number;
  globalAlpha: number;
  font: string;
  textAlign: CanvasTextAlign;
  textBaseline: CanvasTextBaseline;
  dash: number[];
  matrix: Matrix;
}

const ANCHORS: Partial<Record<CanvasTextAlign, string>> = { center: "middle", right: "end" };
const BASELINES: Partial<Record<CanvasTextBaseline, string>> = { middle: "central", top: "hanging" };

export class SvgContext {
  textRendering = "auto";
  fillStyle = "#000";
  strokeStyle = "#000";
  lineWidth = 1;
  globalAlpha = 1;
  font = "10px sans-serif";
  textAlign: CanvasTextAlign = "left";
  textBaseline: CanvasTextBaseline = "alphabetic";
  private dash: number[] = [];
  private matrix: Matrix = [1, 0, 0, 1, 0, 0];
  private path = "";
  private readonly saved: State[] = [];
  private readonly parts: string[] = [];
  private readonly size: [number, number];
  private readonly measure = document.createElement("canvas").getContext("2d");

  constructor(width: number, height: number, background: string) {
    this.size = [width, height];
    this.parts.push(`<rect width="${width}" height="${height}" fill="${background}"/>`);
  }

  text(): string {
    const [width, height] = this.size;
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">${this.parts.join("\n")}</svg>`;
  }

  save(): void {
    const { fillStyle, strokeStyle, lineWidth, globalAlpha, font, textAlign, textBaseline, dash, matrix } =
      this;
    this.saved.push({
      fillStyle,
      strokeStyle,
      lineWidth,
      globalAlpha,
      font,
      textAlign,
      textBaseline,
      dash,
      matrix,
    });
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

  /** The background is there already. */
  clearRect(): void {}

  beginPath(): void {
    this.path = "";
  }

  moveTo(x: number, y: number): void {
    this.path += `M${at(x)},${at(y)}`;
  }

  lineTo(x: number, y: number): void {
    this.path += `L${at(x)},${at(y)}`;
  }

  bezierCurveTo(x1: number, y1: number, x2: number, y2: number, x: number, y: number): void {
    this.path += `C${at(x1)},${at(y1)} ${at(x2)},${at(y2)} ${at(x)},${at(y)}`;
  }

  /** Whole circles only. */
  arc(x: number, y: number, r: number): void {
    this.path += `M${at(x - r)},${at(y)}a${at(r)},${at(r)} 0 1 0 ${at(2 * r)},0a${at(r)},${at(r)} 0 1 0 ${at(-2 * r)},0Z`;
  }

  rect(x: number, y: number, width: number, height: number): void {
    this.path += `M${at(x)},${at(y)}h${at(width)}v${at(height)}h${at(-width)}Z`;
  }

  closePath(): void {
    this.path += "Z";
  }

  fill(): void {
    this.add(`<path d="${this.path}" fill="${this.fillStyle}"`);
  }

  stroke(): void {
    const dash = this.dash.length ? ` stroke-dasharray="${this.dash.join(" ")}"` : "";
    this.add(
      `<path d="${this.path}" fill="none" stroke="${this.strokeStyle}" stroke-width="${at(this.lineWidth)}"${dash}`,
    );
  }

  fillRect(x: number, y: number, width: number, height: number): void {
    this.add(
      `<rect x="${at(x)}" y="${at(y)}" width="${at(width)}" height="${at(height)}" fill="${this.fillStyle}"`,
    );
  }

  fillText(text: string, x: number, y: number): void {
    const font = escape(this.font.replace(/^(\S+px)/, "400 $1"));
    const [weight, size, ...family] = font.split(" ");
    this.add(
      `<text x="${at(x)}" y="${at(y)}" font-weight="${weight}" font-size="${size}" font-family="${family.join(" ")}" text-anchor="${ANCHORS[this.textAlign] ?? "start"}" dominant-baseline="${BASELINES[this.textBaseline] ?? "auto"}" fill="${this.fillStyle}" xml:space="preserve" font-variant-ligatures="none"`,
      escape(text),
    );
  }

  measureText(text: string): { width: number } {
    if (!this.measure) return { width: text.length * 6.5 };
    this.measure.font = this.font;
    return this.measure.measureText(text);
  }

  private add(begin: string, content?: string): void {
    const opacity = this.globalAlpha < 1 ? ` opacity="${this.globalAlpha.toFixed(3)}"` : "";
    const isMoved = this.matrix.some((value, place) => value !== [1, 0, 0, 1, 0, 0][place]);
    const transform = isMoved
      ? ` transform="matrix(${this.matrix.map((value) => value.toFixed(4)).join(" ")})"`
      : "";
    const end = content === undefined ? "/>" : `>${content}</text>`;
    this.parts.push(`${begin}${opacity}${transform}${end}`);
  }
}

const at = (value: number): string => String(Math.round(value * 100) / 100);

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
