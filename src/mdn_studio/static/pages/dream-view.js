// One side of the dream page: its frame, what M expects of the next one, and how far the episode has come.

import { unit } from "../chart.js";
import { button, bytes, canvas, colour, h, status } from "../ui.js";

const TRAIL = 24; // places of z that are kept
const FIELD = 0.3; // half the width of the plot, as a share of the plane in which dreams move

/** The pixels of a frame as a small canvas that others draw from. */
class Picture {
  constructor() { this.canvas = document.createElement("canvas"); }

  set(text, about) {
    const { width, height, channels } = about, raw = bytes(text);
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d"), image = context.createImageData(width, height), data = image.data;
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) data[4 * i + c] = raw[channels === 3 ? 3 * i + c : i];
      data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    this.there = true;
  }

  draw(context, width, height) {
    if (!this.there) return;
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.canvas, 0, 0, width, height);
  }
}

export class View {
  constructor(name, title, hue, buttons) {
    this.name = name;
    this.hue = hue;
    this.frame = new Picture();
    this.fog = new Picture();
    this.score = h("small", {}, "");
    this.state = status("", { class: "state" });
    this.view = canvas((context, width, height) => { this.frame.draw(context, width, height); this.#wheel(context, width, height); },
      { ratio: 1, label: `${title}, as the network or the camera sees it` });
    this.view.classList.add("view");
    this.foggy = canvas((context, width, height) => this.fog.draw(context, width, height), { ratio: 1, least: 40, label: "What the network expects to see next, several guesses laid over each other" });
    this.plot = canvas((context, width, height) => this.#cloud(context, width, height), { ratio: 1, least: 40, label: "What the network expects next, as points; the ring is where this world is now" });
    this.missing = h("p", { class: "missing", hidden: true });
    this.shown = h("div", {}, this.view,
      h("div", { class: "mind" },
        h("figure", {}, this.foggy, h("figcaption", {}, "Eight guesses of the next picture, laid over each other: blurred where the network doubts")),
        h("figure", {}, this.plot, h("figcaption", {}, "48 guesses as points, in two of the numbers that stand for a picture. The ring is now; the line is the way that led here"))),
      this.state);
    this.element = h("section", { class: "panel world", "data-name": name, "aria-label": title },
      h("h2", {}, title, this.score), this.missing, this.shown, h("p", { class: "buttons" }, buttons.map(([text, act]) => button(text, act, { class: "quiet" }))));
    this.reset({});
  }

  reset(about) {
    this.about = about;
    this.trail = [];
    this.cloud = [];
    this.count = 0;
    this.middle = this.now = this.action = null;
    this.score.textContent = this.state.textContent = "";
    this.missing.hidden = !(this.name === "real" && about.missing);
    this.missing.textContent = about.missing ? `There is no real world here: ${about.missing}` : "";
    this.shown.hidden = !this.missing.hidden;
  }

  show(said) {
    this.frame.set(said.frame, this.about);
    if (said.frames <= 1) this.trail = [];
    if (said.cloud) {
      this.cloud = said.cloud;
      this.fog.set(said.fog, this.about);
      this.trail.push(said.now);
      const [x, y] = this.middle ?? said.now, [u, v] = said.now, away = Math.hypot(u - x, v - y), ease = away > FIELD ? 1 : 0.12;
      this.middle = [x + ease * (u - x), y + ease * (v - y)];
      if (this.trail.length > TRAIL) this.trail.shift();
      this.foggy.redraw();
      this.plot.redraw();
    }
    this.action = said.action;
    this.now = said.now;
    this.count += 1;
    this.score.textContent = `score ${said.score.toFixed(0)}`;
    const seconds = (said.frames / 50).toFixed(0);
    const ended = said.ended ? (this.name === "dream" ? "The dream is over; another begins." : "The episode is over; another begins.") : "";
    if (ended) this.state.tell(ended);
    else this.state.show(`Under way for ${seconds} s.`);
    this.view.redraw();
  }

  #wheel(context, width, height) {
    if (!this.action || !this.about.actions) return;
    const u = unit(), x = width / 2, y = height - 16 * u, half = width * 0.22;
    context.lineCap = "round";
    const bar = (from, to, style, line) => {
      context.strokeStyle = style;
      context.lineWidth = line;
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    };
    const across = this.about.box ? this.action[0] : this.action[1] - this.action[0];
    bar([x - half, y], [x + half, y], "rgb(0 0 0 / .45)", 8 * u);
    bar([x, y], [x + half * across, y], "#fff", 4 * u);
    if (!this.about.box) return;
    const low = height - 16 * u, tall = height * 0.16, right = width - 18 * u, pedal = this.action[1];
    bar([right, low], [right, low - 2 * tall], "rgb(0 0 0 / .45)", 8 * u);
    bar([right, low - tall], [right, low - tall - tall * pedal], pedal < 0 ? "#ff8a80" : "#8fe0a8", 4 * u);
  }

  #cloud(context, width, height) {
    if (!this.now || !this.middle) return;
    const place = ([x, y]) => [width * (0.5 + (0.5 * (x - this.middle[0])) / FIELD), height * (0.5 - (0.5 * (y - this.middle[1])) / FIELD)];
    context.strokeStyle = colour("faint");
    context.globalAlpha = 0.4;
    context.lineWidth = unit();
    context.beginPath();
    this.trail.forEach((one, i) => context[i ? "lineTo" : "moveTo"](...place(one)));
    context.stroke();
    context.globalAlpha = 0.45;
    context.fillStyle = colour(this.hue);
    for (const one of this.cloud) {
      context.beginPath();
      context.arc(...place(one), Math.max(1.6, width / 90), 0, 7);
      context.fill();
    }
    context.globalAlpha = 1;
    context.strokeStyle = colour("ink");
    context.lineWidth = 1.6 * unit();
    context.beginPath();
    context.arc(...place(this.now), Math.max(3.5, width / 36), 0, 7);
    context.stroke();
  }
}
