// What the lecture's panels draw with: axes, lines, bells, heat maps, and the frame of a panel.

import { ticks, unit } from "../chart.js";
import { bytes, colour, h } from "../ui.js";

/** A panel: a number, a title, a sentence or two, then its content. */
export function panel(number, title, text, ...content) {
  const id = `lecture-${number}`;
  return h("section", { class: "panel lecture-panel", "aria-labelledby": id },
    h("header", {}, h("span", { class: "number", "aria-hidden": "true" }, number), h("div", {}, h("h2", { id }, title), h("p", { class: "faint" }, text))), ...content);
}

/** From data to pixels and back. `x` and `y` are `[low, high]`; draws both axes with their ticks; `foot` is the height below. */
export function axes(context, width, height, { x, y, xlabel = "", ylabel = "", yticks = true, foot = 26 }) {
  const u = unit(), left = (yticks ? 34 : 8) * u, bottom = foot * u, top = 8 * u, right = 8 * u;
  const to = (v, [low, high], from, until) => from + ((v - low) / (high - low)) * (until - from);
  const place = {
    x: (v) => to(v, x, left, width - right), y: (v) => to(v, y, height - bottom, top),
    atX: (p) => to(p, [left, width - right], x[0], x[1]), atY: (p) => to(p, [height - bottom, top], y[0], y[1]),
    left, right: width - right, top, bottom: height - bottom, u,
  };
  context.font = `${12 * u}px system-ui, sans-serif`;
  context.fillStyle = colour("faint");
  context.strokeStyle = colour("line");
  context.lineWidth = u;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const v of ticks(...x, Math.max(2, (width - left) / (80 * u)))) {
    context.beginPath();
    context.moveTo(place.x(v), place.bottom);
    context.lineTo(place.x(v), place.bottom + 4 * u);
    context.stroke();
    context.textAlign = place.x(v) > width - 16 * u ? "right" : "center"; // the last number would be cut off
    context.fillText(written(v), Math.min(place.x(v), width - (place.x(v) > width - 16 * u ? 2 : 0)), place.bottom + 7 * u);
  }
  if (xlabel) { context.textAlign = "right"; context.fillText(xlabel, place.right, place.bottom - 15 * u); }
  context.beginPath();
  context.moveTo(left, place.bottom);
  context.lineTo(place.right, place.bottom);
  context.stroke();
  if (yticks) {
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const v of ticks(...y, Math.max(2, (height - bottom) / (42 * u)))) context.fillText(written(v), left - 6 * u, place.y(v));
    if (ylabel) { context.textAlign = "left"; context.fillText(ylabel, left + 4 * u, top + 6 * u); }
  }
  return place;
}

const written = (v) => String(+v.toPrecision(6)).replace("-", "−");

/** `count` numbers from `low` to `high`. */
export function spread([low, high], count) { return Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1)); }

/** A line through points; `fill` also fills down to the axis. */
export function curve(context, place, xs, ys, { stroke = null, width = 2, fill = null, dash = [] }) {
  context.save();
  context.beginPath();
  context.rect(place.left, 0, place.right - place.left, place.bottom + 1);
  context.clip();
  context.beginPath();
  xs.forEach((v, i) => { if (ys[i] !== null) context.lineTo(place.x(v), place.y(ys[i])); });
  if (stroke) {
    context.strokeStyle = stroke;
    context.lineWidth = width * place.u;
    context.lineJoin = "round";
    context.setLineDash(dash);
    context.stroke();
  }
  if (fill) {
    context.lineTo(place.x(xs[xs.length - 1]), place.bottom);
    context.lineTo(place.x(xs[0]), place.bottom);
    context.closePath();
    context.fillStyle = fill;
    context.fill();
  }
  context.restore();
}

export function dot(context, x, y, radius, fill, stroke = null) {
  context.beginPath();
  context.arc(x, y, radius * unit(), 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
  if (stroke) { context.strokeStyle = stroke; context.lineWidth = 2 * unit(); context.stroke(); }
}

/** Many small points `[[x, y], …]`. */
export function cloud(context, place, points, alpha = 0.3, size = 2) {
  context.save();
  context.globalAlpha = alpha;
  context.fillStyle = colour("ink");
  const wide = size * place.u;
  for (const [x, y] of points) context.fillRect(place.x(x) - wide / 2, place.y(y) - wide / 2, wide, wide);
  context.restore();
}

/** A colour of the theme that is partly transparent. */
export function faint(name, alpha) { return `color-mix(in srgb, ${colour(name)} ${Math.round(100 * alpha)}%, transparent)`; }

/** The heat map of a message, row by row from below, drawn over `[left, right]` and `[low, high]` of the data. */
export function heat(context, place, text, columns, x, y) {
  const cells = bytes(text), rows = cells.length / columns;
  const small = document.createElement("canvas");
  small.width = columns;
  small.height = rows;
  const inside = small.getContext("2d"), image = inside.createImageData(columns, rows);
  const [r, g, b] = colour("heat").split(",").map(Number), pixels = image.data;
  for (let row = 0, i = 0; row < rows; row++) {
    for (let column = 0, at = 4 * (rows - 1 - row) * columns; column < columns; column++, i++) {
      pixels[at++] = r;
      pixels[at++] = g;
      pixels[at++] = b;
      pixels[at++] = cells[i];
    }
  }
  inside.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  // a cell is centred on its number, so the picture reaches half a cell beyond the outermost numbers
  const dx = (place.x(x[1]) - place.x(x[0])) / (columns - 1), dy = (place.y(y[0]) - place.y(y[1])) / (rows - 1);
  context.save();
  context.beginPath();
  context.rect(place.left, place.top, place.right - place.left, place.bottom - place.top);
  context.clip();
  context.drawImage(small, place.x(x[0]) - dx / 2, place.y(y[1]) - dy / 2, dx * columns, dy * rows);
  context.restore();
}

export const COLOURS = ["blue", "orange", "green", "purple", "red", "ink"];
export const shade = (k) => COLOURS[k % COLOURS.length];

/** Whether a part of an element is on the screen. */
export function inView(element) {
  const box = element.getBoundingClientRect();
  return box.bottom > 0 && box.top < innerHeight;
}
