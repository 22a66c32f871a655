// Numbers as people write them, and the picture of a predicted density.

import { font, ticks, unit } from "../chart.js";
import { colour } from "../ui.js";

/** A number with about four digits, without an exponent where people read it. */
export function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "unknown";
  const size = Math.abs(value);
  if (size && (size < 1e-4 || size >= 1e9)) return value.toExponential(2);
  if (Number.isInteger(value)) return Math.abs(value) < 10000 ? String(value) : value.toLocaleString("en");
  const digits = Math.max(0, 3 - Math.floor(Math.log10(size || 1)));
  return size >= 10000 ? Math.round(value).toLocaleString("en") : String(+value.toFixed(Math.min(8, digits)));
}

/** Days since 1970 as a date. */
export function day(value) {
  const date = new Date(Math.round(value * 86400) * 1000);
  if (Number.isNaN(date.getTime())) return "no date";
  const text = date.toISOString();
  return text.endsWith("T00:00:00.000Z") ? text.slice(0, 10) : `${text.slice(0, 10)} ${text.slice(11, 16)}`;
}

/** Where values stand on a canvas of some width. */
export function scale(axis, width) {
  const pad = 14, reach = axis[1] - axis[0] || 1;
  return { x: (v) => pad + (width - 2 * pad) * (v - axis[0]) / reach, value: (x) => axis[0] + reach * (x - pad) / (width - 2 * pad) };
}

/** Draws the density of an answer: blue below the line and orange above it, its intervals under the axis, and what was observed. */
export function drawAnswer(context, width, height, answer, { reference, observed, line }) {
  const { x } = scale(answer.axis, width), one = unit(), floor = height - 62 * one, ceiling = 34 * one, top = Math.max(answer.top, 0.4 * reference);
  const y = (v) => floor - (floor - ceiling) * Math.min(1, v / top);
  const ink = colour("ink"), blue = colour("blue"), orange = colour("orange"), faint = colour("faint"), soft = colour("line");
  const at = x(line);

  const fill = (from, to, of, strength) => {
    context.save();
    context.beginPath();
    context.rect(from, 0, Math.max(0, to - from), floor);
    context.clip();
    context.globalAlpha = strength;
    context.fillStyle = of;
    shape(true);
    context.restore();
  };
  const shape = (closed) => {
    if (answer.counted) {
      const gap = answer.grid.length > 1 ? x(answer.grid[1]) - x(answer.grid[0]) : 24, wide = Math.max(1.5, 0.7 * gap);
      if (closed) answer.grid.forEach((v, i) => context.fillRect(x(v) - wide / 2, y(answer.height[i]), wide, floor - y(answer.height[i])));
      return;
    }
    context.beginPath();
    answer.grid.forEach((v, i) => context[i ? "lineTo" : "moveTo"](x(v), y(answer.height[i])));
    if (!closed) return context.stroke();
    context.lineTo(x(answer.grid.at(-1)), floor);
    context.lineTo(x(answer.grid[0]), floor);
    context.fill();
  };
  fill(0, at, blue, 0.28);
  fill(at, width, orange, 0.34);
  context.strokeStyle = ink;
  context.lineWidth = 1.6 * one;
  context.lineJoin = "round";
  shape(false);
  context.font = font(0.78);
  context.textAlign = "center";
  for (const [atom, share] of answer.atoms) {
    if (atom < answer.axis[0] || atom > answer.axis[1]) continue;
    context.fillStyle = atom > line ? orange : blue;
    context.fillRect(x(atom) - 2.5, floor - (floor - ceiling) * share, 5, (floor - ceiling) * share);
    context.fillStyle = ink;
    const middle = Math.min(width - 60 * one, Math.max(60 * one, x(atom)));
    context.fillText(`${Math.round(100 * share)} % exactly ${short(atom)}`, middle, floor - (floor - ceiling) * share - 5 * one);
  }

  context.strokeStyle = soft;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(0, floor + 0.5);
  context.lineTo(width, floor + 0.5);
  context.stroke();
  context.fillStyle = faint;
  for (const tick of ticks(...answer.axis, Math.max(2, Math.floor(width / 100 / one)))) {
    context.fillRect(x(tick), floor, one, 5 * one);
    context.textAlign = x(tick) < 22 * one ? "left" : x(tick) > width - 22 * one ? "right" : "center";
    context.fillText(short(tick), x(tick), floor + 18 * one);
  }
  const rail = height - 24 * one;
  context.strokeStyle = blue;
  context.lineCap = "round";
  answer.bands.forEach((pieces, i) => {
    context.lineWidth = (i ? 9 : 3) * one;
    context.globalAlpha = i ? 0.55 : 1;
    for (const [low, high] of pieces) {
      context.beginPath();
      context.moveTo(x(low), rail);
      context.lineTo(x(high), rail);
      context.stroke();
    }
  });
  context.globalAlpha = 1;
  context.fillStyle = ink;
  context.beginPath();
  context.arc(x(answer.median), rail, 4 * one, 0, 2 * Math.PI);
  context.fill();

  if (observed !== null && observed >= answer.axis[0] && observed <= answer.axis[1]) {
    context.strokeStyle = colour("green");
    context.lineWidth = 2 * one;
    context.setLineDash([5 * one, 4 * one]);
    context.beginPath();
    context.moveTo(x(observed), ceiling);
    context.lineTo(x(observed), rail + 10 * one);
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = colour("green");
    context.font = font(0.78, 600);
    context.textAlign = x(observed) > width - 110 * one ? "right" : "left";
    context.fillText("what happened", x(observed) + (context.textAlign === "left" ? 6 : -6), ceiling + 12 * one);
  }
  context.strokeStyle = orange;
  context.lineWidth = 2 * one;
  context.beginPath();
  context.moveTo(at, 24 * one);
  context.lineTo(at, floor);
  context.stroke();
  context.fillStyle = orange;
  context.beginPath();
  context.arc(at, floor, 8 * one, 0, 2 * Math.PI);
  context.fill();
  context.font = font(0.9, 600);
  const percent = (share) => share > 0.995 && share < 1 ? "> 99 %" : share < 0.005 && share > 0 ? "< 1 %" : `${Math.round(100 * share)} %`;
  // Both shares are always told: beside the line where there is room, else as near to it as the border allows.
  const right = `${percent(answer.above)} above`, left = `${percent(answer.below)} below`, gap = 14 * one;
  const [wide, before] = [right, left].map((text) => context.measureText(text).width);
  const start = Math.min(Math.max(at + 10 * one, before + gap), width - wide);
  context.textAlign = "left";
  context.fillText(right, start, 16 * one);
  context.textAlign = "right";
  context.fillStyle = blue;
  context.fillText(left, Math.max(Math.min(at - 10 * one, start - gap), before), 16 * one);
}
