// What pictures of numbers share: sizes that grow with the letters of the page, and round numbers along an axis.

/** The size of text of the page, in pixels: larger on a wall. */
export const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;

/** Pixels of what is one pixel wide on a desk. */
export const unit = () => rem() / 16;

/** The font of a picture; `size` is a share of the page's own. */
export const font = (size, weight = 400) => `${weight} ${size * rem()}px ${getComputedStyle(document.body).fontFamily}`;

/** Words in the middle of an empty picture: in one line where it is wide enough for them, else in one line each. */
export function hint(context, width, height, lines) {
  context.save();
  context.font = font(1.05);
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--faint").trim();
  context.textAlign = "center";
  context.textBaseline = "middle";
  const whole = lines.join(" "), shown = context.measureText(whole).width < 0.94 * width ? [whole] : lines, step = 1.5 * rem();
  shown.forEach((one, i) => context.fillText(one, width / 2, height / 2 + (i - (shown.length - 1) / 2) * step));
  context.restore();
}

/** About `count` round numbers from `low` to `high`. */
export function ticks(low, high, count) {
  const raw = (high - low) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((one) => one * power >= raw) * power, found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step && found.length < 50; i++) found.push(+(i * step).toPrecision(12));
  return found;
}
