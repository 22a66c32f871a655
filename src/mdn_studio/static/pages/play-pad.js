// The pad: touches of the player and of the model fade on it; below, the last seconds as a score.

import { hint, unit } from "../chart.js";
import { canvas, colour, pen } from "../ui.js";

const FADES = 2600, SCORE = 20_000; // milliseconds
const HUES = { player: "blue", model: "orange" };
const LEAST = 9; // milliseconds between touches of one swipe
const ROWS = ["QWERTYUIOP", "ASDFGHJKL;", "ZXCVBNM,./"];
const OTHER = { ";": "Semicolon", ",": "Comma", ".": "Period", "/": "Slash" };

/** Where a key of the keyboard lies on the pad, by its place and whatever its letter is. */
export const PLACES = new Map(ROWS.flatMap((row, j) => [...row].map((key, i) => [OTHER[key] ?? `Key${key}`, [(i + 0.5) / 10, 0.2 + 0.3 * j]])));

export class Pad {
  /** `played(kind, x, y)` hears of the player: "begin", "move" or "end". */
  constructor(notes, played) {
    this.notes = notes;
    this.touches = [];
    this.going = false;
    this.score = canvas((context, width, height) => this.#drawScore(context, width, height), { ratio: 0.14, least: 70, most: 190, label: "The last twenty seconds: time from left to right, pitch upwards, you in blue and the model in orange" });
    this.element = canvas((context, width, height) => this.#draw(context, width, height), {
      ratio: 0.56, least: 240, most: 900, role: "application", label: "The pad. Touch it, or play the letter keys: left is low, right is high, the lower edge is loud, the upper edge bright.",
    });
    this.element.classList.add("pad");
    let last = 0;
    const place = ({ x, y }) => [Math.min(1, Math.max(0, x / this.element.clientWidth)), Math.min(1, Math.max(0, y / this.element.clientHeight))];
    pen(this.element, {
      begin: (at) => { last = at.time; played("begin", ...place(at)); },
      move: (at) => { if (at.time - last >= LEAST) { last = at.time; played("move", ...place(at)); } },
      end: (at) => played("end", ...place(at)),
    });
  }

  /** Shows a touch. */
  add(who, x, y, begins) {
    this.touches.push({ who, x, y, begins, time: performance.now() });
    if (this.touches.length > 6000) this.touches.splice(0, 1000);
    if (!this.going) { this.going = true; requestAnimationFrame(() => this.#go()); }
  }

  clear() { this.touches = []; this.element.redraw(); this.score.redraw(); }

  #go() {
    const now = performance.now(), last = this.touches.at(-1)?.time ?? -Infinity;
    this.element.redraw();
    this.score.redraw();
    this.going = now - last < SCORE && this.element.isConnected;
    if (now - last < FADES) requestAnimationFrame(() => this.#go());
    else if (this.going) setTimeout(() => this.#go(), 100);
  }

  #draw(context, width, height) {
    const now = performance.now(), count = this.notes.length, u = unit();
    context.strokeStyle = colour("line");
    context.lineWidth = 1;
    context.globalAlpha = 0.75;
    for (let i = 1; i < count; i++) {
      context.setLineDash(i % 5 ? [2, 6] : []);
      context.beginPath();
      context.moveTo((width * i) / count, 0);
      context.lineTo((width * i) / count, height);
      context.stroke();
    }
    context.setLineDash([]);
    context.lineCap = context.lineJoin = "round";
    const before = {};
    let first = this.touches.length;
    while (first > 0 && now - this.touches[first - 1].time < FADES) first--;
    for (const one of this.touches.slice(first)) {
      const left = 1 - (now - one.time) / FADES, x = one.x * width, y = one.y * height, size = (3 + 9 * one.y) * u;
      context.strokeStyle = context.fillStyle = colour(HUES[one.who]);
      const last = before[one.who];
      if (last && !one.begins) {
        context.globalAlpha = Math.max(0, left) ** 1.5;
        context.lineWidth = size;
        context.beginPath();
        context.moveTo(last[0], last[1]);
        context.lineTo(x, y);
        context.stroke();
      } else {
        context.globalAlpha = Math.max(0, left);
        context.beginPath();
        context.arc(x, y, size, 0, 7);
        context.fill();
        context.globalAlpha = Math.max(0, left) ** 3 * 0.6;
        context.lineWidth = 2 * u;
        context.beginPath();
        context.arc(x, y, size + 70 * u * (1 - left), 0, 7);
        context.stroke();
      }
      before[one.who] = [x, y];
    }
    context.globalAlpha = 1;
    if (first === this.touches.length) {
      hint(context, width, height, ["Play here: touch, draw,", "or press the letter keys"]);
    }
  }

  #drawScore(context, width, height) {
    const now = performance.now(), u = unit();
    context.fillStyle = colour("paper");
    context.fillRect(0, 0, width, height);
    const before = {};
    for (const one of this.touches) {
      const age = now - one.time;
      if (age > SCORE) continue;
      const x = width * (1 - age / SCORE), y = 5 + (height - 10) * (1 - one.x), size = (1.5 + 2.5 * one.y) * u, last = before[one.who];
      context.fillStyle = context.strokeStyle = colour(HUES[one.who]);
      if (last && !one.begins) {
        context.lineWidth = size;
        context.beginPath();
        context.moveTo(...last);
        context.lineTo(x, y);
        context.stroke();
      } else {
        context.beginPath();
        context.arc(x, y, size, 0, 7);
        context.fill();
      }
      before[one.who] = [x, y];
    }
  }
}
