// The paper that is written on, stroke by stroke; and the window: the text as the network reads it at each point.

import { bytes, canvas, colour, h, pen } from "../ui.js";

const POINTS = 55; // a second at pace 1: about three and a half letters
const LATE = 1.5; // seconds within which the pen catches up with a person who types
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function unpacked(line) {
  return { ...line, window: bytes(line.window), points: line.strokes.reduce((sum, stroke) => sum + stroke.length, 0) };
}

/** The letter that weighs most at a point of a line. */
export function letterAt(line, place) {
  const row = Math.max(0, Math.min(line.points - 2, place - 1)), from = row * line.letters;
  let best = 0;
  for (let u = 1; u < line.letters; u++) if (line.window[from + u] > line.window[from + best]) best = u;
  return best;
}

export class Paper {
  pace = 5;
  #content = { width: 165, height: 42, sheets: 1, lines: [] };
  #line = 0; #place = 0; // where the pen is
  #frame = 0; #last = 0;

  /** `moved(line, place, byItself)` is called whenever the pen is elsewhere. */
  constructor(moved) {
    this.moved = moved;
    this.element = h("div", { class: "paper" });
    this.#fit();
  }

  get total() { return this.#content.lines.reduce((sum, line) => sum + line.points, 0); }
  get share() {
    const before = this.#content.lines.slice(0, this.#line).reduce((sum, line) => sum + line.points, 0);
    return this.total ? (before + this.#place) / this.total : 0;
  }

  /** Shows an answer of the server. `how`: "on" goes on where the text changed, "again" from the start, "whole" at once. */
  show(answer, how) {
    const before = this.#content.lines;
    this.#content = { ...answer, lines: answer.lines.map(unpacked) };
    this.#fit();
    if (how === "whole" || still()) { this.finish(); return; }
    if (how === "again") [this.#line, this.#place] = [0, 0]; else this.#back(before);
    this.#go();
  }

  clear() { this.show({ width: 165, height: 42, sheets: 1, lines: [] }, "whole"); }

  // Takes the pen back to where the new ink differs from the old.
  #back(before) {
    const now = this.#content.lines;
    let i = 0;
    while (i < now.length && i < before.length && now[i].text === before[i].text) i++;
    if (i < this.#line || (i === this.#line && i < now.length)) {
      const old = before[i]?.text ?? "", fresh = now[i]?.text ?? "";
      let same = 0;
      while (same < fresh.length && fresh[same] === old[same]) same++;
      let place = 0;
      if (same > 2) while (place < now[i].points && letterAt(now[i], place) < same - 2) place++;
      if (i < this.#line || place < this.#place) [this.#line, this.#place] = [i, place];
    }
    if (this.#line >= now.length) [this.#line, this.#place] = [Math.max(0, now.length - 1), 0];
  }

  #fit() {
    const { width, height, sheets } = this.#content, ratio = sheets * height / width;
    if (ratio !== this.ratio) {
      this.ratio = ratio;
      this.canvas = canvas((...a) => this.#paint(...a), { ratio, most: 16000, label: "The written text" });
      this.element.replaceChildren(this.canvas);
    }
    this.canvas.setAttribute("aria-label", `Written by hand: ${this.#content.lines.map((line) => line.text).join(" ") || "nothing yet"}`);
    this.canvas.redraw();
  }

  finish() {
    const { lines } = this.#content;
    this.stop();
    [this.#line, this.#place] = lines.length ? [lines.length - 1, lines.at(-1).points] : [0, 0];
    this.#tell(true);
  }

  seek(share) {
    this.stop();
    let left = Math.round(share * this.total), i = 0;
    const { lines } = this.#content;
    while (i < lines.length - 1 && left > lines[i].points) left -= lines[i++].points;
    [this.#line, this.#place] = [i, Math.min(left, lines[i]?.points ?? 0)];
    this.#tell(false);
  }

  /** Moves the pen within its line. */
  scrub(share) {
    this.stop();
    this.#place = Math.round(share * (this.#content.lines[this.#line]?.points ?? 0));
    this.#tell(false);
  }

  stop() { cancelAnimationFrame(this.#frame); this.#frame = 0; }

  #tell(byItself) {
    this.canvas.redraw();
    this.moved(this.#content.lines[this.#line], this.#place, byItself);
  }

  #go() {
    this.stop();
    this.#last = performance.now();
    const step = (now) => {
      const { lines } = this.#content, left = (1 - this.share) * this.total;
      let count = Math.min(0.1, (now - this.#last) / 1000) * Math.max(POINTS * this.pace, this.pace > 4 ? left / LATE / 4 : 0);
      this.#last = now;
      this.debt = (this.debt ?? 0) + count;
      count = Math.floor(this.debt);
      this.debt -= count;
      this.#place += count;
      while (this.#line < lines.length - 1 && this.#place > lines[this.#line].points) this.#place -= lines[this.#line++].points;
      this.#place = Math.min(this.#place, lines[this.#line]?.points ?? 0);
      this.#tell(true);
      const done = this.#line >= lines.length - 1 && this.#place >= (lines.at(-1)?.points ?? 0);
      this.#frame = done ? 0 : requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }

  #paint(context, width, height) {
    const { lines, sheets, height: high, width: wide } = this.#content;
    context.save();
    context.scale(width / wide, width / wide);
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = colour("line");
    context.lineWidth = 0.3;
    for (let i = 1; i < sheets; i++) { context.beginPath(); context.moveTo(0, i * high); context.lineTo(wide, i * high); context.stroke(); }
    context.strokeStyle = colour("ink");
    context.lineWidth = 0.5;
    let tip = null;
    lines.slice(0, this.#line + 1).forEach((line, i) => {
      let left = i < this.#line ? Infinity : this.#place;
      for (const stroke of line.strokes) {
        const part = stroke.slice(0, Math.max(0, left));
        left -= stroke.length;
        if (!part.length) break;
        context.beginPath();
        context.moveTo(...part[0]);
        if (part.length === 1) context.lineTo(part[0][0] + 0.01, part[0][1]);
        for (const place of part) context.lineTo(...place);
        context.stroke();
        tip = part.at(-1);
      }
    });
    if (tip && this.#frame) {
      context.fillStyle = colour("blue");
      context.beginPath();
      context.arc(...tip, 1.1, 0, 7);
      context.fill();
    }
    context.restore();
  }
}

export class WindowView {
  #line = null; #place = 0; #image = null;

  /** `scrub(share)` is called when a person drags over the picture. */
  constructor(scrub) {
    this.letters = h("p", { class: "letters", "aria-hidden": "true" });
    this.said = h("p", { class: "faint small" });
    this.canvas = canvas((...a) => this.#paint(...a), { ratio: 0.24, least: 110, most: 420, label: "The weight of each letter at each point of the line: a dark band runs from the first letter, at the top left, to the last one" });
    const to = ({ x }) => scrub(Math.max(0, Math.min(1, x / this.canvas.clientWidth)));
    pen(this.canvas, { begin: to, move: to, touch: "pan-y" });
    this.element = h("div", { class: "window" }, this.letters, this.canvas, this.said);
  }

  show(line, place) {
    if (line !== this.#line) {
      this.#line = line;
      this.#image = null;
      this.letters.replaceChildren(...[...(line?.text ?? "")].map((one) => h("span", {}, one)));
    }
    this.#place = place;
    this.canvas.redraw();
    if (!line?.letters) { this.said.textContent = ""; return; }
    const row = Math.max(0, Math.min(line.points - 2, place - 1)) * line.letters, heat = colour("heat");
    [...this.letters.children].forEach((one, u) => { one.style.background = `rgba(${heat}, ${(0.75 * (line.window[row + u] ?? 0) / 255).toFixed(3)})`; });
    const which = letterAt(line, place), letter = line.text[which];
    this.said.textContent = `The pen is at point ${place} of ${line.points}; most weight is on ${letter === " " ? "a space" : `“${letter}”`}, letter ${which + 1} of ${line.letters}.`;
  }

  #matrix(line, heat) {
    const image = document.createElement("canvas"), rows = line.window.length / line.letters;
    image.width = rows;
    image.height = line.letters;
    const context = image.getContext("2d"), data = context.createImageData(rows, line.letters), [r, g, b] = heat.split(",").map(Number);
    for (let t = 0; t < rows; t++) for (let u = 0; u < line.letters; u++) data.data.set([r, g, b, line.window[t * line.letters + u]], 4 * (u * rows + t));
    context.putImageData(data, 0, 0);
    return image;
  }

  #paint(context, width, height) {
    const line = this.#line;
    if (!line?.letters) return;
    const heat = colour("heat");
    if (!this.#image || this.heat !== heat) { this.#image = this.#matrix(line, heat); this.heat = heat; }
    context.imageSmoothingEnabled = false;
    context.drawImage(this.#image, 0, 0, width, height);
    const x = width * this.#place / line.points;
    context.strokeStyle = colour("orange");
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, height);
    context.stroke();
  }
}
