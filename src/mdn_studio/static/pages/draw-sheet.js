// A sheet: strokes of several people in one picture, drawn with a pen, and sent to the server as they come.

import { hint } from "../chart.js";
import { canvas, colour, pen } from "../ui.js";

export const WIDTH = 400, HEIGHT = 300;
export const HUES = ["blue", "orange", "green", "purple", "red"];
const EVERY = 30; // milliseconds between two messages with ink
const SMOOTHED = 20_000; // points up to which all is drawn anew after each stroke
const AT_ONCE = 1000; // points in a message; the server takes twice as many
const fresh = () => Array.from(crypto.getRandomValues(new Uint32Array(2)), (one) => one.toString(36)).join("");

/** Draws lines [[x, y], …] as they are, in the unit of the context. */
export function drawLines(context, lines) {
  for (const line of lines) {
    if (!line.length) continue;
    context.beginPath();
    context.moveTo(line[0][0], line[0][1]);
    if (line.length === 1) context.lineTo(line[0][0] + 0.01, line[0][1]);
    for (const [x, y] of line) context.lineTo(x, y);
    context.stroke();
  }
}

/** Moves and scales a context so that all `lines` are in view, in the middle of `width` by `height`. */
export function fit(context, lines, width, height, least = 60) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const line of lines) for (const [x, y] of line) {
    left = Math.min(left, x); right = Math.max(right, x); top = Math.min(top, y); bottom = Math.max(bottom, y);
  }
  if (left > right) return 1;
  const scale = Math.min(0.84 * width / Math.max(right - left, least), 0.84 * height / Math.max(bottom - top, least));
  context.translate(width / 2 - scale * (left + right) / 2, height / 2 - scale * (top + bottom) / 2);
  context.scale(scale, scale);
  return scale;
}

export class Sheet {
  strokes = new Map(); // id -> { id, points: [[x, y, pressure]], shown }
  ghosts = []; // [{ lines }]
  lit = -1; // the ghost that is shown in full
  #mine = new Map(); // my strokes that the server does not have in full: id -> how many points it has
  #sending = null;
  #layer = document.createElement("canvas");
  #stale = true;
  #active = null;
  #since = 0;
  #late = null;

  /** `lifted()` is called when a stroke is done and on its way, `changed()` when the picture is another one. */
  constructor(studio, { lifted, begun, changed }) {
    Object.assign(this, { studio, lifted, begun, changed });
    this.by = sessionStorage.getItem("draw.by") ?? fresh();
    sessionStorage.setItem("draw.by", this.by);
    this.element = canvas((...a) => this.#paint(...a), { ratio: HEIGHT / WIDTH, label: "The sheet: draw here with a mouse, a finger or a pen" });
    this.element.classList.add("sheet");
    pen(this.element, { begin: (at) => this.#begin(at), move: (at) => this.#move(at), end: (at) => this.#end(at) });
    this.off = [
      studio.on("draw.inked", (one) => this.#told(one.sheet, () => this.#inked(one))),
      studio.on("draw.changed", ({ sheet, shown }) => this.#told(sheet, () => this.#show(shown))),
    ];
  }

  // What others did on `sheet`: done here at once, or when the sheet that comes is there; nothing if this is another sheet.
  #told(sheet, act) {
    if (this.#late) this.#late.push([sheet, act]);
    else if (sheet === this.name) act();
  }

  #catchUp() {
    const late = this.#late;
    this.#late = null;
    for (const one of late) this.#told(...one);
  }

  close() { for (const off of this.off) off(); }

  /** The lines that are to be seen. */
  get lines() { return [...this.strokes.values()].filter((one) => one.shown && one.points.length).map((one) => one.points); }
  get drawing() { return this.#active !== null; }

  /** Goes to a sheet of the server; what of mine is not there yet is sent again. */
  async join(name) {
    this.#late = []; // what others do while the sheet comes
    let answer, strokes;
    try {
      answer = await this.studio.ask("draw.join", { sheet: name, by: this.by });
      strokes = new Map();
      for (let piece = answer; ; piece = await this.studio.ask("draw.more", { sheet: name, stroke: piece.next[0], start: piece.next[1] })) {
        for (const { id, points, shown } of piece.strokes) {
          const known = strokes.get(id) ?? { id, points: [], shown };
          known.points.push(...points);
          strokes.set(id, known);
        }
        if (!piece.next) break;
      }
    } catch (error) {
      this.#catchUp();
      throw error;
    }
    const own = [...this.#mine.keys()].map((id) => this.strokes.get(id)).filter((one) => one && this.name === name);
    this.name = name;
    this.strokes = strokes;
    this.#catchUp();
    this.#mine = new Map();
    for (const one of own) {
      this.#mine.set(one.id, this.strokes.get(one.id)?.points.length ?? 0);
      this.strokes.set(one.id, one);
    }
    this.redraw();
    await this.flush();
    this.changed();
    return answer;
  }

  redraw() { this.#stale = true; this.element.redraw(); }

  #place({ x, y, pressure }) {
    const scale = WIDTH / this.element.clientWidth;
    const near = (v) => Math.max(-9999, Math.min(9999, Math.round(10 * v) / 10));
    const { clientLeft, clientTop } = this.element; // the border
    return [near((x - clientLeft) * scale), near((y - clientTop) * scale), Math.round(100 * pressure) / 100];
  }

  #begin(at) {
    this.#active = { id: `${this.by.slice(0, 20)}-${fresh()}`, points: [], shown: true };
    this.strokes.set(this.#active.id, this.#active);
    this.#mine.set(this.#active.id, 0);
    this.ghosts = [];
    this.begun();
    this.#move(at);
  }

  #move(at) {
    const place = this.#place(at), last = this.#active.points.at(-1);
    if (last && Math.hypot(place[0] - last[0], place[1] - last[1]) < 0.3) return;
    this.#grow(this.#active, [place]);
    if (!this.#sending) this.flush().catch(() => {});
  }

  #end(at) {
    this.#move(at);
    this.#active = null;
    if (this.lines.reduce((sum, one) => sum + one.length, 0) < SMOOTHED) this.redraw();
    this.lifted(performance.now());
  }

  /** Sends what the server does not have; done when it has all. */
  flush() {
    this.#sending ??= this.#send().finally(() => { this.#sending = null; });
    return this.#sending;
  }

  async #send() {
    while (document.documentElement.dataset.connected !== "false") {
      const next = [...this.#mine].find(([id, have]) => this.strokes.get(id)?.points.length > have);
      if (!next) break;
      const [id, have] = next, stroke = this.strokes.get(id), sheet = this.name;
      if (stroke === this.#active) await new Promise((done) => setTimeout(done, Math.max(0, EVERY - (performance.now() - this.#since))));
      this.#since = performance.now();
      try {
        const answer = await this.studio.ask("draw.ink", { sheet, stroke: id, start: have, points: stroke.points.slice(have, have + AT_ONCE) });
        if (this.#mine.has(id)) this.#mine.set(id, answer.have);
      } catch (error) {
        if (document.documentElement.dataset.connected === "false") return; // `join` goes on when the server is back
        this.#mine.delete(id);
        this.strokes.delete(id);
        this.redraw();
        if (sheet !== this.name) continue; // it was begun on the sheet before
        throw error;
      }
    }
    for (const [id, have] of this.#mine) if (this.strokes.get(id) !== this.#active && this.strokes.get(id)?.points.length <= have) this.#mine.delete(id);
  }

  #inked({ stroke, start, points }) {
    const known = this.strokes.get(stroke) ?? { id: stroke, points: [], shown: true };
    this.strokes.set(stroke, known);
    this.#grow(known, points.slice(Math.max(0, known.points.length - start)));
    this.changed();
  }

  #show(shown) {
    for (const [id, one] of Object.entries(shown)) if (this.strokes.has(id)) this.strokes.get(id).shown = one;
    this.redraw();
    this.changed();
  }

  #grow(stroke, points) {
    for (const one of points) {
      stroke.points.push(one);
      if (!this.#stale && stroke.shown) this.#ink(stroke.points, stroke.points.length - 1);
    }
    this.element.redraw();
  }

  // One piece of a stroke, up to point `k`: a curve between the middles of its lines, as wide as the pen was pressed.
  #ink(points, k) {
    const context = this.#layer.getContext("2d"), [x, y, pressure] = points[k];
    context.lineWidth = 1.1 + 2 * pressure;
    context.beginPath();
    if (k === 0) { context.moveTo(x, y); context.lineTo(x + 0.01, y); } else {
      const [a, b] = points[k - 1], before = k > 1 ? [(points[k - 2][0] + a) / 2, (points[k - 2][1] + b) / 2] : [a, b];
      context.moveTo(...before);
      context.quadraticCurveTo(a, b, (a + x) / 2, (b + y) / 2);
    }
    context.stroke();
  }

  // A stroke, or what of it has one width, in one piece: pieces side by side would show where they meet.
  #whole(context, points) {
    if (points.length === 1) return this.#ink(points, 0);
    const wide = ([, , pressure]) => 1.1 + 2 * pressure;
    let [a, b] = points[0], width = wide(points[1]), from = [a, b];
    context.beginPath();
    context.moveTo(a, b);
    for (const point of points.slice(1)) {
      if (Math.abs(wide(point) - width) > 0.04) {
        context.lineWidth = width;
        context.stroke();
        context.beginPath();
        context.moveTo(...from);
        width = wide(point);
      }
      const [x, y] = point;
      from = [(a + x) / 2, (b + y) / 2];
      context.quadraticCurveTo(a, b, ...from);
      [a, b] = [x, y];
    }
    context.lineWidth = width;
    context.stroke();
  }

  // The half line at the end of each stroke: the next point will bend it, so it never gets into the layer.
  #tails(context) {
    context.strokeStyle = colour("ink");
    for (const points of this.lines) {
      if (points.length < 2) continue;
      const [[a, b], [x, y, pressure]] = points.slice(-2);
      context.lineWidth = 1.1 + 2 * pressure;
      context.beginPath();
      context.moveTo((a + x) / 2, (b + y) / 2);
      context.lineTo(x, y);
      context.stroke();
    }
  }

  #paintLayer(width, height, scale) {
    this.#layer.width = Math.round(width * scale);
    this.#layer.height = Math.round(height * scale);
    const context = this.#layer.getContext("2d");
    context.setTransform(this.#layer.width / WIDTH, 0, 0, this.#layer.width / WIDTH, 0, 0);
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = colour("ink");
    for (const points of this.lines) this.#whole(context, points);
    this.#stale = false;
    this.inkColour = colour("ink");
  }

  #paint(context, width, height) {
    const scale = devicePixelRatio || 1;
    if (this.#stale || this.#layer.width !== Math.round(width * scale) || this.inkColour !== colour("ink")) this.#paintLayer(width, height, scale);
    context.save();
    context.scale(width / WIDTH, width / WIDTH);
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = 1.9;
    this.ghosts.forEach(({ lines }, i) => {
      if (i === this.lit) return;
      context.globalAlpha = this.lit < 0 ? 0.2 : 0.06;
      context.strokeStyle = colour(HUES[i % HUES.length]);
      drawLines(context, lines);
    });
    if (this.ghosts[this.lit]) {
      context.globalAlpha = 1;
      context.strokeStyle = colour(HUES[this.lit % HUES.length]);
      drawLines(context, this.#partly(this.ghosts[this.lit].lines));
    }
    context.globalAlpha = 1;
    this.#tails(context);
    context.restore();
    context.drawImage(this.#layer, 0, 0, width, height);
    if (!this.ghosts.length && !this.drawing && !this.lines.length) hint(context, width, height, ["Draw here"]);
  }

  /** Shows a ghost in full, -1: none; it draws itself, unless the person wants nothing to move. */
  light(which) {
    if (which === this.lit) return;
    this.lit = which;
    this.litSince = matchMedia("(prefers-reduced-motion: reduce)").matches ? -1e9 : performance.now();
    this.element.redraw();
  }

  #partly(lines) {
    const share = Math.min(1, (performance.now() - this.litSince) / 700);
    if (share < 1) requestAnimationFrame(() => this.element.redraw());
    let left = Math.ceil(share * lines.reduce((sum, line) => sum + line.length, 0));
    return lines.map((line) => { const part = line.slice(0, Math.max(0, left)); left -= line.length; return part; });
  }
}
